//! A world with GitHub and Flux: pull requests for approvals, on real servers. The fault proxy stands between the
//! controller and GitHub; people and the mirror that Flux reads go past it.

mod case;
mod checks;

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::github::BOT_TOKEN;
use autopilot_stack::{
    Actor, Cluster, ClusterOptions, ControllerCommand, FaultProxy, Flux, GitHub, GitHubOptions, GitMirror,
    Kustomization, wait_for,
};
use serde_json::{Value, json};

pub use case::{Case, Question, condition};

use crate::support::scene::checkout;
use crate::{Controllers, Scene, SceneOptions};

/// The folder of the repository that Flux applies, and where the controller puts its files.
pub const FOLDER: &str = "workloads";
/// The Kustomization of that folder.
pub const KUSTOMIZATION: &str = "workloads";
/// Author and committer.
pub const AUTHOR: &str = "Autopilot <autopilot@example.com>";
/// Login of the controller's token.
pub const BOT: &str = "autopilot-bot";
/// How often Flux looks.
pub const FLUX: Duration = Duration::from_secs(2);
/// How long a step may take on a machine that has other things to do. Writes to GitHub are a second apart.
pub const STEP: Duration = Duration::from_secs(180);

/// GitHub, the GitOps tool, and what is between them.
pub struct Hub {
    /// Between the controller and GitHub.
    pub forge: FaultProxy,
    /// The GitOps tool.
    pub flux: Flux,
    /// What Flux reads.
    pub mirror: GitMirror,
    /// The forge.
    pub github: GitHub,
    /// The owner of the repository.
    pub reviewer: Actor,
}

/// Everything that runs. Dropping it ends all of it.
pub struct Gitops {
    /// Ends first.
    pub controllers: Controllers,
    /// GitHub and Flux.
    pub hub: Hub,
    /// API, metrics and storage.
    pub scene: Scene,
}

impl Deref for Gitops {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl Hub {
    /// Starts them; Flux applies the folder, in which there are a namespace and what belongs into it.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(cluster: &Cluster) -> Result<Hub> {
        let github = async {
            let github = GitHub::start(GitHubOptions::default()).await?;
            let reviewer = github.reviewer()?;
            reviewer.put(github.base(), &format!("{FOLDER}/shop.yaml"), SHOP).await?;
            let mirror = GitMirror::start(&github).await?;
            anyhow::Ok((github, reviewer, mirror))
        };
        let ((github, reviewer, mirror), flux) = tokio::try_join!(github, Flux::start(cluster))?;
        flux.repository(&mirror.url(), github.base(), FLUX).await?;
        flux.kustomization(&folder()).await?;
        Ok(Hub { forge: FaultProxy::to_plain(&github.url())?, flux, mirror, github, reviewer })
    }

    /// The configuration of the guide, with more settings of the forge, for metrics at this address.
    pub fn configuration(&self, metrics: &str, more: &[(&str, Value)]) -> Value {
        let mut github = json!({
            "user": self.github.owner(), "repo": self.github.name(), "folder": FOLDER,
            "author": "Autopilot", "email": "autopilot@example.com",
            "baseUrl": self.forge.url(), "pollInterval": 1,
        });
        for (key, value) in more {
            github[*key] = value.clone();
        }
        json!({
            "providers": [
                { "name": "default", "type": "prometheus", "params": format!("url={metrics},timeout=3") },
                { "name": "github", "type": "github-scm", "github": github },
            ],
            "min_poll_interval": 1,
        })
    }

    /// Waits until Flux has applied what is on the base branch now.
    ///
    /// # Errors
    /// When it does not.
    pub async fn synced(&self) -> Result<()> {
        let base = self.github.base();
        let commit = self.reviewer.branch(base).await?.with_context(|| format!("no branch {base}"))?;
        self.mirror.wait_for_commit(&commit, STEP).await?;
        self.flux.wait_for_applied(KUSTOMIZATION, &self.mirror.head().await?, STEP).await
    }
}

impl Gitops {
    /// Starts everything but the controller, and installs what the guide says.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(cluster: ClusterOptions) -> Result<Gitops> {
        let scene = Scene::start(SceneOptions { cluster, ..SceneOptions::default() }).await?;
        let gitops = checkout("deploy/gitops");
        scene.cluster.kubectl(&["apply", "-f", &gitops.to_string_lossy()]).await?.ok()?;
        let hub = Hub::start(&scene.cluster).await?;
        let kubeconfig = scene.cluster.kubeconfig(&scene.token, None)?;
        let command = ControllerCommand::new([
            "--metrics-addr",
            "127.0.0.1:0",
            "--log-level",
            "debug,hyper=info,kube=info,tower=info",
            "--leader-election",
            "false",
        ])?
        .env("KUBECONFIG", kubeconfig);
        let world = Gitops { controllers: Controllers::new(command)?, hub, scene };
        world.reset().await?;
        Ok(world)
    }

    /// As it was at the start: no controller, no faults, the guide's settings, the first token, Flux at work.
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
        wait_for(what, STEP, probe).await.with_context(|| self.told())
    }

    /// The end of what the controllers wrote and asked GitHub.
    pub fn told(&self) -> String {
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

/// The Kustomization of the folder: prunes, and waits until all it applied is ready.
pub fn folder() -> Kustomization {
    Kustomization { interval: FLUX, ..Kustomization::new(KUSTOMIZATION, &format!("./{FOLDER}")) }
}

/// What else is in the folder.
const SHOP: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: shop
  namespace: shop
data:
  greeting: hello
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: shop
  namespace: shop
";
