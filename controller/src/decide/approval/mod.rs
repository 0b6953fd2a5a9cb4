//! What must be written to an approval: its creation, the latch, a condition about what does not count, and its end.
//!
//! Pure. Never imports the states of a pair: it reads the journal that they made.

pub(crate) mod cleanup;
pub(crate) mod conditions;
mod create;
pub(crate) mod execution;
mod latch;
pub(crate) mod spec;

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{ActionApprovalStatus, AutopilotRuleObjectStatus, Outcome, Proposal};
use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use self::cleanup::{Release, clean_up, release, release_finalizer, unseen_until};
use self::conditions::{ConditionText, STALE, UNKNOWN_STATE, set_condition, written_by};
use self::create::{pending_approval, preview};
use self::execution::execution_due;
use self::latch::latch;
use self::spec::Request;
use super::effect::{Effect, Step};
use super::lookup::{Place, of_proposal, own, place, target, undecided};
use super::pair::journal_draft::JournalDraft;
use super::time::earlier;
use super::view::{Approval, View};
use super::withdrawal::{cancel_reason, cleared, not_met};

/// First pause before a stale approval is set back to pending; doubles.
const FIRST_RESET: SignedDuration = SignedDuration::from_secs(2);
/// Longest such pause.
const LAST_RESET: SignedDuration = SignedDuration::from_secs(300);

/// Returns the next write to an approval of this pair.
pub(crate) fn step(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> Step {
    let step = next(view, draft);
    let deadline = next_deadline(view).filter(|_| step.effect.is_none());
    Step { wake: earlier(step.wake, deadline), ..step }
}

/// Returns the write that removes our finalizer from an approval of this pair that is being deleted, once it is time.
pub(crate) fn leave(view: &View<'_>) -> Step {
    let effect = view.approvals().find_map(|approval| release_finalizer(view.settings, approval, view.now));
    let wake = next_deadline(view).filter(|_| effect.is_none());
    Step { effect, wake }
}

/// Returns when to look again at approvals that wait for the forge.
fn next_deadline(view: &View<'_>) -> Option<Timestamp> {
    let leaving = view.approvals().filter_map(|approval| match release(view.settings, approval) {
        Release::At(deadline) => Some(deadline),
        Release::NotNeeded | Release::Now => None,
    });
    let unseen = view.approvals().filter_map(|approval| unseen_until(view.settings, approval));
    leaving.chain(unseen).filter(|deadline| *deadline > view.now).min()
}

fn next(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> Step {
    let status = draft.get();
    let mine = status.approval.as_ref().map(|a| a.uid.as_str());
    for approval in view.approvals() {
        let labelled = spec::labelled(&approval.raw, view.rule_name, view.object_id);
        if labelled
            && mine != approval.raw.metadata.uid.as_deref()
            && !may_belong_to_proposal(approval, status)
            && let Some(effect) = clean_up(view, status, approval)
        {
            return Step::write(effect);
        }
    }
    match (draft.state(), &status.proposal) {
        (S::Triggered, Some(proposal)) if proposal.approval_name.is_some() => {
            before_adoption(view, draft, proposal)
        }
        (S::ActionAwaitingApproval, Some(proposal)) => awaiting_decision(view, draft, proposal),
        (S::ActiveActionsTaken, _) => after_action(view, status),
        _ => own(view, status).map_or(Step::default(), |approval| released(view, approval)),
    }
}

/// Returns whether an approval is, or can still become, the one that asks about the journal's proposal.
fn may_belong_to_proposal(approval: &Approval, status: &AutopilotRuleObjectStatus) -> bool {
    let Some(proposal) = &status.proposal else { return false };
    let decision = approval.raw.decision();
    proposal.approval_name.as_deref() == Some(approval.raw.name_any().as_str())
        && decision.is_none_or(|d| d.digest == proposal.digest)
}

fn released(view: &View<'_>, approval: &Approval) -> Step {
    Step { effect: release_finalizer(view.settings, approval, view.now), wake: None }
}

/// Returns the next write while the proposal is journalled and its approval is not adopted yet.
fn before_adoption(view: &View<'_>, draft: &JournalDraft<'_, '_>, proposal: &Proposal) -> Step {
    let approval = match place(view, proposal.approval_name.as_deref().unwrap_or_default()) {
        Place::Free => {
            return Step::write(Effect::CreateApproval(Box::new(pending_approval(view, draft, proposal))));
        }
        Place::Foreign => return Step::default(),
        Place::Ours(approval) => approval,
    };
    if approval.raw.is_deleting() || !undecided(approval) {
        return released(view, approval);
    }
    let why = cancel_reason(view, draft.get())
        .or_else(|| not_met(view).then(|| "the conditions do not hold".to_owned()));
    if let Some(why) = why
        && of_proposal(view, proposal).is_some()
    {
        return Step::write(latch(view, approval, &proposal.digest, Outcome::Canceled, &why));
    }
    match spec::read(approval, proposal, None) {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why.to_string()),
        // Its UID is taken only when it is seen pending: nothing else makes it the approval of the proposal.
        Request::Unknown(word) => stale(view, approval, proposal, draft, &meaningless(&word)),
        Request::Pending | Request::Decide(_) => Step::default(),
    }
}

/// Returns the next write while the approval is the journal's, and nobody has decided.
fn awaiting_decision(view: &View<'_>, draft: &JournalDraft<'_, '_>, proposal: &Proposal) -> Step {
    let status = draft.get();
    let Some(approval) = own(view, status).filter(|a| undecided(a)) else {
        return Step::default();
    };
    if approval.raw.is_deleting() {
        return released(view, approval);
    }
    let latch = |outcome, why: &str| Step::write(latch(view, approval, &proposal.digest, outcome, why));
    if let Some(why) = cancel_reason(view, status) {
        return latch(Outcome::Canceled, &why);
    }
    let uid = status.approval.as_ref().map(|a| a.uid.as_str());
    let request = spec::read(approval, proposal, uid);
    if let Request::Decide(outcome) = &request {
        return latch(*outcome, "");
    }
    if spec::closed(approval, proposal) {
        return latch(Outcome::Declined, "");
    }
    if let Some(why) = cleared(view)
        && !merged_lately(view, approval, proposal)
    {
        return latch(Outcome::Canceled, &why);
    }
    let shown = approval.raw.proposal();
    if shown.is_none_or(|p| p.digest != proposal.digest) {
        return Step::write(preview(view, approval, proposal));
    }
    match request {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why.to_string()),
        Request::Unknown(word) => Step { effect: unknown(view, approval, &word), wake: None },
        Request::Pending | Request::Decide(_) => {
            Step { effect: conditions::clear(view.now, approval), wake: None }
        }
    }
}

