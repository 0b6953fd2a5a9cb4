//! Runs the flow: watches the approvals, and works at the worker until it is told to stop.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch as settings_watch};
use tokio_util::sync::CancellationToken;

use super::forge::Forge;
use super::plan::Settings;
use super::tracker::{Figures, Tracker};
use super::worker::{Cluster, Worked, Worker};
use crate::act::{Actor, TIME_OUT};
use crate::observe::chain;

pub use super::cluster::KubeCluster;
pub use super::flux::{GitSource, Kustomization, diagnose};
pub use super::watch::ApprovalEvent;

/// What the watch saw and the worker has not taken yet.
const WAITING: usize = 256;
/// Longest nap; waking up for nothing costs nothing.
const NAP: Duration = Duration::from_secs(60);
/// Pause before the cluster is asked again who it is.
const AGAIN: Duration = Duration::from_secs(5);

/// What [`run`] works with.
pub struct Parts<F, N, G> {
    /// Reads, and sets finalizers.
    pub client: Client,
    /// Writes status and events.
    pub actor: Actor,
    /// The forge: one repository.
    pub forge: F,
    /// Settings; may change at any time. Another repository is another run.
    pub settings: settings_watch::Receiver<Settings>,
    /// Figures for metrics: given whenever the worker comes to rest.
    pub figures: G,
    /// What time it is.
    pub clock: N,
}

/// Runs until `stop`. Whatever is being asked of the forge then is finished first.
pub async fn run<F, N, G>(parts: Parts<F, N, G>, stop: CancellationToken)
where
    F: Forge,
    N: Fn() -> Timestamp + Send + Sync,
    G: Fn(Figures) + Send,
{
    let Parts { client, actor, forge, settings, figures, clock } = parts;
    let Some(cluster_id) = cluster_id(&client, &stop).await else { return };
    let (out, seen) = mpsc::channel(WAITING);
    tokio::spawn(super::watch::watch(client.clone(), out, stop.clone()));
    let tracker = Tracker::new(settings.borrow().clone(), forge.repository(), cluster_id);
    let cluster = KubeCluster::new(client, actor);
    let worker = Worker { tracker, forge, cluster };
    work(worker, seen, settings, figures, clock, stop).await;
}

/// Works at a worker until `stop`, or until nothing can be seen any more.
pub async fn work<F, C, N, G>(
    mut worker: Worker<F, C>,
    mut seen: mpsc::Receiver<ApprovalEvent>,
    mut settings: settings_watch::Receiver<Settings>,
    figures: G,
    clock: N,
    stop: CancellationToken,
) where
    F: Forge,
    C: Cluster,
    N: Fn() -> Timestamp + Send + Sync,
    G: Fn(Figures) + Send,
{
    let mut configured = true;
    loop {
        while let Ok(seen) = seen.try_recv() {
            see(&mut worker.tracker, seen);
        }
        if stop.is_cancelled() {
            return;
        }
        let until = match worker.work_once(&clock).await {
            Worked::Did => continue,
            Worked::Idle(until) => until,
        };
        figures(worker.tracker.figures());
        let nap = until.map_or(NAP, |at| {
            Duration::try_from(at.duration_since(clock())).unwrap_or(Duration::ZERO).min(NAP)
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            found = seen.recv() => match found {
                Some(found) => see(&mut worker.tracker, found),
                None => return,
            },
            changed = settings.changed(), if configured => {
                configured = changed.is_ok();
                let new = settings.borrow_and_update().clone();
                worker.tracker.configure(new);
            }
            () = tokio::time::sleep(nap) => {}
        }
    }
}

fn see(tracker: &mut Tracker, seen: ApprovalEvent) {
    match seen {
        ApprovalEvent::ListBegins => tracker.begin_resync(),
        ApprovalEvent::Applied(approval) => tracker.apply(*approval),
        ApprovalEvent::Deleted { namespace, name, uid } => tracker.delete(&namespace, &name, &uid),
        ApprovalEvent::ListEnds => tracker.end_resync(),
    }
}

/// UID of namespace `kube-system`: what everybody takes for the identity of a cluster.
async fn cluster_id(client: &Client, stop: &CancellationToken) -> Option<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let mut complained = false;
    loop {
        let asked = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            asked = tokio::time::timeout(TIME_OUT, api.get("kube-system")) => asked,
        };
        let Ok(asked) = asked else { continue };
        match asked {
            Ok(namespace) => {
                if let Some(uid) = namespace.metadata.uid {
                    return Some(uid);
                }
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(
                    error = chain(&error),
                    "namespace kube-system is not readable; it names the cluster"
                );
            }
            Err(_) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
