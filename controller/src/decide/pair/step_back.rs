//! Steps back, from any state in which nothing is latched.

use autopilot_shared::RuleState as S;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::journal_draft::JournalDraft;
use crate::decide::lookup::{of_proposal, undecided};
use crate::decide::view::View;

/// Steps to Normal, unless an open approval must be withdrawn first.
pub(crate) fn back_to_normal(
    view: &View<'_>,
    draft: &mut JournalDraft<'_, '_>,
    reason: &str,
) -> Option<Timestamp> {
    if !open_approval(view, draft) {
        draft.go(S::Normal, Some(reason), None);
    }
    None
}

/// Drops a proposal that nobody was asked about; the hold begins anew.
pub(crate) fn withdraw(view: &View<'_>, draft: &mut JournalDraft<'_, '_>, reason: &str) -> Option<Timestamp> {
    if !open_approval(view, draft) {
        draft.edit().proposal = None;
        if draft.state() == S::Triggered {
            draft.edit().hold_since = Some(MicroTime(view.now));
            draft.stay(Some(reason));
        } else {
            draft.go(S::Triggered, Some(reason), None);
        }
    }
    None
}

/// Returns whether there is an undecided approval with the current digest: it is canceled first, then the journal changes.
fn open_approval(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> bool {
    draft.get().proposal.as_ref().and_then(|p| of_proposal(view, p)).is_some_and(undecided)
}
