//! The end of an approval: what its journal does not know any more, what is being deleted, and who waits for whom.

use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApprovalStatus, AutopilotRuleObjectStatus, Decision, Execution, Outcome,
    PullRequest, PullRequestState,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt as _;

use super::conditions::{ConditionText, STALE, set_condition, written_by};
use super::latch::latch;
use super::spec;
use crate::decide::effect::Effect;
use crate::decide::lookup::target;
use crate::decide::reason::Reason;
use crate::decide::view::{Approval, Settings, View};

/// Time beyond the limit within which the forge removes our finalizer; also for what the forge has not seen yet.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// Returns the write that an approval needs which the journal does not know; `None` if it stays as it is.
pub(crate) fn clean_up(
    view: &View<'_>,
    journal: &AutopilotRuleObjectStatus,
    approval: &Approval,
) -> Option<Effect> {
    let raw = &approval.raw;
    if raw.is_deleting() {
        return release_finalizer(view.settings, approval, view.now);
    }
    if !spec::ours(raw) {
        let text = format!("nothing is proposed for this object now; {}", written_by(approval));
        let text = ConditionText { kind: STALE, reason: "NothingProposed", text };
        return set_condition(view.now, approval, &text);
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
                execution: Some(execution(view, journal, decision)),
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
        Outcome::Approved if journal.proposal.is_none() && is_in_git(view.settings, approval, view.now) => {
            None
        }
        Outcome::Approved | Outcome::Canceled => Some(Effect::DeleteApproval(target(approval))),
    }
}

/// Returns whether the file that approved it may be in Git: the forge has yet to remove it, or to see that it was merged,
/// which a GitOps tool may do faster.
fn is_in_git(settings: &Settings, approval: &Approval, now: Timestamp) -> bool {
    if !waits_for_forge(settings, approval) {
        return false;
    }
    match ended(approval) {
        Some(ended) => ended.in_base,
        None => unseen_until(settings, approval).is_some_and(|until| now < until),
    }
}

/// Returns whether the forge will report on it. Without our finalizer nothing will ever say that a file has gone.
fn waits_for_forge(settings: &Settings, approval: &Approval) -> bool {
    settings.forge.is_some() && approval.raw.has_finalizer()
}

/// Returns its pull request, once that is merged or closed.
fn ended(approval: &Approval) -> Option<&PullRequest> {
    let status = approval.raw.status.as_ref()?;
    let digest = status.decision.as_ref().map(|d| &d.digest);
    let ended = |p: &&PullRequest| p.state != PullRequestState::Open && Some(&p.digest) == digest;
    status.pull_request.as_ref().filter(ended)
}

/// Returns until when a decision that a GitOps tool brought waits for the forge to see where it comes from.
pub(crate) fn unseen_until(settings: &Settings, approval: &Approval) -> Option<Timestamp> {
    let brought = approval.writers.last().is_some_and(|w| w.apply);
    if !brought || !waits_for_forge(settings, approval) || ended(approval).is_some() {
        return None;
    }
    Some(approved(approval)? + MARGIN)
}

/// Returns when it was approved.
fn approved(approval: &Approval) -> Option<Timestamp> {
    let decision = approval.raw.decision()?;
    let at = decision.at.as_ref().filter(|_| decision.outcome == Outcome::Approved);
    at.map(|at| at.0)
}

/// Returns the result of an approved action that the journal has left behind: the forge and the console show it.
fn execution(view: &View<'_>, journal: &AutopilotRuleObjectStatus, decision: &Decision) -> Execution {
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

/// How long our finalizer keeps an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// There is nothing to release: it is not being deleted, or does not carry our finalizer.
    NotNeeded,
    /// Nobody waits.
    Now,
    /// The forge has until then.
    At(Timestamp),
}

/// Returns the write that removes our finalizer from an approval that is being deleted. Without a forge there is nothing to
/// wait for; with one, the forge removes it, but not after the deadline. `None` if it is too early, or nothing to do.
pub(crate) fn release_finalizer(settings: &Settings, approval: &Approval, now: Timestamp) -> Option<Effect> {
    let due = match release(settings, approval) {
        Release::NotNeeded => false,
        Release::Now => true,
        Release::At(deadline) => now >= deadline,
    };
    due.then(|| Effect::ReleaseApproval(target(approval)))
}

/// Returns how long our finalizer keeps an approval.
pub(crate) fn release(settings: &Settings, approval: &Approval) -> Release {
    let Some(since) = approval.raw.metadata.deletion_timestamp.as_ref() else { return Release::NotNeeded };
    match &settings.forge {
        _ if !approval.raw.has_finalizer() => Release::NotNeeded,
        None => Release::Now,
        Some(forge) => Release::At(since.0 + forge.deletion_limit + MARGIN),
    }
}

/// Returns the write that deletes or releases an approval whose rule or PVC is gone. `None` if it waits, or is being
/// deleted without our finalizer.
pub(crate) fn remove(settings: &Settings, approval: &Approval, now: Timestamp) -> Option<Effect> {
    if approval.raw.is_deleting() {
        return release_finalizer(settings, approval, now);
    }
    // A GitOps tool would wait for it; not indefinitely.
    if approved(approval).is_some_and(|at| now < at + MARGIN) && is_in_git(settings, approval, now) {
        return None;
    }
    Some(Effect::DeleteApproval(target(approval)))
}
