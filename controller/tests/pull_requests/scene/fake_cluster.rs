//! Approvals in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use autopilot_controller::decide::{Approval, EventDraft, Target};
use autopilot_controller::pull_requests::plan::{ClusterEffect, Finding};
use autopilot_controller::pull_requests::worker::{Cluster, ClusterError, Merged};
use autopilot_shared::api::{FINALIZER, approval_state};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use super::Key;

#[derive(Default)]
pub(crate) struct Objects {
    pub approvals: BTreeMap<Key, Approval>,
    pub version: u64,
    /// What a watch brings: an object, or the key and UID of one that is gone.
    pub changes: Vec<Result<Approval, (Key, String)>>,
    pub events: Vec<EventDraft>,
    pub findings: Vec<Finding>,
    pub writes: u32,
    pub nudges: u32,
    /// Approvals that an admission policy lets nobody write.
    pub refuses: BTreeSet<Key>,
    /// Writes whose answer is lost.
    pub lose: BTreeMap<u32, bool>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeCluster(Arc<Mutex<Objects>>);

impl FakeCluster {
    pub(crate) fn state(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap()
    }
}

impl Objects {
    pub(crate) fn put(&mut self, mut approval: Approval) -> Approval {
        self.version += 1;
        approval.raw.metadata.resource_version = Some(self.version.to_string());
        let key = (approval.raw.namespace().unwrap(), approval.raw.name_any());
        let leaving = approval.raw.metadata.deletion_timestamp.is_some();
        if leaving && approval.raw.finalizers().is_empty() {
            self.approvals.remove(&key);
            self.changes.push(Err((key, approval.raw.uid().unwrap())));
        } else {
            self.approvals.insert(key, approval.clone());
            self.changes.push(Ok(approval.clone()));
        }
        approval
    }

    pub(crate) fn edit(&mut self, key: &Key, edit: impl FnOnce(&mut Approval)) {
        let mut approval = self.approvals[key].clone();
        edit(&mut approval);
        self.put(approval);
    }

    fn perform(&mut self, effect: &ClusterEffect) -> Option<Approval> {
        let target = target(effect);
        let key = (target.namespace.clone(), target.name.clone());
        let mut found = self.approvals.get(&key)?.clone();
        if found.raw.uid().as_deref() != Some(&target.uid)
            || found.raw.resource_version().as_deref() != Some(&target.version)
        {
            return Some(found);
        }
        match effect {
            ClusterEffect::AddFinalizer { finalizers, .. } => {
                found.raw.metadata.finalizers = Some(finalizers.clone());
            }
            ClusterEffect::WriteStatus { status, .. } => {
                let new = found.raw.status.get_or_insert_default();
                if status.pull_request.is_some() {
                    new.pull_request.clone_from(&status.pull_request);
                }
                if status.conditions.is_some() {
                    new.conditions.clone_from(&status.conditions);
                }
            }
            ClusterEffect::Mirror(_) => {
                found.raw.spec.approval_state = Some(approval_state::DECLINED.to_owned());
            }
            ClusterEffect::Remove(_) => {
                found.raw.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
            }
            ClusterEffect::Release { event, .. } => {
                found.raw.metadata.finalizers.get_or_insert_default().retain(|f| f != FINALIZER);
                self.events.extend(event.iter().map(|e| (**e).clone()));
            }
        }
        let left = self.put(found);
        self.approvals.contains_key(&key).then_some(left)
    }
}

/// What a write is about.
fn target(effect: &ClusterEffect) -> &Target {
    match effect {
        ClusterEffect::AddFinalizer { target, .. }
        | ClusterEffect::WriteStatus { target, .. }
        | ClusterEffect::Mirror(target)
        | ClusterEffect::Remove(target)
        | ClusterEffect::Release { target, .. } => target,
    }
}

impl Cluster for FakeCluster {
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Approval>, ClusterError> {
        Ok(self.state().approvals.get(&(namespace.to_owned(), name.to_owned())).cloned())
    }

    async fn perform(&self, effect: &ClusterEffect) -> Result<Option<Approval>, ClusterError> {
        let mut state = self.state();
        state.writes += 1;
        let number = state.writes;
        let target = target(effect);
        if state.refuses.contains(&(target.namespace.clone(), target.name.clone())) {
            return Err(ClusterError::TimedOut);
        }
        match state.lose.remove(&number) {
            Some(true) => {
                state.perform(effect);
                Err(ClusterError::TimedOut)
            }
            Some(false) => Err(ClusterError::TimedOut),
            None => Ok(state.perform(effect)),
        }
    }

    async fn request_reconcile(&self, _asked: &Merged) {
        self.state().nudges += 1;
    }

    async fn findings(&self, _asked: &Merged) -> Vec<Finding> {
        self.state().findings.clone()
    }
}
