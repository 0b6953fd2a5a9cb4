//! An object of the cluster, as approvals and rule objects name it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An object of the cluster. For a PVC, `uid` is the name of its volume, as in the original.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct InvolvedObject {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the volume.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// `PersistentVolumeClaim`.
    #[serde(default)]
    pub kind: String,
    /// `v1`.
    #[serde(default)]
    pub api_version: String,
    /// The workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_references: Option<Vec<OwnerReference>>,
}
