//! ActiveActionsTaken: the cool-down after an action.

use autopilot_shared::RuleState as S;
use jiff::Timestamp;

use super::clock::cool_down_of;
use super::journal_draft::JournalDraft;
use crate::decide::approval::execution::execution_due;
use crate::decide::time::at;
use crate::decide::view::View;

/// Steps from ActiveActionsTaken.
pub(crate) fn cool_down(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let status = draft.get();
    // The rule may have been edited since: a shorter cool-down takes effect in place.
    let since = at(status.since.as_ref()).unwrap_or(view.now);
    let until = at(status.cool_down_until.as_ref()).unwrap_or(since).min(since + cool_down_of(view));
    if view.now < until {
        return Some(until);
    }
    if execution_due(view, draft.get()).is_some() {
        return None;
    }
    draft.go(S::Normal, None, None);
    None
}
