//! Conditions of an approval: what does not count, and why. Never Ready, Stalled or Reconciling.

use autopilot_shared::api::ActionApprovalStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::decide::effect::{Effect, EventDraft, Regarding};
use crate::decide::lookup::target;
use crate::decide::view::Approval;

/// Condition of an approval whose spec does not count.
pub const STALE: &str = "StaleApproval";
/// Condition of an approval whose state is a word that means nothing.
pub const UNKNOWN_STATE: &str = "UnknownApprovalState";

/// A condition of an approval that is to be true.
pub(crate) struct ConditionText {
    /// Type of the condition, and reason of the event beside it.
    pub(crate) kind: &'static str,
    /// Reason of the condition.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) text: String,
}

/// Returns who wrote the spec, and from which file in Git, where that is known.
pub(crate) fn written_by(approval: &Approval) -> String {
    let file = approval.raw.pull_request();
    let file = file.filter(|pull| pull.in_base && !pull.path.is_empty()).map(|pull| &pull.path);
    match (approval.writers.last(), file) {
        (Some(writer), Some(path)) if writer.apply => {
            format!("written by {}, from {path} if it is still there", writer.manager)
        }
        (Some(writer), _) => format!("written by {}", writer.manager),
        (None, _) => "its writer is not known".to_owned(),
    }
}

/// Returns the write that sets a condition, with a warning beside it; `None` if it is set already.
pub(crate) fn set_condition(now: Timestamp, approval: &Approval, text: &ConditionText) -> Option<Effect> {
    let old = approval.raw.condition(text.kind).filter(|c| c.status == "True");
    if old.is_some_and(|c| c.message == text.text) {
        return None;
    }
    let new = Condition {
        type_: text.kind.to_owned(),
        status: "True".to_owned(),
        reason: text.reason.to_owned(),
        message: text.text.clone(),
        last_transition_time: old.map_or(Time(now), |c| c.last_transition_time.clone()),
        observed_generation: None,
    };
    let conditions =
        approval.raw.conditions().iter().filter(|c| c.type_ != text.kind).cloned().chain([new]).collect();
    let target = target(approval);
    let event = EventDraft {
        regarding: Regarding::Approval {
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            uid: target.uid.clone(),
        },
        when: now,
        step: 0,
        seed: vec![target.uid.clone(), target.version.clone()],
        warning: true,
        reason: text.kind,
        message: text.text.clone(),
    };
    let status = ActionApprovalStatus {
        conditions: Some(conditions),
        last_process_timestamp: Some(Time(now)),
        ..Default::default()
    };
    Some(Effect::WriteApprovalStatus { target, status: Box::new(status), event: Some(Box::new(event)) })
}

/// Returns the conditions with all of ours false; `None` if they are.
pub(crate) fn all_false(now: Timestamp, approval: &Approval, reason: &str) -> Option<Vec<Condition>> {
    let raised = |c: &Condition| [STALE, UNKNOWN_STATE].contains(&c.type_.as_str()) && c.status != "False";
    let conditions = approval.raw.conditions();
    conditions.iter().any(raised).then(|| {
        let lowered = |c: &Condition| Condition {
            status: "False".to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(now),
            ..c.clone()
        };
        conditions.iter().map(|c| if raised(c) { lowered(c) } else { c.clone() }).collect()
    })
}

/// Returns the write that lowers the conditions of an approval that counts again; `None` if none is raised.
pub(crate) fn clear(now: Timestamp, approval: &Approval) -> Option<Effect> {
    let status = ActionApprovalStatus {
        conditions: Some(all_false(now, approval, "Pending")?),
        last_process_timestamp: Some(Time(now)),
        ..Default::default()
    };
    Some(Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None })
}

/// Returns the write of the condition of an approval that belongs to no pair at all; `None` if it is set already.
pub(crate) fn stale_orphan(now: Timestamp, approval: &Approval, why: &str) -> Option<Effect> {
    let text = format!("it does not count: {why}; {}", written_by(approval));
    set_condition(now, approval, &ConditionText { kind: STALE, reason: "NothingProposed", text })
}
