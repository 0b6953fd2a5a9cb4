//! GitHub and Flux with a folder to apply.

use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::{Actor, Cluster, FaultProxy, Flux, GitHub, GitHubOptions, GitMirror, Kustomization};
use serde_json::{Value, json};

/// The folder of the repository that Flux applies, and where the controller puts its files.
pub const FOLDER: &str = "workloads";
/// The Kustomization of that folder.
pub const KUSTOMIZATION: &str = "workloads";
/// Author and committer.
pub const AUTHOR: &str = "Autopilot <autopilot@example.com>";
/// Login of the controller's token.
pub const BOT: &str = "autopilot-bot";
/// The interval at which Flux looks.
pub const FLUX: Duration = Duration::from_secs(2);
/// The longest time a step may take on a machine that has other things to do. Writes to GitHub are a second apart.
pub const STEP: Duration = Duration::from_secs(180);

/// The other objects in the folder.
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

/// GitHub, the GitOps tool, and what is between them.
pub struct GitOpsServers {
    /// Between the controller and GitHub.
    pub forge: FaultProxy,
    /// The GitOps tool.
    pub flux: Flux,
    /// The repository that Flux reads.
    pub mirror: GitMirror,
    /// The forge.
    pub github: GitHub,
    /// The owner of the repository.
    pub reviewer: Actor,
}

impl GitOpsServers {
    /// Starts them; Flux applies the folder, in which there are a namespace and what belongs into it.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(cluster: &Cluster) -> Result<GitOpsServers> {
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
        Ok(GitOpsServers { forge: FaultProxy::to_plain(&github.url())?, flux, mirror, github, reviewer })
    }

    /// Returns the configuration of the guide, with more settings of the forge, for metrics at this address.
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

/// Returns the Kustomization of the folder: prunes, and waits until all it applied is ready.
pub fn folder() -> Kustomization {
    Kustomization { interval: FLUX, ..Kustomization::new(KUSTOMIZATION, &format!("./{FOLDER}")) }
}
