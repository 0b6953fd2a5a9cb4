//! The controllers of one case: started, killed, and replaced at once when a fault kills them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use autopilot_stack::{Controller, ControllerCommand, Fired, KillWhen, Match, TempDir};

use super::lane::Lane;

/// Controllers that share a command line and a log.
#[derive(Clone)]
pub struct Controllers {
    command: ControllerCommand,
    running: Arc<Mutex<Vec<Controller>>>,
    log: PathBuf,
    _dir: Arc<TempDir>,
}

impl Controllers {
    /// None yet. `election`: whether they elect a leader.
    pub fn new(lane: &Lane, election: bool) -> Result<Self> {
        let dir = TempDir::new("case")?;
        let log = dir.join("controller.log");
        let mut command = lane.command();
        command.args.extend(["--leader-election", if election { "true" } else { "false" }].map(Into::into));
        command.log = Some(log.clone());
        Ok(Controllers { command, running: Arc::default(), log, _dir: Arc::new(dir) })
    }

    fn running(&self) -> MutexGuard<'_, Vec<Controller>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one more.
    pub fn start(&self) -> Result<()> {
        let controller = Controller::start(self.command.clone())?;
        self.running().push(controller);
        Ok(())
    }

    /// SIGKILL for all.
    pub fn kill(&self) {
        self.running().clear();
    }

    /// SIGKILL for the one that was started first.
    pub fn kill_first(&self) -> Result<()> {
        let mut running = self.running();
        anyhow::ensure!(!running.is_empty(), "no controller runs");
        drop(running.remove(0));
        Ok(())
    }

    /// SIGKILL for all, and one new controller.
    pub fn restart(&self) -> Result<()> {
        self.kill();
        self.start()
    }

    /// At the first request that matches, kills all and starts a new one at once.
    pub fn restart_on(&self, lane: &Lane, request: Match, when: KillWhen) -> Fired {
        let all = self.clone();
        lane.proxy().kill_on(request, when, move || {
            if let Err(error) = all.restart() {
                eprintln!("crash: no new controller: {error:#}");
            }
        })
    }

    /// At the `n`-th write from now, kills the one that was started first.
    pub fn kill_first_at(&self, lane: &Lane, n: usize, when: KillWhen) -> Fired {
        let all = self.clone();
        lane.proxy().kill_at(n, when, move || {
            if let Err(error) = all.kill_first() {
                eprintln!("crash: nothing to kill: {error:#}");
            }
        })
    }

    /// Whether as many run as were started and not killed.
    pub fn all_alive(&self) -> bool {
        self.running().iter().all(|c| c.is_running().unwrap_or(false))
    }

    /// All that they wrote.
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
