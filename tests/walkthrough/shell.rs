//! Commands as a person types them: the line that is shown is the line that is run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::{Binaries, Cluster};
use tokio::process::Command;

use crate::support::install::checkout;

/// `kubectl` answers at once, or waits for what it was told to wait for.
const LIMIT: Duration = Duration::from_secs(120);

/// A shell in the checkout, whose `kubectl` is the cluster's administrator.
#[derive(Clone)]
pub struct Shell {
    path: OsString,
    kubeconfig: PathBuf,
    cache: PathBuf,
    secrets: Vec<(&'static str, String)>,
}

impl Shell {
    /// Returns a shell for a cluster.
    ///
    /// # Errors
    /// When there is no `kubectl`.
    pub async fn new(cluster: &Cluster) -> Result<Shell> {
        let kubectl = Binaries::locate().await?.get("kubectl")?;
        let folder = kubectl.parent().context("kubectl is in no folder")?.to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path)))?;
        Ok(Shell {
            path,
            kubeconfig: cluster.kubeconfig(ADMIN_TOKEN, None)?,
            // The default is in the home folder and keyed by address: another cluster's answers.
            cache: cluster.dir().join("kubectl"),
            secrets: Vec::new(),
        })
    }

    /// Sets a variable of the shell whose value is not shown.
    pub fn export(&mut self, name: &'static str, value: &str) {
        self.secrets.push((name, value.to_owned()));
    }

    /// Shows a command, runs it, shows what it says on either channel, and gives that back.
    ///
    /// # Errors
    /// When it fails or does not end.
    pub async fn run(&self, line: &str) -> Result<String> {
        println!("$ {line}");
        let said = self.quietly(line).await?;
        if !said.is_empty() {
            println!("{}", said.trim_end());
        }
        println!();
        Ok(said)
    }

    async fn quietly(&self, line: &str) -> Result<String> {
        let run = Command::new("bash")
            .arg("-c")
            .arg(format!("set -o pipefail\nexec 2>&1\n{line}"))
            .current_dir(checkout("."))
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .envs(self.secrets.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, run)
            .await
            .with_context(|| format!("{line}: not done after {} s", LIMIT.as_secs()))?
            .with_context(|| format!("{line}: bash does not start"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{line}: {}\n{said}", output.status);
        }
        Ok(said)
    }
}
