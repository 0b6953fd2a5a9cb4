//! What must be written to an approval: the question, the latch, a word about what does not count, and its end.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApproval, ActionApprovalSpec, ActionApprovalStatus, ActionPreview,
    ApprovalAction, ApprovalReference, AutopilotRuleObjectStatus, Decision, ExpectedResult, FINALIZER,
    InvolvedObject, LABEL_OBJECT, LABEL_RULE, Outcome, PreviewAction, Proposal, RuleReference,
    approval_state,
};
use autopilot_shared::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta, Time};
use kube::ResourceExt as _;

use super::draft::Draft;
use super::effect::{Effect, EventDraft, Regarding, Target};
use super::request::{self, Request};
use super::settle::{cancel_reason, cleared, execution_due, undecided};
use super::view::{Approval, View};

/// Condition of an approval whose spec does not count.
pub const STALE: &str = "StaleApproval";
/// Condition of an approval whose state is a word without a meaning.
pub const UNKNOWN_STATE: &str = "UnknownApprovalState";
/// First pause before a stale approval is set back to pending; doubles.
const FIRST_RESET: SignedDuration = SignedDuration::from_secs(2);
/// Longest such pause.
const LAST_RESET: SignedDuration = SignedDuration::from_secs(300);

/// The name for a new approval: the usual one, unless an object that is not ours has it.
pub(super) fn free_name(view: &View<'_>) -> String {
    match view.plain {
        Some(other) if !request::labelled(&other.raw, view.rule_name, view.object_id) => {
            names::hashed_approval_name(view.rule_name, view.object_id)
        }
        _ => names::approval_name(view.rule_name, view.object_id),
    }
}

fn by_name<'a>(view: &View<'a>, name: &str) -> Option<&'a Approval> {
    [view.plain, view.hashed].into_iter().flatten().find(|a| a.raw.metadata.name.as_deref() == Some(name))
}

/// The approval that asks about a proposal, wherever its spec stands now.
pub(super) fn of_proposal<'a>(view: &View<'a>, proposal: &Proposal) -> Option<&'a Approval> {
    let approval = by_name(view, proposal.approval_name.as_deref()?)?;
    let raw = &approval.raw;
    let annotated = raw.annotations().get(ANNOTATION_PROPOSAL) == Some(&proposal.digest);
    let shown =
        raw.status.as_ref().and_then(|s| s.proposal.as_ref()).is_some_and(|p| p.digest == proposal.digest);
    (annotated || shown).then_some(approval)
}

/// The approval with the UID that the journal took.
pub(super) fn own<'a>(view: &View<'a>, status: &AutopilotRuleObjectStatus) -> Option<&'a Approval> {
    let reference = status.approval.as_ref()?;
    by_name(view, &reference.name).filter(|a| a.raw.metadata.uid.as_deref() == Some(reference.uid.as_str()))
}

pub(super) fn reference(approval: &Approval) -> ApprovalReference {
    ApprovalReference { name: approval.raw.name_any(), uid: approval.raw.uid().unwrap_or_default() }
}

pub(super) fn target(approval: &Approval) -> Target {
    Target {
        namespace: approval.raw.namespace().unwrap_or_default(),
        name: approval.raw.name_any(),
        uid: approval.raw.uid().unwrap_or_default(),
        version: approval.raw.resource_version().unwrap_or_default(),
    }
}

/// The next write to an approval of this pair, and when to look again.
pub(super) fn effect(view: &View<'_>, draft: &Draft<'_, '_>) -> (Option<Effect>, Option<Timestamp>) {
    let status = draft.get();
    let mine = status.approval.as_ref().map(|a| a.uid.as_str());
    for approval in [view.plain, view.hashed].into_iter().flatten() {
        if !request::labelled(&approval.raw, view.rule_name, view.object_id) {
            continue;
        }
        let asks = status
            .proposal
            .as_ref()
            .is_some_and(|p| p.approval_name.as_deref() == Some(approval.raw.name_any().as_str()));
        if mine != approval.raw.metadata.uid.as_deref()
            && !(asks && (undecided(approval) || decided_about(approval, status)))
            && let Some(effect) = left_over(view, approval)
        {
            return (Some(effect), None);
        }
    }
    match (draft.state(), &status.proposal) {
        (S::Triggered, Some(proposal)) if proposal.approval_name.is_some() => asking(view, draft, proposal),
        (S::ActionAwaitingApproval, Some(proposal)) => waiting(view, draft, proposal),
        (S::ActiveActionsTaken, _) => (done(view, draft), None),
        _ => (released(own(view, status)), None),
    }
}

fn decided_about(approval: &Approval, status: &AutopilotRuleObjectStatus) -> bool {
    let decision = approval.raw.status.as_ref().and_then(|s| s.decision.as_ref());
    decision.zip(status.proposal.as_ref()).is_some_and(|(d, p)| d.digest == p.digest)
}

