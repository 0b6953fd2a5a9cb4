//! The driver: follows claims, and carries out what they ask for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::PostParams;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::behaviour::{Behaviour, Resize};
use super::resize;
use super::volume::{self, DRIVER};
use crate::cluster::Cluster;
use crate::lock::lock;
use crate::runtime::runtime;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClaimKey {
    namespace: String,
    name: String,
}

impl ClaimKey {
    fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn of(claim: &PersistentVolumeClaim) -> Self {
        Self { namespace: claim.namespace().unwrap_or_default(), name: claim.name_any() }
    }
}

#[derive(Default)]
struct DriverState {
    default: Option<Behaviour>,
    behaviours: HashMap<ClaimKey, Behaviour>,
    claims: HashMap<ClaimKey, PersistentVolumeClaim>,
    resizes: Vec<Resize>,
    /// Every size that a claim has asked for, in the order seen.
    requests: HashMap<ClaimKey, Vec<String>>,
    busy: HashSet<ClaimKey>,
}

struct DriverShared {
    client: Client,
    state: Mutex<DriverState>,
    changed: Notify,
}

/// The driver; it stops when dropped.
pub struct CsiDriver {
    shared: Arc<DriverShared>,
    has_binder: bool,
    task: JoinHandle<()>,
}

impl CsiDriver {
    /// Starts it for all namespaces; it resizes at once unless told otherwise.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let runtime = runtime()?;
        // A client lives on the runtime that made it.
        let client = {
            let _guard = runtime.enter();
            cluster.admin_client().await?
        };
        let shared = Arc::new(DriverShared {
            client,
            state: Mutex::new(DriverState::default()),
            changed: Notify::new(),
        });
        let task = runtime.spawn(run(Arc::clone(&shared)));
        Ok(Self { shared, has_binder: cluster.has_binder(), task })
    }

    /// Sets the behaviour for claims that have none of their own.
    pub fn set_default(&self, behaviour: Behaviour) {
        lock(&self.shared.state).default = Some(behaviour);
        self.shared.changed.notify_one();
    }

    /// Sets the behaviour for one claim. A resize that waits is taken up.
    pub fn set(&self, namespace: &str, name: &str, behaviour: Behaviour) {
        lock(&self.shared.state).behaviours.insert(ClaimKey::new(namespace, name), behaviour);
        self.shared.changed.notify_one();
    }

    /// Returns the resizes carried out so far, oldest first.
    #[must_use]
    pub fn resizes(&self) -> Vec<Resize> {
        lock(&self.shared.state).resizes.clone()
    }

    /// Returns the different sizes that a claim has asked for, oldest first, the first being that of its creation (as
    /// far as the watch showed them: two changes in one instant are one).
    #[must_use]
    pub fn requests(&self, namespace: &str, name: &str) -> Vec<String> {
        lock(&self.shared.state).requests.get(&ClaimKey::new(namespace, name)).cloned().unwrap_or_default()
    }

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
            volume::provision(client, has_binder, created, "pvc").await
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

    /// Does the same with a volume whose name begins with another prefix: external-provisioner's
    /// `--volume-name-prefix`.
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
            volume::provision(client, has_binder, claim, &prefix).await
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
        runtime()?.spawn(job).await?
    }
}

impl Drop for CsiDriver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<DriverShared>) {
    let api: Api<PersistentVolumeClaim> = Api::all(shared.client.clone());
    let mut events = watcher::watcher(api, watcher::Config::default()).boxed();
    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => see(&shared, event, &mut jobs),
                // The API server is gone or frozen: the watcher tries again, but not by itself with a pause.
                Some(Err(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
                None => return,
            },
            () = shared.changed.notified() => {}
            Some(_) = jobs.join_next() => {}
        }
        take_up(&shared, &mut jobs);
    }
}

fn see(shared: &Arc<DriverShared>, event: Event<PersistentVolumeClaim>, jobs: &mut JoinSet<()>) {
    let mut state = lock(&shared.state);
    match event {
        Event::Init => state.claims.clear(),
        Event::InitDone => {}
        Event::Apply(claim) | Event::InitApply(claim) => {
            let key = ClaimKey::of(&claim);
            if let Some(size) = resize::requested(&claim) {
                let sizes = state.requests.entry(key.clone()).or_default();
                if sizes.last() != Some(&size) {
                    sizes.push(size);
                }
            }
            state.claims.insert(key, claim);
        }
        Event::Delete(claim) => {
            state.claims.remove(&ClaimKey::of(&claim));
            jobs.spawn(volume::release(shared.client.clone(), claim));
        }
    }
}

/// Starts what is to be done for the claims that ask for more than they have.
fn take_up(shared: &Arc<DriverShared>, jobs: &mut JoinSet<()>) {
    let mut guard = lock(&shared.state);
    let state = &mut *guard;
    for (key, claim) in &state.claims {
        if state.busy.contains(key) || !resize::wanted(claim) {
            continue;
        }
        let behaviour = state.behaviours.get(key).or(state.default.as_ref());
        let behaviour = behaviour.cloned().unwrap_or(Behaviour::Immediate);
        if resize::settled(claim, &behaviour) {
            continue;
        }
        state.busy.insert(key.clone());
        let (shared, key, claim) = (Arc::clone(shared), key.clone(), claim.clone());
        jobs.spawn(async move {
            let done = resize::carry_out(&shared.client, &claim, &behaviour).await;
            if done.is_err() {
                // The API refused or was away; tried again with the claim as it is then.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let mut state = lock(&shared.state);
            match done {
                Ok((claim, resize)) => {
                    state.resizes.extend(resize);
                    // Until the watch shows it, so that it is not done twice.
                    if let Some(known) = state.claims.get_mut(&key)
                        && known.uid() == claim.uid()
                        && version(known) < version(&claim)
                    {
                        *known = claim;
                    }
                }
                Err(error) => eprintln!("stack: csi driver: {}/{}: {error:#}", key.namespace, key.name),
            }
            state.busy.remove(&key);
        });
    }
}

/// Returns the resourceVersion, by which the newer of two states of one object is known: Kubernetes says since 1.35
/// that they may be compared as numbers.
fn version(claim: &PersistentVolumeClaim) -> u64 {
    claim.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}
