//! A proposal: what the journal froze, and what an approval asks for.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A frozen, absolute action: computed once, executed at most once.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Proposal {
    /// Random, so that nobody can foresee the digest.
    pub id: String,
    /// 16 hex digits over everything that was proposed; see `autopilot_shared::digest`.
    pub digest: String,
    /// Short name of the action, `resize`.
    pub action: String,
    /// Parameters as the rule had them.
    #[serde(default)]
    pub params: Option<BTreeMap<String, String>>,
    /// Requested size when it was proposed, canonical.
    pub from: String,
    /// Requested size afterwards, canonical.
    pub to: String,
    /// UID of the PVC.
    #[serde(rename = "pvcUID")]
    pub pvc_uid: String,
    /// Hash of the rule's spec: another spec, another proposal.
    pub rule_hash: String,
    /// What was measured.
    #[serde(default)]
    pub measured: Vec<Measured>,
    /// When it was proposed.
    #[serde(default)]
    pub at: Option<MicroTime>,
    /// Name of the approval, when the rule asks for one.
    #[serde(default)]
    pub approval_name: Option<String>,
}

/// A value beside what it was compared with.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Measured {
    /// The PromQL key.
    pub key: String,
    /// Operator of the rule.
    pub operator: String,
    /// Values of the rule.
    #[serde(default)]
    pub values: Vec<String>,
    /// The sample, as Prometheus printed it.
    pub value: String,
}
