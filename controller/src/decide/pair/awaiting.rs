//! ActionAwaitingApproval: what a latch leads to.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::Outcome;
use jiff::Timestamp;

use super::journal_draft::JournalDraft;
use super::step_back::back_to_normal;
use crate::decide::approval::spec::binds;
use crate::decide::lookup::own;
use crate::decide::view::View;
use crate::decide::withdrawal::{active, declined_reason, inactive_reason, not_met};

/// Steps from ActionAwaitingApproval.
pub(crate) fn awaiting(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let Some(approval) = own(view, draft.get()) else {
        // Deleted, or replaced by another object of the same name: its digest never counts again.
        draft.edit().proposal = None;
        draft.edit().approval = None;
        return match active(view) {
            Some(_) if !not_met(view) => {
                draft.go(S::Triggered, Some("the approval was deleted"), None);
                None
            }
            Some(_) => back_to_normal(view, draft, "the approval was deleted and the conditions do not hold"),
            None => back_to_normal(view, draft, inactive_reason(view)),
        };
    };
    let Some(decision) = approval.raw.decision() else {
        // A spec that does not count is shown; what is due is an effect, not a transition.
        let uid = approval.raw.metadata.uid.as_deref();
        let stale = draft.get().proposal.as_ref().and_then(|p| binds(approval, p, uid).err());
        draft.stay(stale.map(|why| format!("the approval does not count: {why}")).as_deref());
        // When it is withdrawn depends on passes, not on the clock alone: no alarm.
        return None;
    };
    let current = draft.get().proposal.as_ref().is_some_and(|p| p.digest == decision.digest);
    let decision = decision.clone();
    match decision.outcome {
        Outcome::Approved if current => {
            draft.go(S::ActiveActionsPending, None, Some(decision));
        }
        Outcome::Declined => {
            draft.edit().proposal = None;
            let reason = declined_reason(&decision);
            draft.go(S::ActionsDeclined, Some(&reason), Some(decision));
        }
        // A latch about another digest can never become one about this: the object is spent.
        Outcome::Canceled | Outcome::Approved => {
            let again = active(view).is_some() && !not_met(view);
            let reason = decision.reason.clone();
            draft.edit().proposal = None;
            draft.edit().approval = None;
            draft.go(if again { S::Triggered } else { S::Normal }, Some(&reason), Some(decision));
        }
    }
    None
}