/// An approval that the journal does not know (any more).
fn left_over(view: &View<'_>, approval: &Approval) -> Option<Effect> {
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return released(Some(approval));
    }
    if !request::ours(&approval.raw) {
        let text = "nothing is proposed for this object now";
        return condition(
            view,
            approval,
            STALE,
            Some(&format!("{text}; {}", written_by(approval))),
            "NothingProposed",
        );
    }
    if undecided(approval) {
        let digest = approval.raw.annotations().get(ANNOTATION_PROPOSAL).cloned().unwrap_or_default();
        return Some(latch(
            view,
            approval,
            &digest,
            Outcome::Canceled,
            "its proposal is not the current one",
        ));
    }
    Some(Effect::DeleteApproval(target(approval)))
}

/// Our finalizer has nothing to wait for where there is no forge.
fn released(approval: Option<&Approval>) -> Option<Effect> {
    let approval = approval.filter(|a| {
        a.raw.metadata.deletion_timestamp.is_some() && a.raw.finalizers().iter().any(|f| f == FINALIZER)
    })?;
    Some(Effect::ReleaseApproval(target(approval)))
}

/// The proposal is journalled, its approval is not adopted yet.
fn asking(
    view: &View<'_>,
    draft: &Draft<'_, '_>,
    proposal: &Proposal,
) -> (Option<Effect>, Option<Timestamp>) {
    let name = proposal.approval_name.as_deref().unwrap_or_default();
    let Some(approval) = by_name(view, name) else {
        return (Some(Effect::CreateApproval(Box::new(question(view, draft, proposal)))), None);
    };
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return (released(Some(approval)), None);
    }
    let why = cancel_reason(view, draft).or_else(|| {
        (view.reading.verdict == super::Verdict::NotMet).then(|| "the conditions do not hold".to_owned())
    });
    if let Some(why) = why
        && of_proposal(view, proposal).is_some_and(undecided)
    {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    match request::read(approval, proposal, None) {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why),
        Request::Unknown(word) => (unknown(view, approval, &word), None),
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
        return (released(Some(approval)), None);
    }
    if let Some(why) = cancel_reason(view, draft) {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    let uid = status.approval.as_ref().map(|a| a.uid.as_str());
    let request = request::read(approval, proposal, uid);
    if let Request::Decide(outcome) = &request {
        return (Some(latch(view, approval, &proposal.digest, *outcome, "")), None);
    }
    if let Some(why) = cleared(view) {
        return (Some(latch(view, approval, &proposal.digest, Outcome::Canceled, &why)), None);
    }
    let shown = approval.raw.status.as_ref().and_then(|s| s.proposal.as_ref());
    if shown.is_none_or(|p| p.digest != proposal.digest) {
        return (Some(preview(view, approval, proposal)), None);
    }
    match request {
        Request::Stale(why) => stale(view, approval, proposal, draft, &why),
        Request::Unknown(word) => (unknown(view, approval, &word), None),
        Request::Pending | Request::Decide(_) => {
            let effect = condition(view, approval, STALE, None, "Pending")
                .or_else(|| condition(view, approval, UNKNOWN_STATE, None, "Pending"));
            (effect, None)
        }
    }
}

fn done(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<Effect> {
    let approval = own(view, draft.get())?;
    let Some(execution) = execution_due(view, draft) else {
        return released(Some(approval));
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
    if let Some(effect) = condition(view, approval, STALE, Some(&text), "OtherProposal") {
        return (Some(effect), None);
    }
    let since = standing(approval, STALE).map_or(view.now, |c| c.last_transition_time.0);
    let pause = FIRST_RESET.saturating_mul(2_i32.saturating_pow(view.resets.min(10))).min(LAST_RESET);
    if view.now < since + pause {
        return (None, Some(since + pause));
    }
    let wanted = Box::new(question(view, draft, proposal));
    (Some(Effect::ResetApproval { target: target(approval), wanted }), None)
}

fn unknown(view: &View<'_>, approval: &Approval, word: &str) -> Option<Effect> {
    let word: String = word.chars().filter(|c| !c.is_control()).take(60).collect();
    let text =
        format!("approvalState {word:?} means nothing and counts as pending; use approved or declined");
    condition(view, approval, UNKNOWN_STATE, Some(&text), "UnknownWord")
}

fn written_by(approval: &Approval) -> String {
    match approval.writers.last() {
        Some(writer) => format!("written by {}", writer.manager),
        None => "its writer is not known".to_owned(),
    }
}

fn standing<'a>(approval: &'a Approval, kind: &str) -> Option<&'a Condition> {
    approval.raw.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// The conditions with one of them set or, with no text, cleared; nothing when it stands so already.
fn conditions(
    now: Timestamp,
    approval: &Approval,
    kind: &str,
    text: Option<&str>,
    reason: &str,
) -> Option<Vec<Condition>> {
    let old = standing(approval, kind);
    let value = if text.is_some() { "True" } else { "False" };
    match (old, text) {
        (None, None) => return None,
        (Some(old), None) if old.status == "False" => return None,
        (Some(old), Some(text)) if old.status == "True" && old.message == text => return None,
        _ => {}
    }
    let since = old.filter(|c| c.status == value).map_or(Time(now), |c| c.last_transition_time.clone());
    let new = Condition {
        type_: kind.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: text.unwrap_or_default().to_owned(),
        last_transition_time: since,
        observed_generation: None,
    };
    let all = approval.raw.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    Some(all.into_iter().filter(|c| c.type_ != kind).chain([new]).collect())
}

fn condition(
    view: &View<'_>,
    approval: &Approval,
    kind: &str,
    text: Option<&str>,
    reason: &str,
) -> Option<Effect> {
    let conditions = conditions(view.now, approval, kind, text, reason)?;
    Some(say(view.now, approval, conditions, text))
}

/// Writes conditions, with a warning beside them where there is something to say.
pub(super) fn say(
    now: Timestamp,
    approval: &Approval,
    conditions: Vec<Condition>,
    text: Option<&str>,
) -> Effect {
    let target = target(approval);
    let event = text.map(|text| {
        Box::new(EventDraft {
            regarding: Regarding::Approval {
                namespace: target.namespace.clone(),
                name: target.name.clone(),
                uid: target.uid.clone(),
            },
            when: now,
            step: 0,
            seed: vec![target.uid.clone(), target.version.clone()],
            warning: true,
            reason: STALE,
            message: text.to_owned(),
        })
    });
    let status = ActionApprovalStatus {
        conditions: Some(conditions),
        last_process_timestamp: Some(Time(now)),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target, status: Box::new(status), event }
}

/// The condition of an approval that belongs to no pair at all.
pub fn stale_orphan(now: Timestamp, approval: &Approval, why: &str) -> Option<Effect> {
    let text = format!("it does not count: {why}; {}", written_by(approval));
    let conditions = conditions(now, approval, STALE, Some(&text), "NothingProposed")?;
    Some(say(now, approval, conditions, Some(&text)))
}

/// Deletes or releases an approval whose rule or PVC is gone; nothing when it is being deleted without our finalizer.
pub fn remove(approval: &Approval) -> Option<Effect> {
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return released(Some(approval));
    }
    Some(Effect::DeleteApproval(target(approval)))
}

