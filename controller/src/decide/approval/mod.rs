//! What must be written to an approval: the question, the latch, a word about what does not count, and its end.

pub(crate) mod cleanup;
pub(crate) mod conditions;
mod latch;
pub mod spec;

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApprovalStatus, ApprovalReference, AutopilotRuleObjectStatus, Outcome,
    Proposal,
};
use autopilot_shared::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use self::spec::Request;
use super::effect::{Effect, Target};
use super::pair::journal_draft::Draft;
use super::view::{Approval, View};
use crate::decide::pair::{cancel_reason, cleared, execution_due, undecided};
use crate::evaluate::verdict::Verdict;
use cleanup::{left_over, released};
use conditions::{STALE, UNKNOWN_STATE, Word, standing, written_by};
use latch::{latch, preview, question};

/// First pause before a stale approval is set back to pending; doubles.
const FIRST_RESET: SignedDuration = SignedDuration::from_secs(2);
/// Longest such pause.
const LAST_RESET: SignedDuration = SignedDuration::from_secs(300);

/// What is under a name.
pub(crate) enum Place<'a> {
    /// Nothing.
    Free,
    /// An object with other labels.
    Foreign,
    /// An object of this pair, whoever made it.
    Ours(&'a Approval),
}

pub(crate) fn place<'a>(view: &View<'a>, name: &str) -> Place<'a> {
    match by_name(view, name) {
        None => Place::Free,
        Some(a) if spec::labelled(&a.raw, view.rule_name, view.object_id) => Place::Ours(a),
        Some(_) => Place::Foreign,
    }
}

/// The name for a new approval: the usual one, unless an object that is not ours has it; none, when both are taken.
pub(crate) fn free_name(view: &View<'_>) -> Option<String> {
    let plain = names::approval_name(view.rule_name, view.object_id);
    let hashed = names::hashed_approval_name(view.rule_name, view.object_id);
    [plain, hashed].into_iter().find(|name| !matches!(place(view, name), Place::Foreign))
}

fn by_name<'a>(view: &View<'a>, name: &str) -> Option<&'a Approval> {
    [view.plain, view.hashed].into_iter().flatten().find(|a| a.raw.metadata.name.as_deref() == Some(name))
}

/// The approval that asks about a proposal, wherever its spec stands now.
pub(crate) fn of_proposal<'a>(view: &View<'a>, proposal: &Proposal) -> Option<&'a Approval> {
    let Place::Ours(approval) = place(view, proposal.approval_name.as_deref()?) else { return None };
    let raw = &approval.raw;
    let annotated = raw.annotations().get(ANNOTATION_PROPOSAL) == Some(&proposal.digest);
    let shown =
        raw.status.as_ref().and_then(|s| s.proposal.as_ref()).is_some_and(|p| p.digest == proposal.digest);
    (annotated || shown).then_some(approval)
}

/// The approval with the UID that the journal took.
pub(crate) fn own<'a>(view: &View<'a>, status: &AutopilotRuleObjectStatus) -> Option<&'a Approval> {
    let reference = status.approval.as_ref()?;
    by_name(view, &reference.name).filter(|a| a.raw.metadata.uid.as_deref() == Some(reference.uid.as_str()))
}

pub(crate) fn reference(approval: &Approval) -> ApprovalReference {
    ApprovalReference { name: approval.raw.name_any(), uid: approval.raw.uid().unwrap_or_default() }
}

fn target(approval: &Approval) -> Target {
    Target {
        namespace: approval.raw.namespace().unwrap_or_default(),
        name: approval.raw.name_any(),
        uid: approval.raw.uid().unwrap_or_default(),
        version: approval.raw.resource_version().unwrap_or_default(),
    }
}

/// The next write to an approval of this pair, and when to look again.
pub(crate) fn effect(view: &View<'_>, draft: &Draft<'_, '_>) -> (Option<Effect>, Option<Timestamp>) {
    let (effect, wake) = next(view, draft);
    let due = due(view).filter(|_| effect.is_none());
    (effect, wake.into_iter().chain(due).min())
}

/// Lets go of an approval of this pair that is being deleted, when it is time; or says when that is.
pub(crate) fn leaving(view: &View<'_>) -> (Option<Effect>, Option<Timestamp>) {
    let effect = [view.plain, view.hashed].into_iter().find_map(|approval| released(view, approval));
    let due = due(view).filter(|_| effect.is_none());
    (effect, due)
}

/// When to look again at approvals that wait for the forge.
fn due(view: &View<'_>) -> Option<Timestamp> {
    let there = || [view.plain, view.hashed].into_iter().flatten();
    let leaving = there().filter_map(|a| cleanup::due(view.settings, a)?);
    let due = leaving.chain(there().filter_map(|a| cleanup::unseen(view.settings, a)));
    due.filter(|due| *due > view.now).min()
}

fn next(view: &View<'_>, draft: &Draft<'_, '_>) -> (Option<Effect>, Option<Timestamp>) {
    let status = draft.get();
    let mine = status.approval.as_ref().map(|a| a.uid.as_str());
    for approval in [view.plain, view.hashed].into_iter().flatten() {
        let labelled = spec::labelled(&approval.raw, view.rule_name, view.object_id);
        if labelled
            && mine != approval.raw.metadata.uid.as_deref()
            && !asks(approval, status)
            && let Some(effect) = left_over(view, status, approval)
        {
            return (Some(effect), None);
        }
    }
    match (draft.state(), &status.proposal) {
        (S::Triggered, Some(proposal)) if proposal.approval_name.is_some() => asking(view, draft, proposal),
        (S::ActionAwaitingApproval, Some(proposal)) => waiting(view, draft, proposal),
        (S::ActiveActionsTaken, _) => (done(view, draft), None),
        _ => (released(view, own(view, status)), None),
    }
}

