//! ActionAwaitingApproval and ActionsDeclined: what a latch leads to, and what takes a question back.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Backoff, Decision, Outcome};
use jiff::{SignedDuration, Timestamp};

use super::triggered::target;
use super::{active, back_to_normal, inactive_reason, met, not_met, own, seconds};
use crate::decide::approval::spec::binds;
use crate::decide::pair::journal_draft::{Draft, at};
use crate::decide::view::View;

pub(crate) fn awaiting(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some(approval) = own(view, draft) else {
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
    let Some(decision) = approval.raw.status.as_ref().and_then(|s| s.decision.as_ref()) else {
        // Words other than a decision are shown; what is due is an effect, not a transition.
        let uid = approval.raw.metadata.uid.as_deref();
        let stale = draft.get().proposal.as_ref().and_then(|p| binds(approval, p, uid).err());
        draft.stay(stale.map(|why| format!("the approval does not count: {why}")).as_deref());
        // When it is taken back depends on passes, not on the clock alone: no alarm.
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

pub(crate) fn declined_reason(decision: &Decision) -> String {
    let how = match (decision.by.as_str(), decision.via.as_str()) {
        ("", "") => "declined by a person".to_owned(),
        ("", via) => format!("declined with {via}"),
        (by, _) => format!("declined by {by}"),
    };
    match decision.reason.as_str() {
        "" => format!("{how}; delete the approval to resume"),
        why => format!("{how}: {why}; delete the approval to resume"),
    }
}

fn cancel_after(view: &View<'_>) -> SignedDuration {
    view.settings.cancel_after.max(seconds(view.rule.map_or(0, |r| r.hold)))
}

/// Why an open question must be taken back whatever the answer: it is not the question any more.
pub(crate) fn cancel_reason(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<String> {
    let proposal = draft.get().proposal.as_ref()?;
    let Some((rule, object)) = active(view) else {
        return Some(inactive_reason(view).to_owned());
    };
    if !rule.approval {
        return Some("the rule does not ask for approval any more".to_owned());
    }
    if proposal.rule_hash != *rule.hash {
        return Some("the rule was edited".to_owned());
    }
    if proposal.pvc_uid != object.uid {
        return Some("the PVC was replaced".to_owned());
    }
    if proposal.from != object.request.to_string() {
        return Some(format!("the PVC was resized to {}", object.request));
    }
    None
}

/// Whether the conditions have not held for so long that nobody needs to answer any more.
pub(crate) fn cleared(view: &View<'_>) -> Option<String> {
    let since = view.reading.cleared_since.filter(|_| not_met(view))?;
    // Measured on the times of the passes: the conditions must have been seen not to hold at the end, too.
    let seen = view.reading.at?;
    (seen >= since + cancel_after(view)).then(|| "the conditions do not hold any more".to_owned())
}

pub(crate) fn declined(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    if draft.get().approval.is_some() {
        // By a person: stays for as long as the approval is there.
        if own(view, draft).is_some() {
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
    // Looked at again with every pass, but told only when there is something new: a refusal repeats in silence.
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
