//! Controllers that share a command line and a log: started, killed, and replaced when a fault kills them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use autopilot_stack::{Controller, ControllerCommand, FaultProxy, Fired, KillWhen, Match, TempDir};

/// The controllers of a case or a world.
#[derive(Clone)]
pub struct Controllers {
    command: ControllerCommand,
    running: Arc<Mutex<Vec<Controller>>>,
    log: PathBuf,
    _dir: Arc<TempDir>,
}

impl Controllers {
    /// None yet.
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
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// SIGKILL for all, and one new controller.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> Result<()> {
        self.kill();
        self.start()
    }

    /// At the first request that matches, kills all and starts a new one at once.
    pub fn restart_on(&self, proxy: &FaultProxy, request: Match, when: KillWhen) -> Fired {
        let all = self.clone();
        proxy.kill_on(request, when, move || {
            if let Err(error) = all.restart() {
                eprintln!("no new controller: {error:#}");
            }
        })
    }

    /// At the `n`-th write from now, kills the one that was started first.
    pub fn kill_first_at(&self, proxy: &FaultProxy, n: usize, when: KillWhen) -> Fired {
        let all = self.clone();
        proxy.kill_at(n, when, move || {
            if let Err(error) = all.kill_first() {
                eprintln!("nothing to kill: {error:#}");
            }
        })
    }

    /// SIGKILL for all.
    pub fn kill(&self) {
        self.running().clear();
    }

    /// SIGKILL for the one that was started first.
    ///
    /// # Errors
    /// When none runs.
    pub fn kill_first(&self) -> Result<()> {
        let mut running = self.running();
        ensure!(!running.is_empty(), "no controller runs");
        drop(running.remove(0));
        Ok(())
    }

    /// SIGKILL for all, and an empty log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn reset(&self) -> Result<()> {
        self.kill();
        Ok(std::fs::write(&self.log, "")?)
    }

    /// Whether all that were started and not killed run.
    pub fn all_alive(&self) -> bool {
        self.running().iter().all(|c| c.is_running().unwrap_or(false))
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.running().len()
    }

    /// All that they wrote since the last [`Self::reset`].
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The end of their log.
    pub fn tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
