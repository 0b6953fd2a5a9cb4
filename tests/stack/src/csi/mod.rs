//! Plays what a CSI driver does around a claim: provisions its volume, and resizes it as external-resizer and kubelet would,
//! or does not.

mod provision;
mod resize;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::cluster::Cluster;
use crate::lock::lock;
use crate::serve::runtime;

/// The name of the driver, and of the storage classes' provisioner.
pub const DRIVER: &str = "csi.autopilot.test";

/// Namespace and name of a claim.
type Key = (String, String);

/// What the driver does when a claim asks for more than it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Resizes at once.
    Immediate,
    /// Says that a resize is under way, and finishes after this time.
    Slow(Duration),
    /// Nothing at all.
    Never,
    /// Declares the size infeasible (`ControllerResizeInfeasible`), for good.
    Infeasible,
    /// Fails with this message (condition `ControllerResizeError`) and says that it will try again.
    Failing(String),
}

/// A resize that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resize {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// The capacity before.
    pub from: String,
    /// The capacity after.
    pub to: String,
    /// When it was done.
    pub at: Timestamp,
}

#[derive(Default)]
struct State {
    default: Option<Behaviour>,
    behaviours: HashMap<Key, Behaviour>,
    claims: HashMap<Key, PersistentVolumeClaim>,
    resizes: Vec<Resize>,
    /// Every size that a claim has asked for, in the order seen.
    requests: HashMap<Key, Vec<String>>,
    busy: std::collections::HashSet<Key>,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
    changed: Notify,
}

/// The driver; it stops when dropped.
pub struct CsiDriver {
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared { client, state: Mutex::new(State::default()), changed: Notify::new() });
        let task = runtime.spawn(run(Arc::clone(&shared)));
        Ok(Self { shared, has_binder: cluster.has_binder(), task })
    }

    /// What it does from now on with claims that have no behaviour of their own.
    pub fn set_default(&self, behaviour: Behaviour) {
        lock(&self.shared.state).default = Some(behaviour);
        self.shared.changed.notify_one();
    }

    /// What it does from now on with one claim; a resize that waits is taken up.
    pub fn set(&self, namespace: &str, name: &str, behaviour: Behaviour) {
        lock(&self.shared.state).behaviours.insert((namespace.into(), name.into()), behaviour);
        self.shared.changed.notify_one();
    }

    /// The resizes carried out so far, oldest first.
    #[must_use]
    pub fn resizes(&self) -> Vec<Resize> {
        lock(&self.shared.state).resizes.clone()
    }

    /// The different sizes that a claim has asked for, oldest first, the first being that of its creation (as far as the
    /// watch showed them: two changes in one instant are one).
    #[must_use]
    pub fn requests(&self, namespace: &str, name: &str) -> Vec<String> {
        lock(&self.shared.state).requests.get(&(namespace.into(), name.into())).cloned().unwrap_or_default()
    }
}

impl Drop for CsiDriver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<Shared>) {
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

fn see(shared: &Arc<Shared>, event: Event<PersistentVolumeClaim>, jobs: &mut JoinSet<()>) {
    let mut state = lock(&shared.state);
    match event {
        Event::Init => state.claims.clear(),
        Event::InitDone => {}
        Event::Apply(claim) | Event::InitApply(claim) => {
            let key = key(&claim);
            if let Some(size) = resize::requested(&claim) {
                let sizes = state.requests.entry(key.clone()).or_default();
                if sizes.last() != Some(&size) {
                    sizes.push(size);
                }
            }
            state.claims.insert(key, claim);
        }
        Event::Delete(claim) => {
            state.claims.remove(&key(&claim));
            jobs.spawn(provision::release(shared.client.clone(), claim));
        }
    }
}

/// Starts what is to be done for the claims that ask for more than they have.
fn take_up(shared: &Arc<Shared>, jobs: &mut JoinSet<()>) {
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
                Err(error) => eprintln!("stack: csi driver: {}/{}: {error:#}", key.0, key.1),
            }
            state.busy.remove(&key);
        });
    }
}

/// Which of two states of one object is newer; Kubernetes says since 1.35 that they may be compared as numbers.
fn version(claim: &PersistentVolumeClaim) -> u64 {
    claim.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}

fn key(claim: &PersistentVolumeClaim) -> Key {
    (claim.namespace().unwrap_or_default(), claim.name_any())
}
