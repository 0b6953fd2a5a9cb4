//! The decision on a proposal: the latch of an approval, and of the journal that keeps it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a question ended.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// To be done, once.
    Approved,
    /// Not to be done while the approval object exists.
    Declined,
    /// Taken back by the controller.
    #[default]
    Canceled,
}

/// The latch: written with the resourceVersion that was read, never changed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Decision {
    /// Digest of the proposal that was decided.
    pub digest: String,
    /// How.
    pub outcome: Outcome,
    /// Who; empty where the API keeps no name.
    #[serde(default)]
    pub by: String,
    /// When the controller saw it.
    #[serde(default)]
    pub at: Option<MicroTime>,
    /// `kubectl`, `console`, `pull request`, `controller` or the field manager.
    #[serde(default)]
    pub via: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}
