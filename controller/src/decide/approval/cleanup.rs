//! Approvals that the journal does not know, or not any more.

use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApprovalStatus, AutopilotRuleObjectStatus, Decision, Execution, FINALIZER,
    Outcome, PullRequest, PullRequestState,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt as _;

use super::conditions::{self, STALE, Word, written_by};
use super::latch::latch;
use super::target;
use crate::decide::approval::spec;
use crate::decide::effect::Effect;
use crate::decide::reason::Reason;
use crate::decide::view::{Approval, Settings, View};

/// What to do about one.
pub(crate) fn left_over(
    view: &View<'_>,
    journal: &AutopilotRuleObjectStatus,
    approval: &Approval,
) -> Option<Effect> {
    let raw = &approval.raw;
    if raw.metadata.deletion_timestamp.is_some() {
        return released(view, Some(approval));
    }
    if !spec::ours(raw) {
        let text = format!("nothing is proposed for this object now; {}", written_by(approval));
        return conditions::say(view.now, approval, &Word { kind: STALE, reason: "NothingProposed", text });
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
        // A GitOps tool would wait for its end, or make it again from the file that is still there.
        Outcome::Approved if journal.proposal.is_none() && lies_in_git(view.settings, approval, view.now) => {
            None
        }
        Outcome::Approved | Outcome::Canceled => Some(Effect::DeleteApproval(target(approval))),
    }
}

/// Whether the file that approved it may lie in git: the forge has yet to remove it, or to see that it was merged, which a
/// GitOps tool may do faster.
fn lies_in_git(settings: &Settings, approval: &Approval, now: Timestamp) -> bool {
    if !waits_for_forge(settings, approval) {
        return false;
    }
    match ended(approval) {
        Some(ended) => ended.in_base,
        None => unseen(settings, approval).is_some_and(|until| now < until),
    }
}

/// Without our finalizer nobody will ever say that a file has gone.
fn waits_for_forge(settings: &Settings, approval: &Approval) -> bool {
    settings.forge.is_some() && approval.raw.finalizers().iter().any(|f| f == FINALIZER)
}

/// What is recorded of its pull request, once that is merged or closed.
fn ended(approval: &Approval) -> Option<&PullRequest> {
    let status = approval.raw.status.as_ref()?;
    let digest = status.decision.as_ref().map(|d| &d.digest);
    let ended = |p: &&PullRequest| p.state != PullRequestState::Open && Some(&p.digest) == digest;
    status.pull_request.as_ref().filter(ended)
}

/// Until when a decision that a GitOps tool brought waits for the forge to see where it comes from.
pub(crate) fn unseen(settings: &Settings, approval: &Approval) -> Option<Timestamp> {
    let brought = approval.writers.last().is_some_and(|w| w.apply);
    if !brought || !waits_for_forge(settings, approval) || ended(approval).is_some() {
        return None;
    }
    Some(approved(approval)? + MARGIN)
}

/// When it was approved.
fn approved(approval: &Approval) -> Option<Timestamp> {
    let decision = approval.raw.status.as_ref()?.decision.as_ref()?;
    let at = decision.at.as_ref().filter(|_| decision.outcome == Outcome::Approved);
    at.map(|at| at.0)
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
        .find_map(|reason| match Reason::parse(reason) {
            Reason::Failed(why) => Some(("failed", why)),
            Reason::Superseded(why) => Some(("superseded", why)),
            _ => None,
        });
    let (outcome, message) = end.unwrap_or(("superseded", "it was given up before it started"));
    Execution { outcome: outcome.to_owned(), at: Some(MicroTime(view.now)), message: message.to_owned() }
}

/// After the bound within which the forge lets go, whether it was at work or not; and for what it has not seen yet.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// Our finalizer has nothing to wait for where there is no forge; where there is one, that is who lets go, in time.
pub(crate) fn released(view: &View<'_>, approval: Option<&Approval>) -> Option<Effect> {
    let_go(view.settings, approval?, view.now)
}

fn let_go(settings: &Settings, approval: &Approval, now: Timestamp) -> Option<Effect> {
    let waits = due(settings, approval)?.is_some_and(|due| now < due);
    (!waits).then(|| Effect::ReleaseApproval(target(approval)))
}

/// Until when our finalizer on an approval that is being deleted waits for the forge; nothing outside when there is nothing
/// to let go of, nothing inside when nobody waits.
pub(crate) fn due(settings: &Settings, approval: &Approval) -> Option<Option<Timestamp>> {
    let since = approval.raw.metadata.deletion_timestamp.as_ref()?.0;
    let held = approval.raw.finalizers().iter().any(|f| f == FINALIZER);
    held.then(|| settings.forge.as_ref().map(|forge| since + forge.deletion_limit + MARGIN))
}

/// Deletes or releases an approval whose rule or PVC is gone; nothing when it is being deleted without our finalizer.
pub fn remove(settings: &Settings, approval: &Approval, now: Timestamp) -> Option<Effect> {
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return let_go(settings, approval, now);
    }
    // A GitOps tool would wait for it; not for ever.
    if approved(approval).is_some_and(|at| now < at + MARGIN) && lies_in_git(settings, approval, now) {
        return None;
    }
    Some(Effect::DeleteApproval(target(approval)))
}
