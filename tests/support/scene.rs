//! A scene: real API server, real Prometheus, storage that resizes, and the controller with its own permissions.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject};
use autopilot_shared::names;
use autopilot_stack::{
    Cluster, ClusterOptions, Controller, CsiDriver, Exporter, Prometheus, PrometheusOptions, wait_for,
};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use super::{controllers, install, objects, series};

/// The longest time a step of a test may take.
const STEP: Duration = Duration::from_secs(120);

/// The differences between scenes.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// Options of the cluster.
    pub cluster: ClusterOptions,
    /// URL of the metrics; a Prometheus of its own, if absent.
    pub prometheus_url: Option<String>,
    /// More lines of the configuration.
    pub config: String,
    /// The StorageClass of its PVCs.
    pub storage_class: String,
}

impl Default for SceneOptions {
    fn default() -> Self {
        SceneOptions {
            cluster: ClusterOptions::default(),
            prometheus_url: None,
            config: String::new(),
            storage_class: "fast".to_owned(),
        }
    }
}

/// A running scene. Dropping it ends all of it.
pub struct Scene {
    /// Ends first.
    pub controllers: Vec<Controller>,
    /// Plays the storage.
    pub csi: CsiDriver,
    /// The metrics server, when it is the scene's own.
    pub prometheus: Option<Prometheus>,
    /// The target that it scrapes.
    pub exporter: Exporter,
    /// The API.
    pub cluster: Cluster,
    /// The administrator's client.
    pub client: Client,
    /// The controller's token.
    pub token: String,
    storage_class: String,
}

