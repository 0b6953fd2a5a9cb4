//! Volumes of claims.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::resize::requested;
use crate::wait::wait_for;

/// The name of the driver, and of the storage classes' provisioner.
pub const DRIVER: &str = "csi.autopilot.test";

const LIMIT: Duration = Duration::from_secs(60);

/// Creates the volume of a claim, gets them bound, and returns its name: `prefix` and the claim's UID.
pub(super) async fn provision(
    client: Client,
    has_binder: bool,
    claim: PersistentVolumeClaim,
    prefix: &str,
) -> Result<String> {
    let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
    let what = format!("claim {namespace}/{name}");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let uid = claim.uid().with_context(|| format!("{what} has no UID"))?;
    let size = requested(&claim).with_context(|| format!("{what} asks for no size"))?;
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

/// Binds as the binder does, where it does not run.
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
