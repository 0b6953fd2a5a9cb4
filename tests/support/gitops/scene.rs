//! A whole scene: a cluster, GitHub, Flux, and controllers.

use std::ops::Deref;

use anyhow::{Context as _, Result};
use autopilot_stack::github::BOT_TOKEN;
use autopilot_stack::{ClusterOptions, wait_for};
use serde_json::{Value, json};

use super::servers::{GitOpsServers, STEP, folder};
use crate::support::controllers::{self, Controllers};
use crate::support::install::checkout;
use crate::support::scene::{Scene, SceneOptions};

/// Everything that runs. Dropping it ends all of it.
pub struct GitOpsScene {
    /// Ends first.
    pub controllers: Controllers,
    /// GitHub and Flux.
    pub servers: GitOpsServers,
    /// API, metrics and storage.
    pub scene: Scene,
}

impl Deref for GitOpsScene {
    type Target = GitOpsServers;

    fn deref(&self) -> &GitOpsServers {
        &self.servers
    }
}

impl GitOpsScene {
    /// Starts everything but the controller, and installs what the guide says.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(cluster: ClusterOptions) -> Result<GitOpsScene> {
        let scene = Scene::start(SceneOptions { cluster, ..SceneOptions::default() }).await?;
        let manifests = checkout("deploy/gitops");
        scene.cluster.kubectl(&["apply", "-f", &manifests.to_string_lossy()]).await?.ok()?;
        let servers = GitOpsServers::start(&scene.cluster).await?;
        let kubeconfig = scene.cluster.kubeconfig(&scene.token, None)?;
        let command = controllers::command(&kubeconfig, &["--leader-election", "false"])?;
        let gitops = GitOpsScene { controllers: Controllers::new(command)?, servers, scene };
        gitops.reset().await?;
        Ok(gitops)
    }

    /// Restores the start: no controller, no faults, the guide's settings, the first token, Flux at work.
    ///
    /// # Errors
    /// When something refuses.
    pub async fn reset(&self) -> Result<()> {
        self.controllers.reset()?;
        self.forge.clear_rules();
        self.forge.clear_log();
        self.github.restore(BOT_TOKEN);
        self.github.unprotect(self.github.base());
        self.github.set_secondary_limit(None);
        self.mirror.resume();
        self.flux.suspend_source(false).await?;
        self.flux.kustomization(&folder()).await?;
        self.token(BOT_TOKEN).await?;
        self.configure(&[]).await
    }

    /// Writes the configuration of the guide, with more settings of the forge.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn configure(&self, more: &[(&str, Value)]) -> Result<()> {
        let prometheus = self.scene.prometheus.as_ref().context("the scene has no Prometheus")?;
        let config = self.configuration(prometheus.url(), more);
        self.scene.configure_text(&config.to_string()).await
    }

    /// Puts a token into the Secret, as `kubectl create secret generic aut-github --from-literal` does.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn token(&self, token: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": "aut-github", "namespace": "kube-system" },
            "stringData": { "GITHUB_TOKEN": token },
        });
        self.scene.cluster.apply(&secret.to_string()).await?;
        Ok(())
    }

    /// Starts a controller that does not elect.
    ///
    /// # Errors
    /// When it does not start.
    pub fn controller(&self) -> Result<()> {
        self.controllers.start()
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it does not become so in time; with the end of the controllers' log and of the requests to GitHub.
    pub async fn until<T, F, R>(&self, what: &str, probe: F) -> Result<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<Option<T>>>,
    {
        wait_for(what, STEP, probe).await.with_context(|| self.log_tail())
    }

    /// Returns the end of what the controllers wrote and asked GitHub.
    pub fn log_tail(&self) -> String {
        let requests = self.forge.requests();
        let asked: Vec<String> = requests
            .iter()
            .rev()
            .filter(|r| r.status != Some(304))
            .take(30)
            .map(|r| format!("{} {} {} {:?}", r.at, r.method, r.path, r.status))
            .collect();
        let asked: Vec<String> = asked.into_iter().rev().collect();
        format!(
            "the controllers' log ends with:\n{}\nand GitHub was asked:\n{}",
            self.controllers.tail(120),
            asked.join("\n")
        )
    }
}
