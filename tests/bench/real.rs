//! The scene of the rows on real servers: a cluster with the shipped CRDs and permissions, claims, metrics, controller.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::AutopilotRule;
use autopilot_stack::{
    Cluster, ClusterOptions, Controller, ControllerCommand, Exporter, Prometheus, PrometheusOptions, wait_for,
};
use autopilot_tests::{GIB, install};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Usage in percent, from the kubelet's series.
pub(crate) const KEY: &str = "100 * kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes";
/// The greatest age of a sample, in Prometheus and as the controller is told: short, for PVCs count once they are older.
pub(crate) const LOOKBACK: u64 = 5;
/// Requests at once while claims are made.
const AT_ONCE: usize = 24;

/// Everything but the claims.
pub(crate) struct Site {
    // Dropped in this order.
    controller: Option<Controller>,
    /// The metrics server.
    pub(crate) prometheus: Prometheus,
    /// The target that it scrapes.
    pub(crate) exporter: Exporter,
    /// The administrator's client.
    pub(crate) client: Client,
    /// The API.
    pub(crate) cluster: Cluster,
}

impl Site {
    /// Starts the servers and applies what is shipped.
    pub(crate) async fn start(scrape: Duration) -> Result<Site> {
        let exporter = Exporter::start()?;
        let options = PrometheusOptions {
            targets: vec![exporter.target()],
            scrape_interval: scrape,
            flags: vec![format!("--query.lookback-delta={LOOKBACK}s")],
        };
        // The binder would bind ten thousand claims at its own pace: they are bound as they are made.
        let cluster = ClusterOptions::without_binder();
        let (cluster, prometheus) = tokio::try_join!(Cluster::start(cluster), Prometheus::start(options))?;
        install::crds_and_permissions(&cluster).await?;
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "fast" },
            "provisioner": autopilot_stack::csi::DRIVER, "allowVolumeExpansion": true,
        });
        cluster.apply(&class.to_string()).await?;
        let client = cluster.admin_client().await?;
        Ok(Site { controller: None, prometheus, exporter, client, cluster })
    }

    /// Starts the controller with the shipped permissions. `metrics` is where it asks, `more` lines of configuration.
    pub(crate) async fn control(&mut self, metrics: &str, more: &str) -> Result<()> {
        let settings = self.cluster.dir().join("config.yaml");
        let text = format!(
            "providers:\n- name: default\n  type: prometheus\n  params: url={metrics},lookback={LOOKBACK}\n{more}"
        );
        std::fs::write(&settings, text)?;
        let token = self.cluster.service_account_token("kube-system", "autopilot").await?;
        let args =
            ["--metrics-addr", "127.0.0.1:0", "--config", &settings.to_string_lossy()].map(str::to_owned);
        let command = ControllerCommand::new(args)?.env("KUBECONFIG", self.cluster.kubeconfig(&token, None)?);
        self.controller = Some(Controller::start(command)?);
        Ok(())
    }

    /// Creates a rule for all PVCs above 80 percent. `more` replaces fields of its spec.
    pub(crate) async fn rule(&self, name: &str, interval: u64, more: &Value) -> Result<()> {
        let mut spec = json!({
            "pollInterval": interval,
            "conditions": { "for": 0, "expressions": [{ "key": KEY, "operator": "Gt", "values": ["80"] }] },
            "actions": [{
                "name": "openstorage.io.action.volume/resize",
                "params": { "scalepercentage": "100", "maxsize": "400Gi" },
            }],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key.as_str()] = value.clone();
        }
        let rule = json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRule",
            "metadata": { "name": name }, "spec": spec,
        });
        self.cluster.apply(&rule.to_string()).await?;
        Ok(())
    }

    /// Waits until the rule's status says that it has all these objects and data for them.
    pub(crate) async fn until_known(&self, rule: &str, objects: usize, limit: Duration) -> Result<()> {
        let rules: Api<AutopilotRule> = Api::all(self.client.clone());
        let what = format!("rule {rule} to know {objects} objects and their data");
        wait_for(&what, limit, async || {
            ensure!(
                self.controller.as_ref().is_none_or(|c| c.is_running().unwrap_or(false)),
                "the controller ended"
            );
            let status = serde_json::to_value(rules.get(rule).await?.status)?;
            let known = status["objects"] == json!(objects);
            let data = status["conditions"].as_array().into_iter().flatten().any(|condition| {
                condition["type"] == "DataAvailable"
                    && condition["status"] == "True"
                    && !condition["message"].as_str().is_some_and(|m| m.contains("no data"))
            });
            ensure!(known && data, "its status is {status}");
            Ok(Some(()))
        })
        .await
        .with_context(|| self.log())
    }

    /// Returns the end of the controller's log, for messages.
    pub(crate) fn log(&self) -> String {
        self.controller
            .as_ref()
            .map_or_else(String::new, |c| format!("the controller's log ends:\n{}", c.tail(8)))
    }

    /// Creates bound claims of 10Gi, spread over namespaces, a tenth full.
    pub(crate) async fn claims(&self, number: usize, namespaces: usize) -> Result<Vec<ClaimName>> {
        stream::iter(0..namespaces)
            .map(|i| async move { self.cluster.namespace(&format!("team-{i:03}"), &[]).await })
            .buffer_unordered(8)
            .try_collect::<Vec<()>>()
            .await?;
        let names: Vec<ClaimName> = (0..number)
            .map(|i| ClaimName {
                namespace: format!("team-{:03}", i % namespaces),
                name: format!("data-{i:05}"),
            })
            .collect();
        stream::iter(&names)
            .map(|claim| bound_claim(self.client.clone(), claim))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        self.fill(&names, 1.0, 10.0);
        Ok(names)
    }

    /// Sets the series of claims, in GiB.
    pub(crate) fn fill(&self, claims: &[ClaimName], used: f64, capacity: f64) {
        let labels: Vec<_> = claims
            .iter()
            .map(|claim| {
                [("namespace", claim.namespace.as_str()), ("persistentvolumeclaim", claim.name.as_str())]
            })
            .collect();
        self.exporter.set_all(labels.iter().flat_map(|labels| {
            [
                ("kubelet_volume_stats_used_bytes", labels.as_slice(), used * GIB),
                ("kubelet_volume_stats_capacity_bytes", labels.as_slice(), capacity * GIB),
            ]
        }));
    }

    /// Watches all objects of a kind from now on.
    pub(crate) async fn observe<K>(&self) -> Result<Observer<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let mut version = list.metadata.resource_version.context("a list without a version")?;
        let (sender, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                // The server ends a watch after some minutes; the next one goes on where it ended.
                let Ok(events) = api.watch(&WatchParams::default(), &version).await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let mut events = events.boxed();
                while let Some(Ok(event)) = events.next().await {
                    let at = Instant::now();
                    match event {
                        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                            version = object.resource_version().unwrap_or(version);
                            if sender.send((at, object)).is_err() {
                                return;
                            }
                        }
                        WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                        WatchEvent::Deleted(_) | WatchEvent::Error(_) => {}
                    }
                }
            }
        });
        Ok(Observer { seen, task })
    }
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClaimName {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl ClaimName {
    /// Returns the name of an object.
    pub(crate) fn of(claim: &PersistentVolumeClaim) -> ClaimName {
        ClaimName { namespace: claim.namespace().unwrap_or_default(), name: claim.name_any() }
    }

    /// Returns the volume that it is bound to.
    pub(crate) fn volume(&self) -> String {
        format!("pvc-{}-{}", self.namespace, self.name)
    }
}

/// Objects of a kind as they change, each with the moment it was seen. Dropping it ends the watch.
#[derive(Debug)]
pub(crate) struct Observer<K> {
    seen: mpsc::UnboundedReceiver<(Instant, K)>,
    task: JoinHandle<()>,
}

impl<K> Observer<K> {
    /// Returns the next change.
    pub(crate) async fn next(&mut self) -> Result<(Instant, K)> {
        self.seen.recv().await.context("the watch ended")
    }
}

impl<K> Drop for Observer<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bound_claim(client: Client, claim: &ClaimName) -> Result<()> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client, &claim.namespace);
    let object = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": claim.name, "labels": { "app": "bench" } },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": claim.volume(),
            "resources": { "requests": { "storage": "10Gi" } },
        },
    }))?;
    let what = format!("claim {}/{}", claim.namespace, claim.name);
    api.create(&PostParams::default(), &object).await.with_context(|| format!("create {what}"))?;
    let status = json!({ "status": {
        "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "10Gi" },
    } });
    api.patch_status(&claim.name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .with_context(|| format!("bind {what}"))?;
    Ok(())
}
