//! The stage of the walk-through: real servers, and a controller that can be watched and restarted.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{Controller, ControllerCommand, FaultProxy, Recorded, fetch, wait_for};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use tokio::sync::Mutex;

use super::pace::Pace;
use super::shell::Shell;
use crate::support::scene::{Scene, SceneOptions};

/// The longest time the controller may take to end after SIGTERM.
const END: Duration = Duration::from_secs(10);

/// The servers, the controller and a shell.
pub struct Stage {
    /// Ends first.
    controller: Mutex<Option<Controller>>,
    /// Between the controller and the API server: counts writes.
    pub api: FaultProxy,
    /// Between the controller and Prometheus: counts polls.
    pub metrics: FaultProxy,
    /// The servers.
    pub scene: Scene,
    /// A terminal.
    pub shell: Shell,
    /// The speed of the walk-through.
    pub pace: Pace,
}

impl Stage {
    /// Starts the servers. Nothing is applied yet, no controller runs.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn new(pace: Pace) -> Result<Stage> {
        let scene = Scene::servers(SceneOptions::default()).await?;
        let prometheus = scene.prometheus.as_ref().context("the scene has no Prometheus")?;
        Ok(Stage {
            controller: Mutex::new(None),
            api: FaultProxy::to_cluster(&scene.cluster)?,
            metrics: FaultProxy::to_plain(prometheus.url())?,
            shell: Shell::new(&scene.cluster).await?,
            scene,
            pace,
        })
    }

    /// Applies CRDs, permissions and configuration.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub async fn install(&mut self) -> Result<()> {
        self.shell.run("kubectl apply -f deploy/crds -f deploy/rbac").await?;
        self.shell.run("kubectl wait --for=condition=Established --timeout=30s -f deploy/crds").await?;
        self.configure("").await?;
        self.scene.token = self.scene.cluster.service_account_token("kube-system", "autopilot").await?;
        Ok(())
    }

    /// Starts the controller with the token of its account and nothing else, and waits until it leads.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_controller(&self) -> Result<()> {
        let kubeconfig = self.scene.cluster.kubeconfig(&self.scene.token, Some(&self.api.url()))?;
        let command =
            ControllerCommand::new(["--metrics-addr", "127.0.0.1:0"])?.env("KUBECONFIG", kubeconfig);
        let mut slot = self.controller.lock().await;
        let controller = slot.insert(Controller::start(command)?);
        controller.wait_for_log("leads", Duration::from_secs(40)).await?;
        Ok(())
    }

    /// Ends the controller with SIGTERM.
    ///
    /// # Errors
    /// When it does not end in time and well.
    pub async fn stop_controller(&self) -> Result<()> {
        let controller = self.controller.lock().await.take().context("no controller runs")?;
        controller.sigterm()?;
        let status = controller.wait(END).await?;
        ensure!(
            status.success(),
            "the controller ended with {status}; its log ends with:\n{}",
            controller.tail(30)
        );
        Ok(())
    }

    /// Waits until something is so; else the end of the controller's log is part of the message.
    ///
    /// # Errors
    /// When it does not become so within `limit`.
    pub async fn until<T, F, R>(&self, what: &str, limit: Duration, probe: F) -> Result<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<Option<T>>>,
    {
        match wait_for(what, limit, probe).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let log = match &*self.controller.lock().await {
                    Some(controller) => format!("the controller's log ends with:\n{}", controller.tail(40)),
                    None => "no controller runs".to_owned(),
                };
                Err(error.context(log))
            }
        }
    }

    /// Returns how many polls there were since [`Self::count_anew`]: all queries of one pass carry one time.
    pub fn polls(&self) -> usize {
        let asked = self.metrics.requests();
        let time = |body: &[u8]| fetch::form_value(&String::from_utf8_lossy(body), "time");
        asked.iter().filter_map(|request| time(&request.body)).collect::<BTreeSet<_>>().len()
    }

    /// Forgets writes and polls.
    pub fn count_anew(&self) {
        self.api.clear_log();
        self.metrics.clear_log();
    }

    /// Returns the writes since [`Self::count_anew`], but for the lease, as `METHOD path body`.
    pub fn writes(&self) -> Vec<String> {
        let body = |w: &Recorded| String::from_utf8_lossy(&w.body).into_owned();
        self.api.writes().iter().map(|w| format!("{} {} {}", w.method, w.resource(), body(w))).collect()
    }

    /// Returns a claim.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn claim(&self, namespace: &str, name: &str) -> Result<PersistentVolumeClaim> {
        Ok(Api::namespaced(self.scene.client.clone(), namespace).get(name).await?)
    }

    /// Gives the guide's rule the times of the walk-through.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub(super) async fn set_times(&self, rule: &str) -> Result<()> {
        let pace = self.pace;
        self.shell
            .run(&format!(
                "kubectl patch autopilotrule {rule} --type=merge \
                 -p '{{\"spec\":{{\"pollInterval\":{},\"conditions\":{{\"for\":{}}},\"actionsCoolDownPeriod\":{}}}}}'",
                pace.poll, pace.hold, pace.cool_down
            ))
            .await?;
        Ok(())
    }

    /// Applies the ConfigMap: the metrics, and the lines of more providers.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub(super) async fn configure(&self, more: &str) -> Result<()> {
        let (url, step) = (self.metrics.url(), self.pace.step);
        self.shell
            .run(&format!(
                "kubectl apply -f - <<'EOF'\n\
                 apiVersion: v1\n\
                 kind: ConfigMap\n\
                 metadata:\n  name: autopilot-config\n  namespace: kube-system\n\
                 data:\n  config.yaml: |\n    providers:\n    - name: default\n      type: prometheus\n      \
                 params: url={url}\n{more}    min_poll_interval: {step}\n\
                 EOF"
            ))
            .await?;
        Ok(())
    }
}
