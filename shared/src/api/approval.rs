//! ActionApproval: namespaced; asks a person. Spec is the request, status the truth.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::object_ref::InvolvedObject;
use super::proposal::Proposal;

/// Values of `spec.approvalState`. Deliberately no enum: an unknown value means pending and must not break a
/// Kustomization.
pub mod approval_state {
    /// Waits for an answer.
    pub const PENDING: &str = "pending";
    /// Somebody asks for the action.
    pub const APPROVED: &str = "approved";
    /// Somebody refuses the action.
    pub const DECLINED: &str = "declined";
    /// The controller took the question back.
    pub const CANCELED: &str = "canceled";
}

/// The request. Anybody with the permission writes here.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "autopilot.libopenstorage.org",
    version = "v1alpha1",
    kind = "ActionApproval",
    plural = "actionapprovals",
    singular = "actionapproval",
    shortname = "aa",
    namespaced,
    status = "ActionApprovalStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Approval-State", type_ = "string", json_path = ".spec.approvalState"),
    printcolumn(name = "Rule", type_ = "string", json_path = ".metadata.labels.rule", priority = 1),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.actions[0].name", priority = 1),
    printcolumn(name = "PR", type_ = "integer", json_path = ".status.pullRequest.number", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ActionApprovalSpec {
    /// `pending`, `approved`, `declined` or `canceled`.
    #[serde(default)]
    pub approval_state: Option<String>,
    /// What is to be done. One atomic list: applying another file replaces it, digest included.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub actions: Option<Vec<ApprovalAction>>,
}

/// One action, bound to one proposal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ApprovalAction {
    /// Short name, `resize`.
    #[serde(default)]
    pub name: Option<String>,
    /// Parameters of the rule.
    #[serde(default)]
    pub params: Option<BTreeMap<String, String>>,
    /// Ours: digest of the proposal that this approval is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
}

/// The truth; only the controller writes here.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ActionApprovalStatus {
    /// The rule (capital as in the original).
    #[serde(default, rename = "Rule", skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleReference>,
    /// When the controller looked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_process_timestamp: Option<Time>,
    /// What would happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_previews: Option<Vec<ActionPreview>>,
    /// Ours: the current proposal, where no file reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// Ours: the latch. Written once; later flips of the spec change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Ours: what became of an approved action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// Ours: the pull request that asks for this approval. The forge writes it, the engine reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// Ours: `StaleApproval`, `UnknownApprovalState`. Never Ready, Stalled or Reconciling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// A rule by name. Rules are cluster-scoped: the namespace is empty.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RuleReference {
    /// Name of the rule.
    #[serde(default, rename = "Name")]
    pub name: String,
    /// Empty.
    #[serde(default, rename = "Namespace")]
    pub namespace: String,
}

/// An action beside its expected result.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ActionPreview {
    /// The action.
    #[serde(default)]
    pub action: PreviewAction,
    /// What it would do.
    #[serde(default)]
    pub expected_result: ExpectedResult,
    /// To what.
    #[serde(default)]
    pub involved_objects: Vec<InvolvedObject>,
}

/// The action of a preview: name and parameters as the original has them, without a digest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PreviewAction {
    /// Short name.
    #[serde(default)]
    pub name: String,
    /// Parameters.
    #[serde(default)]
    pub params: Option<BTreeMap<String, String>>,
}

/// `PVC will resize from 10Gi to 20Gi`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ExpectedResult {
    /// The text (capital as in the original).
    #[serde(default, rename = "Message")]
    pub message: String,
}

/// How a pull request stands.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub enum PullRequestState {
    /// Waits.
    #[default]
    Open,
    /// Merged: approved, once a GitOps tool has applied its file.
    Merged,
    /// Closed without a merge, by somebody: declined.
    Closed,
}

/// The pull request of a proposal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Where people see it.
    #[serde(default)]
    pub url: String,
    /// How it stands.
    #[serde(default)]
    pub state: PullRequestState,
    /// Digest of the proposal in its file: it counts for no other.
    #[serde(default)]
    pub digest: String,
    /// Branch that it asks to merge.
    #[serde(default)]
    pub branch: String,
    /// Its file, from the root of the repository.
    #[serde(default)]
    pub path: String,
    /// Who merged or closed it; empty where the forge does not say.
    #[serde(default)]
    pub by: String,
    /// When it was merged or closed.
    #[serde(default)]
    pub at: Option<MicroTime>,
    /// Whether its file still lies in the branch that it was merged into.
    #[serde(default)]
    pub in_base: bool,
}

/// What became of an approved action.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Execution {
    /// `done`, `superseded` or `failed`.
    pub outcome: String,
    /// When.
    #[serde(default)]
    pub at: Option<MicroTime>,
    /// Why, when it is not `done`.
    #[serde(default)]
    pub message: String,
}
