//! The controller under test, as a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::binaries::built_binary;
use crate::process::{Killer, Process, Spec};
use crate::temp::TempDir;
use crate::wait::wait_for;

/// The command line of a controller.
#[derive(Debug, Clone, Default)]
pub struct ControllerCommand {
    /// The binary; see [`controller_binary`].
    pub binary: PathBuf,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Variables added to the environment.
    pub env: Vec<(OsString, OsString)>,
    /// The file that receives its output, appended to; a temporary one if absent.
    pub log: Option<PathBuf>,
}

impl ControllerCommand {
    /// Returns the controller's own binary with these arguments.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn new(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self> {
        let args = args.into_iter().map(Into::into).collect();
        Ok(Self { binary: controller_binary()?, args, ..Self::default() })
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A running controller, killed on drop.
#[derive(Debug)]
pub struct Controller {
    process: Process,
    _dir: Option<TempDir>,
}

impl Controller {
    /// Starts it.
    ///
    /// # Errors
    /// When the binary is missing or the log cannot be written.
    pub fn start(command: ControllerCommand) -> Result<Self> {
        let (log, dir) = match command.log {
            Some(log) => (log, None),
            None => {
                let dir = TempDir::new("controller")?;
                (dir.join("controller.log"), Some(dir))
            }
        };
        let ControllerCommand { binary: program, args, env, .. } = command;
        let process = Process::spawn(Spec { name: "controller".into(), program, args, env, log })?;
        Ok(Self { process, _dir: dir })
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Returns a handle that kills it, for a hook of the fault proxy.
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.process.killer()
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// When it has ended before.
    pub fn sigterm(&self) -> Result<()> {
        self.process.signal("TERM")
    }

    /// Returns the process, for other signals and its id.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Returns whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_running(&self) -> Result<bool> {
        Ok(self.process.exited()?.is_none())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit).await
    }

    /// Returns all that stands in its log file (of earlier runs too, when they shared the file).
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Returns the last lines of its log.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        self.process.tail(lines)
    }

    /// Waits until its log contains `text`, and returns that line.
    ///
    /// # Errors
    /// When it ends before, or `limit` passes; the message holds the end of the log.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) -> Result<String> {
        let find = || self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        wait_for(&format!("'{text}' in the controller's log"), limit, async || {
            let found = find();
            if found.is_none()
                && let Some(status) = self.process.exited()?
                && find().is_none()
            {
                return Ok(Some(Err(anyhow::anyhow!("the controller ended with {status}"))));
            }
            Ok(found.map(Ok))
        })
        .await
        .and_then(|found| found)
        .with_context(|| format!("the log ends:\n{}", self.tail(20)))
    }
}

/// Returns the controller's binary: `AUTOPILOT_CONTROLLER`, else the one that `cargo build` left beside the running test.
///
/// # Errors
/// When it has not been built.
pub fn controller_binary() -> Result<PathBuf> {
    match std::env::var_os("AUTOPILOT_CONTROLLER") {
        Some(path) => Ok(path.into()),
        None => built_binary("autopilot-controller", "autopilot-controller")
            .context("set AUTOPILOT_CONTROLLER to use another"),
    }
}
