//! ActionsDeclined: by a person, by a refusal before anybody was asked, or by an action that failed.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::Backoff;
use jiff::Timestamp;

use super::journal_draft::JournalDraft;
use super::proposal::target;
use super::step_back::back_to_normal;
use crate::decide::lookup::own;
use crate::decide::time::at;
use crate::decide::view::View;
use crate::decide::withdrawal::{active, inactive_reason, met, not_met};

/// Steps from ActionsDeclined.
pub(crate) fn declined(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    if draft.get().approval.is_some() {
        // By a person: stays for as long as the approval is there.
        if own(view, draft.get()).is_some() {
            return None;
        }
        draft.edit().approval = None;
        return match active(view) {
            Some(_) if !not_met(view) => {
                draft.go(S::Triggered, Some("the declined approval was deleted"), None);
                None
            }
            Some(_) => back_to_normal(view, draft, "the declined approval was deleted"),
            None => back_to_normal(view, draft, inactive_reason(view)),
        };
    }
    let Some((rule, object)) = active(view) else {
        return back_to_normal(view, draft, inactive_reason(view));
    };
    if not_met(view) {
        return back_to_normal(view, draft, "the conditions do not hold any more");
    }
    if let Some(until) = draft.get().backoff.as_ref().and_then(|b| at(b.until.as_ref()))
        && view.now < until
    {
        return Some(until);
    }
    if !met(view) {
        return None;
    }
    // Looked at again with every pass, but said only if there is something new: a refusal repeats in silence.
    match target(rule, object) {
        Ok(_) => draft.go(S::Triggered, Some("what stood in the way is gone"), None),
        Err(refusal) => {
            let known = draft.get().backoff.as_ref().is_some_and(|b| b.reason == refusal.reason);
            if !known {
                draft.edit().backoff =
                    Some(Backoff { attempts: 0, until: None, reason: refusal.reason.to_owned() });
                draft.stay(Some(&refusal.message));
            }
        }
    }
    None
}
