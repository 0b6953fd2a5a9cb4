//! The task of one repository: watches the approvals, and lets the worker work until it is told to stop.

use std::time::Duration;

use autopilot_shared::error::chain;
use autopilot_shared::time::unsigned;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch as settings_watch};
use tokio_util::sync::CancellationToken;

use super::cluster::KubeCluster;
use super::forge::Forge;
use super::plan::PullRequestSettings;
use super::tracker::{Figures, Tracker};
use super::worker::{Cluster, Worked, Worker};
use crate::act::{Actor, TIME_OUT};

pub use super::watch::ApprovalEvent;

/// Most events that wait for the worker.
const WAITING: usize = 256;
/// Longest nap; waking up for nothing costs nothing.
const NAP: Duration = Duration::from_secs(60);
/// Pause before the cluster is asked again for its UID.
const AGAIN: Duration = Duration::from_secs(5);

/// Everything that [`run`] works with.
pub(crate) struct Parts<F, N, G> {
    /// Reads, and sets finalizers.
    pub(crate) client: Client,
    /// Writes status and events.
    pub(crate) actor: Actor,
    /// The forge: one repository.
    pub(crate) forge: F,
    /// The settings, which may change at any time. Another repository is another run.
    pub(crate) settings: settings_watch::Receiver<PullRequestSettings>,
    /// Takes figures for metrics, whenever the worker comes to rest.
    pub(crate) figures: G,
    /// Returns the current time.
    pub(crate) clock: N,
}

/// Runs until `stop`. A request to the forge that is under way then is finished first.
pub(crate) async fn run<F, N, G>(parts: Parts<F, N, G>, stop: CancellationToken)
where
    F: Forge,
    N: Fn() -> Timestamp + Send + Sync,
    G: Fn(Figures) + Send,
{
    let Parts { client, actor, forge, settings, figures, clock } = parts;
    let Some(cluster_id) = cluster_id(&client, &stop).await else { return };
    let (out, events) = mpsc::channel(WAITING);
    tokio::spawn(super::watch::watch(client.clone(), out, stop.clone()));
    let tracker = Tracker::new(settings.borrow().clone(), forge.repository(), cluster_id);
    let cluster = KubeCluster::new(client, actor);
    let worker = Worker { tracker, forge, cluster };
    work(worker, events, settings, figures, clock, stop).await;
}

/// Lets a worker work until `stop`, or until the watch has ended.
pub async fn work<F, C, N, G>(
    mut worker: Worker<F, C>,
    mut events: mpsc::Receiver<ApprovalEvent>,
    mut settings: settings_watch::Receiver<PullRequestSettings>,
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
        while let Ok(event) = events.try_recv() {
            apply(&mut worker.tracker, event);
        }
        if stop.is_cancelled() {
            return;
        }
        let until = match worker.work_once(&clock).await {
            Worked::Did => continue,
            Worked::Idle(until) => until,
        };
        figures(worker.tracker.figures());
        let nap = until.map_or(NAP, |at| unsigned(at.duration_since(clock())).min(NAP));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = events.recv() => match event {
                Some(event) => apply(&mut worker.tracker, event),
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

fn apply(tracker: &mut Tracker, event: ApprovalEvent) {
    match event {
        ApprovalEvent::ListBegins => tracker.begin_resync(),
        ApprovalEvent::Applied(approval) => tracker.apply(*approval),
        ApprovalEvent::Deleted { namespace, name, uid } => tracker.delete(&namespace, &name, &uid),
        ApprovalEvent::ListEnds => tracker.end_resync(),
    }
}

/// Returns the UID of namespace `kube-system`, by convention the identity of a cluster; `None` if stopped before.
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
