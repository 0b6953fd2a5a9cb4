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
const PAGE: u32 = 500;
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
    Claims,
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
            Kind::Claims => "persistentvolumeclaims",
            Kind::Namespaces => "namespaces",
            Kind::Classes => "storageclasses",
            Kind::Quotas => "resourcequotas",
            Kind::Config => "configmaps",
        }
    }
}

/// A step of a watch.
#[derive(Debug)]
pub enum Seen<T> {
    /// A list begins.
    Start,
    /// Exists, from a list or a watch.
    Is(T),
    /// Was deleted.
    Gone(T),
    /// The list is complete.
    Done,
}

/// What a watch saw.
#[derive(Debug)]
pub enum Observation {
    /// Of rules; one that cannot be read is named.
    Rule(Seen<Box<DeserializeGuard<AutopilotRule>>>),
    /// Of approvals.
    Approval(Seen<Box<DeserializeGuard<ActionApproval>>>),
    /// Of rule objects.
    Journal(Seen<Box<DeserializeGuard<AutopilotRuleObject>>>),
    /// Of PVCs.
    Claim(Seen<Box<PersistentVolumeClaim>>),
    /// Of namespaces.
    Namespace(Seen<Box<Namespace>>),
    /// Of StorageClasses.
    Class(Seen<Box<StorageClass>>),
    /// Of quotas.
    Quota(Seen<Box<ResourceQuota>>),
    /// Of the configuration.
    Config(Seen<Box<ConfigMap>>),
    /// A watch failed, and is tried again.
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
            tokio::spawn(watch($kind, $api, $config, |seen| $wrap(seen), metrics, out, stop));
        };
    }
    start!(Kind::Rules, Api::all(client.clone()), all.clone(), Observation::Rule);
    start!(Kind::Approvals, Api::all(client.clone()), all.clone(), Observation::Approval);
    start!(Kind::Journals, Api::all(client.clone()), all.clone(), Observation::Journal);
    start!(Kind::Claims, Api::all(client.clone()), all.clone(), Observation::Claim);
    start!(Kind::Namespaces, Api::all(client.clone()), all.clone(), Observation::Namespace);
    start!(Kind::Classes, Api::all(client.clone()), all.clone(), Observation::Class);
    start!(Kind::Quotas, Api::all(client.clone()), all.clone(), Observation::Quota);
    if let Some(namespace) = config_in {
        let one = all.fields(&format!("metadata.name={CONFIG_MAP}"));
        start!(Kind::Config, Api::namespaced(client.clone(), namespace), one, Observation::Config);
    }
}

async fn watch<K>(
    kind: Kind,
    api: Api<K>,
    config: watcher::Config,
    wrap: fn(Seen<Box<K>>) -> Observation,
    metrics: Metrics,
    out: mpsc::Sender<Observation>,
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
        let (observation, rest) = match next {
            None => return,
            Some(Ok(event)) => {
                // `Init` only says that a list is about to be tried.
                if !matches!(event, Event::Init | Event::InitApply(_)) {
                    pause = FIRST_PAUSE;
                }
                let seen = match event {
                    Event::Init => Seen::Start,
                    Event::InitApply(object) | Event::Apply(object) => Seen::Is(Box::new(object)),
                    Event::Delete(object) => Seen::Gone(Box::new(object)),
                    Event::InitDone => Seen::Done,
                };
                (wrap(seen), None)
            }
            Some(Err(error)) => {
                let error = chain(&error);
                warn!(kind = kind.plural(), error, "a watch failed; it is tried again");
                metrics.watch_error(kind.plural());
                let rest = pause;
                pause = longer(pause, Growth::Double, LONGEST_PAUSE);
                (Observation::Trouble(kind, error), Some(rest))
            }
        };
        if out.send(observation).await.is_err() {
            return;
        }
        if let Some(rest) = rest {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}
