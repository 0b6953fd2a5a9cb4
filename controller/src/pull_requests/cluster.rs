//! Reads of and writes to a real cluster.

use autopilot_shared::api::{ActionApproval, FINALIZER, approval_state};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::flux;
use crate::act::{Actor, FIELD_MANAGER, Outcome, TIME_OUT};
use crate::decide::{Approval, Effect, Target};
use crate::observe::approval;
use crate::pull_requests::plan::{ClusterEffect, Finding};
use crate::pull_requests::worker::{Cluster, ClusterError, Merged};

/// A cluster that is reached through its API server.
#[derive(Clone)]
pub(crate) struct KubeCluster {
    client: Client,
    actor: Actor,
}

impl KubeCluster {
    /// Reads and patches through `client`; writes of the kinds that the engine makes, too, go through its actor.
    pub(crate) fn new(client: Client, actor: Actor) -> Self {
        KubeCluster { client, actor }
    }

    fn api(&self, namespace: &str) -> Api<ActionApproval> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn patch(&self, target: &Target, mut patch: Value) -> Result<Option<Approval>, ClusterError> {
        patch["metadata"]["uid"] = json!(target.uid);
        patch["metadata"]["resourceVersion"] = json!(target.version);
        self.send(target, &Patch::Merge(patch)).await
    }

    async fn send(&self, target: &Target, patch: &Patch<Value>) -> Result<Option<Approval>, ClusterError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.api(&target.namespace);
        let sent = api.patch(&target.name, &params, patch);
        match tokio::time::timeout(TIME_OUT, sent).await {
            Ok(Ok(written)) => Ok(Some(approval(written))),
            // Another version, another object, or none: what is there now says what to do.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409 | 422) => {
                self.read(&target.namespace, &target.name).await
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ClusterError::TimedOut),
        }
    }

    /// Removes our finalizer by JSON patch, with a test: whatever else changed in the meantime does not matter, which
    /// object it is does.
    async fn release(&self, target: &Target) -> Result<Option<Approval>, ClusterError> {
        let Some(found) = self.read(&target.namespace, &target.name).await? else { return Ok(None) };
        let index = found.raw.finalizer_index();
        let Some(index) = index.filter(|_| found.raw.metadata.uid.as_ref() == Some(&target.uid)) else {
            return Ok(Some(found));
        };
        let path = format!("/metadata/finalizers/{index}");
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": target.uid },
            { "op": "test", "path": path, "value": FINALIZER },
            { "op": "remove", "path": path },
        ]);
        let patch = serde_json::from_value(patch)?;
        self.send(target, &Patch::<Value>::Json(patch)).await
    }

    async fn act(&self, effect: Effect) -> Result<Option<Approval>, ClusterError> {
        match self.actor.perform(effect, None).await {
            Ok(Outcome::Approval(raw)) => Ok(Some(approval(*raw))),
            Ok(_) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}

impl std::fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeCluster").finish_non_exhaustive()
    }
}

impl Cluster for KubeCluster {
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Approval>, ClusterError> {
        let api = self.api(namespace);
        match tokio::time::timeout(TIME_OUT, api.get_opt(name)).await {
            Ok(Ok(found)) => Ok(found.map(approval)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ClusterError::TimedOut),
        }
    }

    async fn perform(&self, effect: &ClusterEffect) -> Result<Option<Approval>, ClusterError> {
        match effect.clone() {
            ClusterEffect::AddFinalizer { target, finalizers } => {
                self.patch(&target, json!({ "metadata": { "finalizers": finalizers } })).await
            }
            ClusterEffect::Mirror(target) => {
                let declined = json!({ "spec": { "approvalState": approval_state::DECLINED } });
                self.patch(&target, declined).await
            }
            ClusterEffect::Remove(target) => self.act(Effect::DeleteApproval(target)).await,
            ClusterEffect::WriteStatus { target, status } => {
                self.act(Effect::WriteApprovalStatus { target, status, event: None }).await
            }
            ClusterEffect::Release { target, event } => {
                if let Some(event) = event {
                    // Before: afterwards nobody would know.
                    let message = event.message.clone();
                    let told = Effect::EmitEvents { events: vec![*event], told: 0 };
                    if let Err(failure) = self.actor.perform(told, None).await {
                        // A deletion is not held up by that.
                        tracing::warn!(message, %failure, "an event was not emitted");
                    }
                }
                self.release(&target).await
            }
        }
    }

    async fn request_reconcile(&self, asked: &Merged) {
        if tokio::time::timeout(TIME_OUT, flux::request_reconcile(&self.client, asked)).await.is_err() {
            tracing::warn!("Flux was not asked to fetch: no answer within {} s", TIME_OUT.as_secs());
        }
    }

    async fn findings(&self, asked: &Merged) -> Vec<Finding> {
        let found = tokio::time::timeout(TIME_OUT, flux::findings(&self.client, asked)).await;
        let found = found.unwrap_or_else(|_| vec![Finding::Unknown]);
        tracing::debug!(folder = asked.folder, ?found, "what Flux says of a merge");
        found
    }
}
