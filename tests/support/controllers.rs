//! Controllers that share a command line and a log: started, killed, and replaced when a fault kills them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{
    Controller, ControllerCommand, FaultProxy, Fired, KillWhen, Match, TempDir, fetch, lock,
};
use serde_json::Value;

/// The words of the log line that says where a controller serves its metrics.
const SERVING: &str = "serving /metrics";

/// Returns the command line of a controller with this kubeconfig: a free port for its metrics, a log for people who look for
/// the cause of a failure, and more arguments.
///
/// # Errors
/// When the binary has not been built.
pub fn command(kubeconfig: &Path, more: &[&str]) -> Result<ControllerCommand> {
    let mut args =
        vec!["--metrics-addr", "127.0.0.1:0", "--log-level", "debug,hyper=info,kube=info,tower=info"];
    args.extend(more);
    Ok(ControllerCommand::new(args)?.env("KUBECONFIG", kubeconfig))
}

/// Waits until a controller says where it serves, and returns that address.
///
/// # Errors
/// When it does not say so in time.
pub async fn serving_url(controller: &Controller) -> Result<String> {
    url_of(&controller.wait_for_log(SERVING, Duration::from_secs(40)).await?)
}

/// Returns the metrics page of the controller that began to serve last, as its log says.
///
/// # Errors
/// When none serves.
pub async fn metrics_page(log: &str) -> Result<String> {
    let line = log.lines().rev().find(|line| line.contains(SERVING)).context("no controller serves")?;
    let (_, body) = fetch::get(&format!("{}/metrics", url_of(line)?)).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn url_of(line: &str) -> Result<String> {
    let line: Value = serde_json::from_str(line)?;
    Ok(format!("http://{}", line["address"].as_str().context("no address")?))
}

/// The controllers of a case or a scene.
#[derive(Clone)]
pub struct Controllers {
    command: ControllerCommand,
    running: Arc<Mutex<Vec<Controller>>>,
    log: PathBuf,
    _dir: Arc<TempDir>,
}

impl Controllers {
    /// Returns none yet; they will be started with this command.
    ///
    /// # Errors
    /// When there is no room for the log.
    pub fn new(mut command: ControllerCommand) -> Result<Self> {
        let dir = TempDir::new("controllers")?;
        let log = dir.join("controller.log");
        command.log = Some(log.clone());
        Ok(Controllers { command, running: Arc::default(), log, _dir: Arc::new(dir) })
    }

    fn running(&self) -> MutexGuard<'_, Vec<Controller>> {
        lock(&self.running)
    }

    /// Starts one more.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self) -> Result<()> {
        let controller = Controller::start(self.command.clone())?;
        self.running().push(controller);
        Ok(())
    }

    /// Kills all, and starts a new one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> Result<()> {
        self.kill();
        self.start()
    }

    /// Kills all at the first request that matches, and starts a new one at once.
    pub fn restart_on(&self, proxy: &FaultProxy, request: Match, when: KillWhen) -> Fired {
        let all = self.clone();
        proxy.kill_on(request, when, move || {
            if let Err(error) = all.restart() {
                eprintln!("no new controller: {error:#}");
            }
        })
    }

    /// Kills the one that was started first at the `n`-th write from now.
    pub fn kill_first_at(&self, proxy: &FaultProxy, n: usize, when: KillWhen) -> Fired {
        let all = self.clone();
        proxy.kill_at(n, when, move || {
            if let Err(error) = all.kill_first() {
                eprintln!("nothing to kill: {error:#}");
            }
        })
    }

    /// Kills all with SIGKILL.
    pub fn kill(&self) {
        self.running().clear();
    }

    /// Kills the one that was started first with SIGKILL.
    ///
    /// # Errors
    /// When none runs.
    pub fn kill_first(&self) -> Result<()> {
        let mut running = self.running();
        ensure!(!running.is_empty(), "no controller runs");
        drop(running.remove(0));
        Ok(())
    }

    /// Kills all, and empties the log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn reset(&self) -> Result<()> {
        self.kill();
        Ok(std::fs::write(&self.log, "")?)
    }

    /// Returns whether all that were started and not killed run.
    pub fn all_alive(&self) -> bool {
        self.running().iter().all(|c| c.is_running().unwrap_or(false))
    }

    /// Returns how many run.
    pub fn count(&self) -> usize {
        self.running().len()
    }

    /// Returns all that they wrote since the last [`Self::reset`].
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Returns the end of their log.
    pub fn tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