/// Returns whether it was merged and is on its way into the cluster: until the limit for that, or until its file has left
/// the branch again.
fn merged_lately(view: &View<'_>, approval: &Approval, proposal: &Proposal) -> bool {
    let merged = spec::merged(approval, proposal).filter(|pull| pull.in_base);
    let since = merged.and_then(|pull| pull.at.as_ref()).map(|at| at.0);
    since.zip(view.settings.forge).is_some_and(|(since, forge)| view.now < since + forge.sync_limit)
}

/// Returns the write of what an action did, then of our finalizer.
fn after_action(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> Step {
    let Some(approval) = own(view, status) else { return Step::default() };
    let Some(execution) = execution_due(view, status) else {
        return released(view, approval);
    };
    let status = ActionApprovalStatus {
        execution: Some(execution),
        last_process_timestamp: Some(Time(view.now)),
        ..Default::default()
    };
    Step::write(Effect::WriteApprovalStatus {
        target: target(approval),
        status: Box::new(status),
        event: None,
    })
}

/// Returns the write that says that the spec does not count; after a pause, the write that sets it back. The pause doubles, because a GitOps tool may put the
/// file back again and again.
fn stale(
    view: &View<'_>,
    approval: &Approval,
    proposal: &Proposal,
    draft: &JournalDraft<'_, '_>,
    why: &str,
) -> Step {
    let text = format!("it does not count: {why}; {}", written_by(approval));
    let text = ConditionText { kind: STALE, reason: "OtherProposal", text };
    if let Some(effect) = set_condition(view.now, approval, &text) {
        return Step::write(effect);
    }
    // A time in the future is from before the clock was set back.
    let since = approval.raw.condition(STALE).map(|c| c.last_transition_time.0).filter(|t| *t <= view.now);
    let pause = backoff(view.resets, FIRST_RESET, LAST_RESET);
    match since.map(|since| since + pause).filter(|due| *due > view.now) {
        Some(due) => Step { effect: None, wake: Some(due) },
        None => {
            let wanted = Box::new(pending_approval(view, draft, proposal));
            Step::write(Effect::ResetApproval { target: target(approval), wanted })
        }
    }
}

fn unknown(view: &View<'_>, approval: &Approval, word: &str) -> Option<Effect> {
    let text = format!("{} and counts as pending; use approved or declined", meaningless(word));
    let text = ConditionText { kind: UNKNOWN_STATE, reason: "UnknownWord", text };
    set_condition(view.now, approval, &text)
}

fn meaningless(word: &str) -> String {
    format!("approvalState {:?} means nothing", spec::short(word))
}