/// Whether an approval is, or can still become, the one that asks about the journal's proposal.
fn asks(approval: &Approval, status: &AutopilotRuleObjectStatus) -> bool {
    let Some(proposal) = &status.proposal else { return false };
    let decision = approval.raw.status.as_ref().and_then(|s| s.decision.as_ref());
    proposal.approval_name.as_deref() == Some(approval.raw.name_any().as_str())
        && decision.is_none_or(|d| d.digest == proposal.digest)
}

/// The proposal is journalled, its approval is not adopted yet.
fn asking(
    view: &View<'_>,
    draft: &Draft<'_, '_>,
    proposal: &Proposal,
) -> (Option<Effect>, Option<Timestamp>) {
    let approval = match place(view, proposal.approval_name.as_deref().unwrap_or_default()) {
        Place::Free => {
            return (Some(Effect::CreateApproval(Box::new(question(view, draft, proposal)))), None);
        }
        Place::Foreign => return (None, None),
        Place::Ours(approval) => approval,
    };
    if approval.raw.metadata.deletion_timestamp.is_some() || !undecided(approval) {
        return (released(view, Some(approval)), None);
    }
    let why = cancel_reason(view, draft).or_else(|| {
        (view.reading.verdict == Verdict::NotMet).then(|| "the conditions do not hold".to_owned())
    });
    if let Some(why) = why
        && of_proposal(view, proposal).is_some()
    {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    match spec::read(approval, proposal, None) {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why),
        // Its UID is taken only when it is seen pending: nothing else makes it the question.
        Request::Unknown(word) => stale(view, approval, proposal, draft, &meaningless(&word)),
        Request::Pending | Request::Decide(_) => (None, None),
    }
}

/// The approval is the journal's, and nobody has decided.
fn waiting(
    view: &View<'_>,
    draft: &Draft<'_, '_>,
    proposal: &Proposal,
) -> (Option<Effect>, Option<Timestamp>) {
    let status = draft.get();
    let Some(approval) = own(view, status).filter(|a| undecided(a)) else {
        return (None, None);
    };
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return (released(view, Some(approval)), None);
    }
    if let Some(why) = cancel_reason(view, draft) {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    let uid = status.approval.as_ref().map(|a| a.uid.as_str());
    let request = spec::read(approval, proposal, uid);
    if let Request::Decide(outcome) = &request {
        return (Some(latch(view, approval, &proposal.digest, *outcome, "")), None);
    }
    if spec::closed(approval, proposal) {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Declined, "")), None);
    }
    if let Some(why) = cleared(view)
        && !merged_lately(view, approval, proposal)
    {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    let shown = approval.raw.status.as_ref().and_then(|s| s.proposal.as_ref());
    if shown.is_none_or(|p| p.digest != proposal.digest) {
        return (Some(preview(view, approval, proposal)), None);
    }
    match request {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why),
        Request::Unknown(word) => (unknown(view, approval, &word), None),
        Request::Pending | Request::Decide(_) => (conditions::clear(view.now, approval), None),
    }
}

/// Merged, and on its way into the cluster: until the limit for that, or until its file has left the branch again.
fn merged_lately(view: &View<'_>, approval: &Approval, proposal: &Proposal) -> bool {
    let merged = spec::merged(approval, proposal).filter(|pull| pull.in_base);
    let since = merged.and_then(|pull| pull.at.as_ref()).map(|at| at.0);
    since.zip(view.settings.forge).is_some_and(|(since, forge)| view.now < since + forge.sync_limit)
}

fn done(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<Effect> {
    let approval = own(view, draft.get())?;
    let Some(execution) = execution_due(view, draft) else {
        return released(view, Some(approval));
    };
    let status = ActionApprovalStatus {
        execution: Some(execution),
        last_process_timestamp: Some(Time(view.now)),
        ..Default::default()
    };
    Some(Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None })
}

/// Says that the spec does not count; after a pause sets it back. The pause doubles, because a GitOps tool may put the
/// file back again and again.
fn stale(
    view: &View<'_>,
    approval: &Approval,
    proposal: &Proposal,
    draft: &Draft<'_, '_>,
    why: &str,
) -> (Option<Effect>, Option<Timestamp>) {
    let text = format!("it does not count: {why}; {}", written_by(approval));
    let word = Word { kind: STALE, reason: "OtherProposal", text };
    if let Some(effect) = conditions::say(view.now, approval, &word) {
        return (Some(effect), None);
    }
    // A time in the future is from before the clock was set back.
    let since = standing(approval, STALE).map(|c| c.last_transition_time.0).filter(|t| *t <= view.now);
    let pause = FIRST_RESET.saturating_mul(2_i32.saturating_pow(view.resets.min(10))).min(LAST_RESET);
    match since.map(|since| since + pause).filter(|due| *due > view.now) {
        Some(due) => (None, Some(due)),
        None => {
            let wanted = Box::new(question(view, draft, proposal));
            (Some(Effect::ResetApproval { target: target(approval), wanted }), None)
        }
    }
}

fn unknown(view: &View<'_>, approval: &Approval, word: &str) -> Option<Effect> {
    let text = format!("{} and counts as pending; use approved or declined", meaningless(word));
    conditions::say(view.now, approval, &Word { kind: UNKNOWN_STATE, reason: "UnknownWord", text })
}

fn meaningless(word: &str) -> String {
    format!("approvalState {:?} means nothing", spec::short(word))
}
