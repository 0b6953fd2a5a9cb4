//! Who writes: the client, what it counts, and what comes back from a write.

use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client};
use tokio::sync::Semaphore;

use super::workload::Workloads;
use crate::decide::Target;
use crate::telemetry::Metrics;

/// Field manager of every write.
pub(crate) const FIELD_MANAGER: &str = "autopilot-controller";
/// Number of writes to different objects that run side by side.
const AT_ONCE: usize = 16;

/// The world after a write, as the API server reported it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A rule object, as it is now.
    Journal(Box<AutopilotRuleObject>),
    /// An approval, as it is now.
    Approval(Box<ActionApproval>),
    /// A PVC, as it is now.
    Pvc(Box<PersistentVolumeClaim>),
    /// A rule, as it is now.
    Rule(Box<AutopilotRule>),
    /// The rule object is gone.
    NoJournal(Target),
    /// The approval is gone.
    NoApproval(Target),
    /// The PVC is gone.
    NoPvc { namespace: String, name: String },
    /// The rule of this name is gone.
    NoRule(String),
    /// The events of so many transitions are out.
    EventsEmitted(u64),
    /// The API server refused the resize of this PVC, which is as it was.
    ResizeRefused {
        pvc: Box<PersistentVolumeClaim>,
        /// In the words of the server.
        message: String,
    },
}

/// A write whose result is not known; it is decided anew after a pause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    /// The write that was being made, and its object.
    pub what: String,
    /// The reason, for people.
    pub why: String,
    /// The server asked for this pause.
    pub after: Option<Duration>,
    /// It was an event that we may not emit, at least not now: an API server denies everything until it has read its roles.
    /// So many transitions count as announced if that goes on.
    pub denied: Option<u64>,
}

/// Carries out effects.
#[derive(Clone)]
pub struct Actor {
    pub(super) client: Client,
    pub(super) metrics: Metrics,
    pub(super) permits: Arc<Semaphore>,
    pub(super) workloads: Workloads,
}

impl Actor {
    /// Returns an actor that writes through this client.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        let workloads = Workloads::new(client.clone());
        Actor { client, metrics, permits: Arc::new(Semaphore::new(AT_ONCE)), workloads }
    }

    /// Sets whether previews name the workload that uses the PVC.
    pub fn name_workloads(&self, wanted: bool) {
        self.workloads.want(wanted);
    }

    pub(super) fn namespaced<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace.unwrap_or("default"))
    }
}
