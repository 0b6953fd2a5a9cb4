//! Approvals that the journal does not know, or not any more.

use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApprovalStatus, AutopilotRuleObjectStatus, Decision, Execution, FINALIZER,
    Outcome,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt as _;

use super::condition::{self, STALE, Word, written_by};
use super::target;
use super::write::latch;
use crate::decide::effect::Effect;
use crate::decide::request;
use crate::decide::view::{Approval, View};

/// What to do about one.
pub(super) fn left_over(
    view: &View<'_>,
    journal: &AutopilotRuleObjectStatus,
    approval: &Approval,
) -> Option<Effect> {
    let raw = &approval.raw;
    if raw.metadata.deletion_timestamp.is_some() {
        return released(Some(approval));
    }
    if !request::ours(raw) {
        let text = format!("nothing is proposed for this object now; {}", written_by(approval));
        return condition::say(view.now, approval, &Word { kind: STALE, reason: "NothingProposed", text });
    }
    let status = raw.status.as_ref();
    let Some(decision) = status.and_then(|s| s.decision.as_ref()) else {
        let shown = status.and_then(|s| s.proposal.as_ref()).map(|p| &p.digest);
        let digest =
            shown.or_else(|| raw.annotations().get(ANNOTATION_PROPOSAL)).cloned().unwrap_or_default();
        let why = "its proposal is not the current one";
        return Some(latch(view, approval, &digest, Outcome::Canceled, why));
    };
    match decision.outcome {
        // By a person: it stays, for as long as it is there, even if the journal was lost.
        Outcome::Declined => None,
        Outcome::Approved if status.is_none_or(|s| s.execution.is_none()) => {
            let status = ActionApprovalStatus {
                execution: Some(became(view, journal, decision)),
                last_process_timestamp: Some(Time(view.now)),
                ..Default::default()
            };
            Some(Effect::WriteApprovalStatus {
                target: target(approval),
                status: Box::new(status),
                event: None,
            })
        }
        Outcome::Approved | Outcome::Canceled => Some(Effect::DeleteApproval(target(approval))),
    }
}

/// What became of an approved action that the journal has left behind: the forge and the console show it.
fn became(view: &View<'_>, journal: &AutopilotRuleObjectStatus, decision: &Decision) -> Execution {
    if let Some(last) = journal.last_action.as_ref().filter(|l| l.digest == decision.digest) {
        return Execution {
            outcome: "done".to_owned(),
            at: last.at.clone(),
            message: format!("PVC resized from {} to {}", last.from, last.to),
        };
    }
    let led_here = |d: &Option<Decision>| d.as_ref().is_some_and(|d| d.digest == decision.digest);
    let end = journal
        .items
        .iter()
        .skip_while(|item| !led_here(&item.decision))
        .filter_map(|item| item.reason.as_deref())
        .find_map(|reason| {
            reason.split_once(": ").filter(|(word, _)| ["failed", "superseded"].contains(word))
        });
    let (outcome, message) = end.unwrap_or(("superseded", "it was given up before it started"));
    Execution { outcome: outcome.to_owned(), at: Some(MicroTime(view.now)), message: message.to_owned() }
}

/// Our finalizer has nothing to wait for where there is no forge.
pub(super) fn released(approval: Option<&Approval>) -> Option<Effect> {
    let approval = approval.filter(|a| {
        a.raw.metadata.deletion_timestamp.is_some() && a.raw.finalizers().iter().any(|f| f == FINALIZER)
    })?;
    Some(Effect::ReleaseApproval(target(approval)))
}

/// Deletes or releases an approval whose rule or PVC is gone; nothing when it is being deleted without our finalizer.
pub fn remove(approval: &Approval) -> Option<Effect> {
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return released(Some(approval));
    }
    Some(Effect::DeleteApproval(target(approval)))
}
