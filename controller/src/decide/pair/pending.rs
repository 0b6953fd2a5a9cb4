//! ActiveActionsPending: the last look before the resize, and the pause after a refused one.

use autopilot_shared::RuleState as S;
use jiff::Timestamp;

use super::journal_draft::JournalDraft;
use super::proposal::size;
use super::step_back::{back_to_normal, withdraw};
use crate::decide::time::at;
use crate::decide::view::View;
use crate::decide::withdrawal::{active, inactive_reason, not_met};

/// Steps from ActiveActionsPending.
pub(crate) fn pending(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let Some(proposal) = &draft.get().proposal else {
        return back_to_normal(view, draft, "nothing is proposed");
    };
    let object = view.object.as_ref().filter(|o| o.uid == proposal.pvc_uid);
    let there = object.is_some_and(|o| Some(o.request) == size(&proposal.to));
    // Without an approval nothing is latched before the resize is asked for: it may still be withdrawn, unless it
    // was done after all.
    if draft.get().approval.is_none() && !there {
        let Some((rule, object)) = active(view) else {
            return back_to_normal(view, draft, inactive_reason(view));
        };
        if not_met(view) {
            return back_to_normal(view, draft, "the conditions do not hold any more");
        }
        if proposal.rule_hash != *rule.hash {
            return withdraw(view, draft, "the rule was edited");
        }
        if proposal.pvc_uid != object.uid || proposal.from != object.request.to_string() {
            return withdraw(view, draft, "the PVC was resized or replaced");
        }
    }
    if let Some(until) = draft.get().backoff.as_ref().and_then(|b| at(b.until.as_ref()))
        && view.now < until
    {
        return Some(until);
    }
    draft.go(S::ActiveActionsInProgress, None, None);
    None
}
