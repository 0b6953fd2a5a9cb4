//! AutopilotRuleObject: one (rule, object) pair that left Normal at least once; its status is the engine's journal.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::object_ref::InvolvedObject;
use super::proposal::Proposal;
use crate::state::RuleState;

/// The original has no spec here.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "autopilot.libopenstorage.org",
    version = "v1alpha1",
    kind = "AutopilotRuleObject",
    plural = "autopilotruleobjects",
    singular = "autopilotruleobject",
    shortname = "aro",
    namespaced,
    status = "AutopilotRuleObjectStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", priority = 1),
    printcolumn(name = "Rule", type_ = "string", json_path = ".metadata.labels.rule", priority = 1),
    printcolumn(name = "Object", type_ = "string", json_path = ".status.object.name", priority = 1),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.reason", priority = 1)
)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct AutopilotRuleObjectSpec {}

/// What happened to the object, and what is about to. Everything but `items` is ours. Written with the
/// resourceVersion that was read, before anything is done because of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct AutopilotRuleObjectStatus {
    /// One per transition, newest last, the last 20.
    #[serde(default)]
    pub items: Vec<StatusItem>,
    /// The state now.
    #[serde(default)]
    pub state: Option<RuleState>,
    /// When `state` was entered.
    #[serde(default)]
    pub since: Option<MicroTime>,
    /// Why the object stays in this state, for people.
    #[serde(default)]
    pub reason: Option<String>,
    /// The PVC that the object is.
    #[serde(default)]
    pub object: Option<InvolvedObject>,
    /// Transitions ever journalled.
    #[serde(default)]
    pub transitions: u64,
    /// Of those, how many have been told in events.
    #[serde(default)]
    pub told: u64,
    /// Counts the departures from Normal.
    #[serde(default)]
    pub episode: u64,
    /// Since when the conditions hold.
    #[serde(default)]
    pub hold_since: Option<MicroTime>,
    /// No new trigger before.
    #[serde(default)]
    pub cool_down_until: Option<MicroTime>,
    /// What is proposed, waits for an answer or is being done.
    #[serde(default)]
    pub proposal: Option<Proposal>,
    /// The approval of this episode; its UID is taken only from an object that was seen `pending`.
    #[serde(default)]
    pub approval: Option<ApprovalReference>,
    /// When a refused or failed action is tried again.
    #[serde(default)]
    pub backoff: Option<Backoff>,
    /// The last action that was taken.
    #[serde(default)]
    pub last_action: Option<LastAction>,
}

/// One transition.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct StatusItem {
    /// When.
    #[serde(default)]
    pub last_process_timestamp: Option<Time>,
    /// The state that was entered.
    #[serde(default)]
    pub state: String,
    /// The text of the event.
    #[serde(default)]
    pub message: String,
    /// The approval, in the states that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_approval_name: Option<String>,
    /// Ours: the decision that led here, kept because approvals go and events expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Ours: why, where the message does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which approval belongs to the journal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ApprovalReference {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Exponential: doubles with each attempt.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Backoff {
    /// Failed attempts so far.
    pub attempts: u32,
    /// No attempt before.
    pub until: Option<MicroTime>,
    /// A word: `MaxSizeReached`, `SizeOwnedByGit`, …
    #[serde(default)]
    pub reason: String,
}

/// What was done last, to tell old data from new.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct LastAction {
    /// Digest of the proposal.
    pub digest: String,
    /// Size before.
    pub from: String,
    /// Size after.
    pub to: String,
    /// When the resize was complete.
    pub at: Option<MicroTime>,
    /// The values seen last before it was complete, in the order of the rule's expressions.
    #[serde(default)]
    pub measured: Vec<String>,
}
