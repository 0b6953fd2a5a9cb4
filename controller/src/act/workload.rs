//! Who uses a PVC: the controllers of the pods that mount it. Looked up when a person is about to be asked, not watched:
//! a cluster has ten times as many pods as PVCs. Everything here is best-effort, and nothing waits long for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autopilot_shared::api::ActionPreview;
use autopilot_shared::error::chain;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::Instant;

/// All of a lookup.
const LIMIT: Duration = Duration::from_secs(3);
/// Pods of a namespace are listed once for all questions of so long.
const FRESH: Duration = Duration::from_secs(10);
/// Pods per page, and pages: a namespace with more is looked at in part.
const PAGE: u32 = 500;
const PAGES: usize = 10;
/// Workloads that are named.
const MOST: usize = 5;

/// A pod that mounts PVCs, and what controls it; itself, where nothing does.
#[derive(Clone, Debug)]
struct Mount {
    claims: Vec<String>,
    by: OwnerReference,
}

type Listed = (Instant, Arc<Vec<Mount>>);

/// Looks workloads up.
#[derive(Clone)]
pub(crate) struct Workloads {
    client: Client,
    wanted: Arc<AtomicBool>,
    listed: Arc<Mutex<HashMap<String, Listed>>>,
}

impl Workloads {
    pub(crate) fn new(client: Client) -> Self {
        Workloads { client, wanted: Arc::default(), listed: Arc::default() }
    }

    /// Whether they are wanted: it takes permissions that not every installation grants.
    pub(crate) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Names the workloads in previews. A preview without them is a preview.
    pub(crate) async fn name(&self, previews: &mut [ActionPreview]) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let objects = previews.iter_mut().flat_map(|preview| &mut preview.involved_objects);
        for object in objects.filter(|object| object.kind == "PersistentVolumeClaim") {
            match tokio::time::timeout(LIMIT, self.of(&object.namespace, &object.name)).await {
                Ok(Ok(found)) => object.owner_references = (!found.is_empty()).then_some(found),
                Ok(Err(error)) => {
                    tracing::debug!(claim = object.name, error = chain(&error), "its workload is not known");
                }
                Err(_) => tracing::debug!(claim = object.name, "its workload was not found in time"),
            }
        }
    }

    async fn of(&self, namespace: &str, claim: &str) -> kube::Result<Vec<OwnerReference>> {
        let mounts = self.mounts(namespace).await?;
        let mut found: Vec<OwnerReference> = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.claims.iter().any(|c| c == claim)) {
            let owner = self.controller(namespace, mount.by.clone()).await;
            if !found.iter().any(|known| known.uid == owner.uid) {
                found.push(owner);
            }
            if found.len() == MOST {
                break;
            }
        }
        Ok(found)
    }

    async fn mounts(&self, namespace: &str) -> kube::Result<Arc<Vec<Mount>>> {
        if let Some((at, mounts)) = self.lock().get(namespace)
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(mounts));
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut mounts = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        for _ in 0..PAGES {
            let page = api.list(&params).await?;
            mounts.extend(page.items.iter().filter_map(mount));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        let mounts = Arc::new(mounts);
        let mut listed = self.lock();
        listed.retain(|_, (at, _)| at.elapsed() < FRESH);
        listed.insert(namespace.to_owned(), (Instant::now(), Arc::clone(&mounts)));
        Ok(mounts)
    }

    /// Returns the owner that a person calls the workload: the Deployment, not its ReplicaSet; the CronJob, not its Job.
    async fn controller(&self, namespace: &str, owner: OwnerReference) -> OwnerReference {
        let above = match (owner.api_version.as_str(), owner.kind.as_str()) {
            ("apps/v1", "ReplicaSet") => {
                let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&owner.name).await.map(|found| found.map(|set| set.metadata))
            }
            ("batch/v1", "Job") => {
                let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&owner.name).await.map(|found| found.map(|job| job.metadata))
            }
            _ => return owner,
        };
        match above {
            Ok(Some(metadata)) => controlled_by(&metadata).unwrap_or(owner),
            Ok(None) | Err(_) => owner,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn controlled_by(metadata: &ObjectMeta) -> Option<OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true)).cloned()
}

fn mount(pod: &Pod) -> Option<Mount> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let claims: Vec<String> = volumes
        .iter()
        .filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            (None, Some(_)) => Some(format!("{pod_name}-{}", volume.name)),
            (None, None) => None,
        })
        .collect();
    let by = controlled_by(&pod.metadata).unwrap_or_else(|| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod_name.to_owned(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    });
    (!claims.is_empty()).then_some(Mount { claims, by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_mounts_what_its_volumes_name_and_belongs_to_its_controller() {
        let pod = |volumes, owners| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "name": "db-0", "uid": "p", "ownerReferences": owners },
                "spec": { "containers": [], "volumes": volumes },
            }))
            .unwrap()
        };
        let owner = |kind: &str, controller: bool| json!({ "apiVersion": "apps/v1", "kind": kind, "name": "db", "uid": "o", "controller": controller });
        let volumes = json!([
            { "name": "data", "persistentVolumeClaim": { "claimName": "pgbench-data" } },
            { "name": "scratch", "ephemeral": {} },
            { "name": "tmp", "emptyDir": {} },
        ]);
        let found = mount(&pod(volumes.clone(), json!([owner("StatefulSet", true)]))).unwrap();
        assert_eq!(found.claims, ["pgbench-data", "db-0-scratch"]);
        assert_eq!((found.by.kind.as_str(), found.by.name.as_str()), ("StatefulSet", "db"));
        let alone = mount(&pod(volumes, json!([owner("Node", false)]))).unwrap();
        assert_eq!((alone.by.kind.as_str(), alone.by.name.as_str()), ("Pod", "db-0"));
        assert!(mount(&pod(json!([{ "name": "tmp", "emptyDir": {} }]), json!([]))).is_none());
    }
}
