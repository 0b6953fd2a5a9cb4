//! Claims with volumes.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::{CsiDriver, DRIVER};
use crate::wait::wait_for;

const LIMIT: Duration = Duration::from_secs(60);

impl CsiDriver {
    /// Creates a storage class of this driver.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn storage_class(&self, name: &str, allow_expansion: bool) -> Result<()> {
        let class: StorageClass = serde_json::from_value(json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": { "name": name },
            "provisioner": DRIVER,
            "allowVolumeExpansion": allow_expansion,
        }))?;
        self.on_runtime(move |client, _| async move {
            let name = class.name_any();
            Api::all(client)
                .create(&PostParams::default(), &class)
                .await
                .with_context(|| format!("create storage class {name}"))?;
            Ok(())
        })
        .await
    }

    /// Creates a claim and its volume, gets them bound, and returns the volume's name: `pvc-` and the claim's UID. The
    /// namespace and the class must exist.
    ///
    /// # Errors
    /// When the API refuses, or the claim is not bound within a minute.
    pub async fn provision(
        &self,
        namespace: &str,
        name: &str,
        size: &str,
        labels: &[(&str, &str)],
        storage_class: &str,
    ) -> Result<String> {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "namespace": namespace, "name": name, "labels": labels },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": storage_class,
                "resources": { "requests": { "storage": size } },
            },
        }))?;
        self.on_runtime(move |client: Client, has_binder| async move {
            let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
            let created = Api::namespaced(client.clone(), &namespace)
                .create(&PostParams::default(), &claim)
                .await
                .with_context(|| format!("create claim {namespace}/{name}"))?;
            provision(client, has_binder, created, "pvc").await
        })
        .await
    }

    /// Creates the volume of a claim that somebody else has created, as a provisioner does, gets them bound, and returns the
    /// volume's name: `pvc-` and the claim's UID.
    ///
    /// # Errors
    /// When the API refuses, or the claim is not bound within a minute.
    pub async fn provision_for(&self, namespace: &str, name: &str) -> Result<String> {
        self.provision_with_prefix(namespace, name, "pvc").await
    }

    /// The same, with a volume whose name begins with another prefix: external-provisioner's `--volume-name-prefix`.
    ///
    /// # Errors
    /// As for [`Self::provision_for`].
    pub async fn provision_with_prefix(&self, namespace: &str, name: &str, prefix: &str) -> Result<String> {
        let (namespace, name, prefix) = (namespace.to_owned(), name.to_owned(), prefix.to_owned());
        self.on_runtime(move |client: Client, has_binder| async move {
            let claim = Api::namespaced(client.clone(), &namespace)
                .get(&name)
                .await
                .with_context(|| format!("read claim {namespace}/{name}"))?;
            provision(client, has_binder, claim, &prefix).await
        })
        .await
    }

    /// Runs something on the runtime that the client belongs to, whichever the caller is on.
    async fn on_runtime<T, F>(&self, job: impl FnOnce(Client, bool) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let job = job(self.shared.client.clone(), self.has_binder);
        crate::serve::runtime()?.spawn(job).await?
    }
}

async fn provision(
    client: Client,
    has_binder: bool,
    claim: PersistentVolumeClaim,
    prefix: &str,
) -> Result<String> {
    let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
    let what = format!("claim {namespace}/{name}");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let uid = claim.uid().with_context(|| format!("{what} has no UID"))?;
    let size = super::resize::requested(&claim).with_context(|| format!("{what} asks for no size"))?;
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone());
    let volume_name = format!("{prefix}-{uid}");
    let volume: PersistentVolume = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": volume_name },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": { "storage": size },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace, "name": name, "uid": uid,
            },
            "csi": { "driver": DRIVER, "volumeHandle": uid },
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": class,
        },
    }))?;
    Api::<PersistentVolume>::all(client)
        .create(&PostParams::default(), &volume)
        .await
        .with_context(|| format!("create volume {volume_name}"))?;
    if !has_binder {
        bind(&claims, &name, &volume_name, &size).await.with_context(|| format!("bind {what}"))?;
    }
    wait_for(&format!("{what} to be bound to {volume_name}"), LIMIT, async || {
        let claim = claims.get(&name).await?;
        let status = claim.status.as_ref();
        let bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound")
            && claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()) == Some(&volume_name);
        Ok(bound.then_some(()))
    })
    .await?;
    Ok(volume_name)
}

/// What the binder does, where it does not run.
async fn bind(claims: &Api<PersistentVolumeClaim>, name: &str, volume: &str, size: &str) -> Result<()> {
    let spec = json!({ "spec": { "volumeName": volume } });
    claims.patch(name, &PatchParams::default(), &Patch::Merge(spec)).await?;
    let status = json!({ "status": {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": { "storage": size },
    }});
    claims.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

/// Deletes the volume of a claim that is gone, as external-provisioner does.
pub(super) async fn release(client: Client, claim: PersistentVolumeClaim) {
    let Some(volume) = claim.spec.and_then(|spec| spec.volume_name) else {
        return;
    };
    let volumes: Api<PersistentVolume> = Api::all(client);
    let ours = |found: &PersistentVolume| {
        let spec = found.spec.as_ref();
        spec.and_then(|spec| spec.csi.as_ref()).is_some_and(|csi| csi.driver == DRIVER)
            && spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()) == Some("Delete")
    };
    if let Ok(Some(found)) = volumes.get_opt(&volume).await
        && ours(&found)
    {
        let _ = volumes.delete(&volume, &DeleteParams::default()).await;
    }
}