impl Scene {
    /// Starts everything but the controller. CRDs and permissions are applied with `kubectl`, as a person would.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(options: SceneOptions) -> Result<Scene> {
        let (url, config) = (options.prometheus_url.clone(), options.config.clone());
        let mut scene = Scene::servers(options).await?;
        install::crds_and_permissions(&scene.cluster).await?;
        scene.token = scene.cluster.service_account_token("kube-system", "autopilot").await?;
        scene.csi.storage_class(&scene.storage_class, true).await?;
        let url = match (&scene.prometheus, url) {
            (_, Some(url)) => url,
            (Some(prometheus), None) => prometheus.url().to_owned(),
            (None, None) => bail!("no metrics"),
        };
        scene.configure(&url, &config).await?;
        Ok(scene)
    }

    /// Starts everything but the controller, with a namespace that the rules of [`super::rules::RuleText`] select.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn with_namespace(name: &str) -> Result<Scene> {
        let scene = Scene::start(SceneOptions::default()).await?;
        scene.cluster.namespace(name, &[("type", "db")]).await?;
        Ok(scene)
    }

    /// Starts the servers and the storage, and applies nothing: the cluster is new, and the token empty.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn servers(options: SceneOptions) -> Result<Scene> {
        // A fault in one test must not hide behind another's: one provider for the whole process.
        let exporter = Exporter::start()?;
        let (cluster, prometheus) = tokio::try_join!(Cluster::start(options.cluster), async {
            match options.prometheus_url {
                Some(_) => Ok(None),
                None => Prometheus::start(PrometheusOptions {
                    targets: vec![exporter.target()],
                    scrape_interval: Duration::from_secs(1),
                    ..PrometheusOptions::default()
                })
                .await
                .map(Some),
            }
        })?;
        let client = cluster.admin_client().await?;
        let csi = CsiDriver::start(&cluster).await?;
        Ok(Scene {
            controllers: Vec::new(),
            csi,
            prometheus,
            exporter,
            cluster,
            client,
            token: String::new(),
            storage_class: options.storage_class,
        })
    }

    /// Writes the configuration: where the metrics are, passes every second, and more lines.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn configure(&self, url: &str, more: &str) -> Result<()> {
        self.configure_text(&install::prometheus_config(url, more)).await
    }

    /// Writes the text of the configuration as it is.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn configure_text(&self, text: &str) -> Result<()> {
        install::configuration(&self.cluster, text).await
    }

    /// Starts a controller with the shipped permissions and nothing else, directly at the API.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn controller(&mut self) -> Result<&Controller> {
        let url = self.cluster.url().to_owned();
        self.controller_at(&url, &[]).await
    }

    /// Starts a controller that never waits for a lease, nor loses it to an API server that has too much to do.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn controller_without_lease(&mut self) -> Result<&Controller> {
        let url = self.cluster.url().to_owned();
        self.controller_at(&url, &["--leader-election", "false"]).await
    }

    /// Starts a controller that sees the API at this address, with more arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn controller_at(&mut self, server: &str, more: &[&str]) -> Result<&Controller> {
        let direct = server == self.cluster.url();
        let kubeconfig = self.cluster.kubeconfig(&self.token, (!direct).then_some(server))?;
        let controller = Controller::start(controllers::command(&kubeconfig, more)?)?;
        self.controllers.push(controller);
        self.controllers.last().context("just pushed")
    }

    /// Returns the last controller that was started.
    ///
    /// # Errors
    /// When there is none.
    pub fn running(&self) -> Result<&Controller> {
        self.controllers.last().context("no controller runs")
    }

    /// Creates a namespaced PVC of the scene's class with these labels. Returns the name of its volume.
    ///
    /// # Errors
    /// When the API refuses, or the PVC is not bound.
    pub async fn claim(
        &self,
        namespace: &str,
        name: &str,
        size: &str,
        labels: &[(&str, &str)],
    ) -> Result<String> {
        self.csi.provision(namespace, name, size, labels, &self.storage_class).await
    }

    /// Sets a volume's series, by volume name as Portworx exports them.
    pub fn usage(&self, volume: &str, used_gib: f64, capacity_gib: f64) {
        series::set_usage(&self.exporter, volume, used_gib, capacity_gib);
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it does not become so in time; with the end of the controller's log.
    pub async fn until<T, F, R>(&self, what: &str, probe: F) -> Result<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<Option<T>>>,
    {
        wait_for(what, STEP, probe).await.with_context(|| match self.controllers.last() {
            Some(controller) => format!("the controller's log ends with:\n{}", controller.tail(60)),
            None => "no controller runs".to_owned(),
        })
    }

    /// Returns the size that a PVC requests.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn request(&self, namespace: &str, name: &str) -> Result<String> {
        let claim =
            Api::<PersistentVolumeClaim>::namespaced(self.client.clone(), namespace).get(name).await?;
        objects::requested_size(&claim).map(str::to_owned).context("no size is requested")
    }

    /// Waits until a PVC requests this size.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until_request(&self, namespace: &str, name: &str, size: &str) -> Result<()> {
        self.until(&format!("{namespace}/{name} requests {size}"), async || {
            // The storage sees it a moment later.
            let seen = self.csi.requests(namespace, name).last().is_none_or(|last| last == size);
            Ok((seen && self.request(namespace, name).await? == size).then_some(()))
        })
        .await
    }

    /// Returns the approval of a volume under a rule. `None` if there is none.
    ///
    /// # Errors
    /// When the API cannot be read.
    pub async fn approval(
        &self,
        namespace: &str,
        rule: &str,
        volume: &str,
    ) -> Result<Option<ActionApproval>> {
        let api = Api::<ActionApproval>::namespaced(self.client.clone(), namespace);
        Ok(api.get_opt(&names::approval_name(rule, volume)).await?)
    }

    /// Waits for an approval that is pending, bound to a proposal that the journal has adopted.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn until_pending(&self, namespace: &str, rule: &str, volume: &str) -> Result<ActionApproval> {
        self.until(&format!("a pending approval of {rule} for {volume}"), async || {
            let journal =
                self.journal(namespace, rule, volume).await?.and_then(|j| j.status).unwrap_or_default();
            let approval = self.approval(namespace, rule, volume).await?;
            Ok(approval.filter(|a| {
                let digest = journal.proposal.as_ref().map(|p| p.digest.as_str());
                let adopted =
                    journal.approval.as_ref().is_some_and(|r| Some(&r.uid) == a.metadata.uid.as_ref());
                let bound = digest.is_some() && objects::digest(a) == digest;
                a.spec.approval_state.as_deref() == Some("pending")
                    && adopted
                    && bound
                    && journal.state == Some(RuleState::ActionAwaitingApproval)
            }))
        })
        .await
    }

    /// Sets `approvalState` as the guide does.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub async fn answer(&self, namespace: &str, approval: &str, state: &str) -> Result<()> {
        let patch = format!("{{\"spec\":{{\"approvalState\":\"{state}\"}}}}");
        self.cluster
            .kubectl(&["patch", "actionapproval", approval, "-n", namespace, "--type=merge", "-p", &patch])
            .await?
            .ok()?;
        Ok(())
    }

    /// Returns the journal of a volume under a rule. `None` if there is none.
    ///
    /// # Errors
    /// When the API cannot be read.
    pub async fn journal(
        &self,
        namespace: &str,
        rule: &str,
        volume: &str,
    ) -> Result<Option<AutopilotRuleObject>> {
        let api = Api::<AutopilotRuleObject>::namespaced(self.client.clone(), namespace);
        Ok(api.get_opt(&names::rule_object_name(volume, rule)).await?)
    }

    /// Waits until the journal is in a state.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn until_state(
        &self,
        namespace: &str,
        rule: &str,
        volume: &str,
        state: RuleState,
    ) -> Result<AutopilotRuleObject> {
        self.until(&format!("{rule}:{volume} is {state}"), async || {
            let journal = self.journal(namespace, rule, volume).await?;
            Ok(journal.filter(|j| j.status.as_ref().and_then(|s| s.state) == Some(state)))
        })
        .await
    }

    /// Returns a rule.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn rule(&self, name: &str) -> Result<AutopilotRule> {
        Ok(Api::<AutopilotRule>::all(self.client.clone()).get(name).await?)
    }

    /// Waits until a condition of a rule has a status; its reason comes back.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn until_condition(&self, rule: &str, kind: &str, status: &str) -> Result<(String, String)> {
        self.until(&format!("condition {kind} of rule {rule} is {status}"), async || {
            let found = self.rule(rule).await?.status.unwrap_or_default().conditions;
            let found = found.into_iter().find(|c| c.type_ == kind && c.status == status);
            Ok(found.map(|c| (c.reason, c.message)))
        })
        .await
    }

    /// Returns the messages of the `Transition` events of a rule in the order of their names, which is that of time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn transitions(&self, rule: &str) -> Result<Vec<String>> {
        let fields =
            format!("involvedObject.kind=AutopilotRule,involvedObject.name={rule},reason=Transition");
        let list = Api::<Event>::namespaced(self.client.clone(), "default")
            .list(&ListParams::default().fields(&fields))
            .await?;
        let mut events: Vec<(String, String)> =
            list.items.into_iter().map(|e| (e.name_any(), e.message.unwrap_or_default())).collect();
        events.sort();
        Ok(events.into_iter().map(|(_, message)| message).collect())
    }

    /// Returns the transitions of one volume, as `A => B`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn path(&self, rule: &str, volume: &str) -> Result<Vec<String>> {
        let prefix = format!("rule: {rule}:{volume} transition from ");
        Ok(self
            .transitions(rule)
            .await?
            .iter()
            .filter_map(|m| m.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }
}