fn latch(view: &View<'_>, approval: &Approval, digest: &str, outcome: Outcome, why: &str) -> Effect {
    let signature = match outcome {
        Outcome::Canceled => {
            request::Signature { by: String::new(), via: "controller".into(), reason: why.into() }
        }
        Outcome::Approved | Outcome::Declined => request::signature(approval),
    };
    let decision = Decision {
        digest: digest.to_owned(),
        outcome,
        by: signature.by,
        at: Some(MicroTime(view.now)),
        via: signature.via,
        reason: signature.reason,
    };
    let status = ActionApprovalStatus {
        decision: Some(decision),
        conditions: conditions(view.now, approval, STALE, None, "Decided"),
        last_process_timestamp: Some(Time(view.now)),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None }
}

/// The approval as it asks: pending, with the digest.
fn question(view: &View<'_>, draft: &Draft<'_, '_>, proposal: &Proposal) -> ActionApproval {
    let namespace = match (&view.object, &draft.get().object) {
        (Some(object), _) => object.namespace.to_owned(),
        (None, Some(object)) => object.namespace.clone(),
        (None, None) => String::new(),
    };
    ActionApproval {
        metadata: ObjectMeta {
            name: proposal.approval_name.clone(),
            namespace: Some(namespace),
            labels: Some(
                [
                    (LABEL_OBJECT.to_owned(), names::label_value(view.object_id)),
                    (LABEL_RULE.to_owned(), names::label_value(view.rule_name)),
                ]
                .into(),
            ),
            annotations: Some([(ANNOTATION_PROPOSAL.to_owned(), proposal.digest.clone())].into()),
            ..ObjectMeta::default()
        },
        spec: ActionApprovalSpec {
            approval_state: Some(approval_state::PENDING.to_owned()),
            actions: Some(vec![ApprovalAction {
                name: Some(proposal.action.clone()),
                params: proposal.params.clone(),
                proposal: Some(proposal.digest.clone()),
            }]),
        },
        status: None,
    }
}

fn preview(view: &View<'_>, approval: &Approval, proposal: &Proposal) -> Effect {
    let claim = view.object.as_ref();
    let status = ActionApprovalStatus {
        rule: Some(RuleReference { name: view.rule_name.to_owned(), namespace: String::new() }),
        last_process_timestamp: Some(Time(view.now)),
        action_previews: Some(vec![ActionPreview {
            action: PreviewAction { name: proposal.action.clone(), params: proposal.params.clone() },
            expected_result: ExpectedResult {
                message: format!("PVC will resize from {} to {}", proposal.from, proposal.to),
            },
            involved_objects: vec![InvolvedObject {
                name: claim.map(|c| c.name.to_owned()).unwrap_or_default(),
                namespace: claim.map(|c| c.namespace.to_owned()).unwrap_or_default(),
                uid: view.object_id.to_owned(),
                kind: "PersistentVolumeClaim".to_owned(),
                api_version: "v1".to_owned(),
                owner_references: None,
            }],
        }]),
        proposal: Some(proposal.clone()),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None }
}
