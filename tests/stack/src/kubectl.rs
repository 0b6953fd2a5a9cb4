//! The real kubectl, as an administrator or as somebody else.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::cluster_options::ADMIN_TOKEN;

const LIMIT: Duration = Duration::from_secs(120);

/// The output of a command.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit status.
    pub status: ExitStatus,
}

impl Output {
    /// Returns the standard output of a command that must succeed.
    ///
    /// # Errors
    /// When it failed, with what it wrote.
    pub fn ok(self) -> Result<String> {
        if !self.status.success() {
            bail!("{}: {}\n{}{}", self.command, self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

impl Cluster {
    /// Runs kubectl as the administrator.
    ///
    /// # Errors
    /// When it cannot run or takes longer than 2 min; a failure of the command itself is in the [`Output`].
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.kubectl_as(ADMIN_TOKEN, args, None).await
    }

    /// Runs kubectl as the administrator with something on its standard input, e.g. `apply -f -`.
    ///
    /// # Errors
    /// As [`Self::kubectl`].
    pub async fn kubectl_stdin(&self, args: &[&str], stdin: &str) -> Result<Output> {
        self.kubectl_as(ADMIN_TOKEN, args, Some(stdin)).await
    }

    /// Applies manifests as the administrator.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        self.kubectl_stdin(&["apply", "-f", "-"], yaml).await?.ok()
    }

    /// Runs kubectl with somebody's token.
    ///
    /// # Errors
    /// As [`Self::kubectl`].
    pub async fn kubectl_as(&self, token: &str, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let kubeconfig = self.kubeconfig(token, None)?;
        self.run_kubectl(&kubeconfig, args, stdin).await
    }

    /// Returns a token of a service account that exists (TokenRequest, one hour).
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let token = self.kubectl(&["create", "token", name, "-n", namespace]).await?.ok()?;
        Ok(token.trim().to_owned())
    }

    async fn run_kubectl(&self, kubeconfig: &Path, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let command = format!("kubectl {}", args.join(" "));
        let mut child = Command::new(&self.kubectl)
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            // The default is in the home folder and keyed by address: another cluster's answers on a port used again.
            .env("KUBECACHEDIR", self.dir.join("kubectl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| command.clone())?;
        let pipe = child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = pipe {
                // A command that reads nothing closes the pipe.
                let _ = pipe.write_all(stdin.unwrap_or_default().as_bytes()).await;
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = tokio::time::timeout(LIMIT, run)
            .await
            .with_context(|| format!("{command}: not done after {} s", LIMIT.as_secs()))??;
        Ok(Output {
            command,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        })
    }
}
