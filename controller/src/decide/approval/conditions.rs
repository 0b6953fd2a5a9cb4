//! Conditions of an approval: what does not count, and why. Never Ready, Stalled or Reconciling.

use autopilot_shared::api::ActionApprovalStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::target;
use crate::decide::effect::{Effect, EventDraft, Regarding};
use crate::decide::view::Approval;

/// Condition of an approval whose spec does not count.
pub const STALE: &str = "StaleApproval";
/// Condition of an approval whose state is a word without a meaning.
pub const UNKNOWN_STATE: &str = "UnknownApprovalState";

/// Something to say about an approval.
pub(crate) struct Word {
    /// Type of the condition, and reason of the event beside it.
    pub(crate) kind: &'static str,
    /// Reason of the condition.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) text: String,
}

/// Who wrote the spec, and from which file in git, where that is known.
pub(crate) fn written_by(approval: &Approval) -> String {
    let file = approval.raw.status.as_ref().and_then(|status| status.pull_request.as_ref());
    let file = file.filter(|pull| pull.in_base && !pull.path.is_empty()).map(|pull| &pull.path);
    match (approval.writers.last(), file) {
        (Some(writer), Some(path)) if writer.apply => {
            format!("written by {}, from {path} if it lies there still", writer.manager)
        }
        (Some(writer), _) => format!("written by {}", writer.manager),
        (None, _) => "its writer is not known".to_owned(),
    }
}

pub(crate) fn standing<'a>(approval: &'a Approval, kind: &str) -> Option<&'a Condition> {
    all(approval).iter().find(|c| c.type_ == kind)
}

fn all(approval: &Approval) -> &[Condition] {
    approval.raw.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default()
}

/// Sets a condition, with a warning beside it; nothing when it stands so already.
pub(crate) fn say(now: Timestamp, approval: &Approval, word: &Word) -> Option<Effect> {
    let old = standing(approval, word.kind).filter(|c| c.status == "True");
    if old.is_some_and(|c| c.message == word.text) {
        return None;
    }
    let new = Condition {
        type_: word.kind.to_owned(),
        status: "True".to_owned(),
        reason: word.reason.to_owned(),
        message: word.text.clone(),
        last_transition_time: old.map_or(Time(now), |c| c.last_transition_time.clone()),
        observed_generation: None,
    };
    let conditions = all(approval).iter().filter(|c| c.type_ != word.kind).cloned().chain([new]).collect();
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
        reason: word.kind,
        message: word.text.clone(),
    };
    let status = ActionApprovalStatus {
        conditions: Some(conditions),
        last_process_timestamp: Some(Time(now)),
        ..Default::default()
    };
    Some(Effect::WriteApprovalStatus { target, status: Box::new(status), event: Some(Box::new(event)) })
}

/// The conditions with all of ours at rest; nothing when they are.
pub(crate) fn at_rest(now: Timestamp, approval: &Approval, reason: &str) -> Option<Vec<Condition>> {
    let raised = |c: &Condition| [STALE, UNKNOWN_STATE].contains(&c.type_.as_str()) && c.status != "False";
    let standing = all(approval);
    standing.iter().any(raised).then(|| {
        let rest = |c: &Condition| Condition {
            status: "False".to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(now),
            ..c.clone()
        };
        standing.iter().map(|c| if raised(c) { rest(c) } else { c.clone() }).collect()
    })
}

/// Takes the conditions of an approval back that counts again.
pub(crate) fn clear(now: Timestamp, approval: &Approval) -> Option<Effect> {
    let status = ActionApprovalStatus {
        conditions: Some(at_rest(now, approval, "Pending")?),
        last_process_timestamp: Some(Time(now)),
        ..Default::default()
    };
    Some(Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None })
}

/// The condition of an approval that belongs to no pair at all.
pub fn stale_orphan(now: Timestamp, approval: &Approval, why: &str) -> Option<Effect> {
    let text = format!("it does not count: {why}; {}", written_by(approval));
    say(now, approval, &Word { kind: STALE, reason: "NothingProposed", text })
}
