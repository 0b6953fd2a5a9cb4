//! Watches: one task per kind, each handing what it sees to one bounded channel.

use std::fmt::Debug;
use std::time::Duration;

use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject};
use autopilot_shared::backoff::{Growth, longer};
use autopilot_shared::error::chain;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, ResourceQuota};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::telemetry::Metrics;

/// Name of the configuration's ConfigMap.
pub const CONFIG_MAP: &str = "autopilot-config";
/// Objects per page of a list: bounds what is in memory at once while a list is read.
pub(crate) const PAGE: u32 = 500;
/// First pause after a watch failed; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The watched kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// AutopilotRule.
    Rules,
    /// ActionApproval.
    Approvals,
    /// AutopilotRuleObject.
    Journals,
    /// PersistentVolumeClaim.
    Pvcs,
    /// Namespace.
    Namespaces,
    /// StorageClass.
    Classes,
    /// ResourceQuota.
    Quotas,
    /// The ConfigMap of the configuration.
    Config,
}

impl Kind {
    /// Plural, as the API spells it.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Rules => "autopilotrules",
            Kind::Approvals => "actionapprovals",
            Kind::Journals => "autopilotruleobjects",
            Kind::Pvcs => "persistentvolumeclaims",
            Kind::Namespaces => "namespaces",
            Kind::Classes => "storageclasses",
            Kind::Quotas => "resourcequotas",
            Kind::Config => "configmaps",
        }
    }
}

/// A step of a watch.
#[derive(Debug)]
pub enum WatchEvent<T> {
    /// A list begins: what it does not name is gone at its end.
    ResetBegin,
    /// The object exists, from the list or the watch.
    Apply(T),
    /// The object was deleted.
    Delete(T),
    /// The list is complete.
    ResetEnd,
}

/// A step of one of the engine's watches.
#[derive(Debug)]
pub enum Observation {
    /// Of rules. One that cannot be read still has a name.
    Rule(WatchEvent<Box<DeserializeGuard<AutopilotRule>>>),
    /// Of approvals.
    Approval(WatchEvent<Box<DeserializeGuard<ActionApproval>>>),
    /// Of rule objects.
    Journal(WatchEvent<Box<DeserializeGuard<AutopilotRuleObject>>>),
    /// Of PVCs.
    Pvc(WatchEvent<Box<PersistentVolumeClaim>>),
    /// Of namespaces.
    Namespace(WatchEvent<Box<Namespace>>),
    /// Of StorageClasses.
    Class(WatchEvent<Box<StorageClass>>),
    /// Of quotas.
    Quota(WatchEvent<Box<ResourceQuota>>),
    /// Of the ConfigMap of the configuration.
    Config(WatchEvent<Box<ConfigMap>>),
    /// The watch failed, and is tried again.
    Trouble(Kind, String),
}

/// Starts all watches. `config_in` is the namespace of the configuration's ConfigMap, when it is read from there.
pub fn watch_all(
    client: &Client,
    config_in: Option<&str>,
    metrics: &Metrics,
    out: &mpsc::Sender<Observation>,
    stop: &CancellationToken,
) {
    let all = watcher::Config::default().page_size(PAGE);
    macro_rules! start {
        ($kind:expr, $api:expr, $config:expr, $wrap:path) => {
            let (metrics, out, stop) = (metrics.clone(), out.clone(), stop.clone());
            tokio::spawn(watch($kind, $api, $config, |event| $wrap(event), metrics, out, stop));
        };
    }
    start!(Kind::Rules, Api::all(client.clone()), all.clone(), Observation::Rule);
    start!(Kind::Approvals, Api::all(client.clone()), all.clone(), Observation::Approval);
    start!(Kind::Journals, Api::all(client.clone()), all.clone(), Observation::Journal);
    start!(Kind::Pvcs, Api::all(client.clone()), all.clone(), Observation::Pvc);
    start!(Kind::Namespaces, Api::all(client.clone()), all.clone(), Observation::Namespace);
    start!(Kind::Classes, Api::all(client.clone()), all.clone(), Observation::Class);
    start!(Kind::Quotas, Api::all(client.clone()), all.clone(), Observation::Quota);
    if let Some(namespace) = config_in {
        let one = all.fields(&format!("metadata.name={CONFIG_MAP}"));
        start!(Kind::Config, Api::namespaced(client.clone(), namespace), one, Observation::Config);
    }
}

/// Watches a kind for the engine.
async fn watch<K>(
    kind: Kind,
    api: Api<K>,
    config: watcher::Config,
    wrap: fn(WatchEvent<Box<K>>) -> Observation,
    metrics: Metrics,
    out: mpsc::Sender<Observation>,
    stop: CancellationToken,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let observation = |step| {
        Some(match step {
            Ok(event) => wrap(event),
            Err(error) => {
                warn!(kind = kind.plural(), error, "a watch failed; it is tried again");
                metrics.watch_error(kind.plural());
                Observation::Trouble(kind, error)
            }
        })
    };
    follow(api, config, observation, out, stop).await;
}

/// Watches objects until `stop`, or until nobody listens. A failure is tried again after a pause that grows. `message`
/// makes what is sent from a step or from the text of a failure; `None` sends nothing.
pub(crate) async fn follow<K, M>(
    api: Api<K>,
    config: watcher::Config,
    message: impl Fn(Result<WatchEvent<Box<K>>, String>) -> Option<M>,
    out: mpsc::Sender<M>,
    stop: CancellationToken,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut stream = std::pin::pin!(watcher(api, config));
    let mut pause = FIRST_PAUSE;
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = stream.next() => next,
        };
        let Some(next) = next else { return };
        // `Init` only says that a list is about to be tried.
        if matches!(next, Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_))) {
            pause = FIRST_PAUSE;
        }
        let failed = next.is_err();
        let step = match next {
            Ok(Event::Init) => Ok(WatchEvent::ResetBegin),
            Ok(Event::InitApply(object) | Event::Apply(object)) => Ok(WatchEvent::Apply(Box::new(object))),
            Ok(Event::Delete(object)) => Ok(WatchEvent::Delete(Box::new(object))),
            Ok(Event::InitDone) => Ok(WatchEvent::ResetEnd),
            Err(error) => Err(chain(&error)),
        };
        if let Some(message) = message(step)
            && out.send(message).await.is_err()
        {
            return;
        }
        if failed {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = longer(pause, Growth::Double, LONGEST_PAUSE);
        }
    }
}
