//! Child processes that cannot outlive the test.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::lock::lock;
use crate::wait::wait_for;

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// One thread starts all children and lives as long as the process. The kernel sends the parent-death signal when the
/// *thread* that forked ends: a test's own thread would take a shared server with it.
static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        for (mut command, answer) in jobs {
            let _ = answer.send(command.spawn());
        }
    });
    sender
});

/// A command line. Standard output and error are appended to `log`.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// The name of the process in messages.
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the inherited environment.
    pub env: Vec<(OsString, OsString)>,
    /// The file that receives its output.
    pub log: PathBuf,
}

/// A running child, killed (SIGKILL, by its id) on drop, and by the kernel when this process dies.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Arc<Mutex<Child>>,
    log: PathBuf,
}

/// Kills one process from anywhere, e.g. from a fault hook.
#[derive(Debug, Clone)]
pub struct Killer(Arc<Mutex<Child>>);

impl Killer {
    /// Kills it with SIGKILL, and waits for the end. Does nothing if it has ended before: a reused id is never hit.
    pub fn kill9(&self) {
        let mut child = lock(&self.0);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When the binary is missing, or the log or the process cannot be created.
    pub fn spawn(spec: Spec) -> Result<Self> {
        let Spec { name, program, args, env, log } = spec;
        if !program.is_file() {
            bail!("{name}: there is no {}", program.display());
        }
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("{name}: open {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&program)
            .args(args)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let (answer, spawned) = mpsc::channel();
        SPAWNER.send((command, answer)).map_err(|_| anyhow!("{name}: the spawning thread is gone"))?;
        let child = spawned.recv()?.with_context(|| format!("{name}: run setpriv (package util-linux)"))?;
        Ok(Self { name, pid: child.id(), child: Arc::new(Mutex::new(child)), log })
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns a handle that kills it.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.child))
    }

    /// Kills it with SIGKILL, and waits for the end. Does nothing if it has ended before: a reused id is never hit.
    pub fn kill9(&self) {
        self.killer().kill9();
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    ///
    /// # Errors
    /// When it has ended, or the signal cannot be sent.
    pub fn signal(&self, signal: &str) -> Result<()> {
        // Held over the call: a child that is not yet waited for keeps its id.
        let mut child = lock(&self.child);
        if let Some(status) = child.try_wait()? {
            bail!("{}: no SIG{signal}, it has ended with {status}", self.name);
        }
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.pid.to_string()).status()?;
        if !status.success() {
            bail!("{}: kill -{signal} {} ended with {status}", self.name, self.pid);
        }
        Ok(())
    }

    /// Returns how it ended. `None` if it runs.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        Ok(lock(&self.child).try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        wait_for(&format!("the end of {}", self.name), limit, async || self.exited()).await
    }

    /// Waits until `ready` gives a value, and ends early, with the last lines of the log, when the process dies.
    ///
    /// # Errors
    /// When it dies or `limit` passes.
    pub async fn ready<T, P, F>(&self, limit: Duration, mut ready: P) -> Result<T>
    where
        P: FnMut() -> F,
        F: Future<Output = Result<Option<T>>>,
    {
        let outcome = wait_for(&format!("{} to be ready", self.name), limit, || {
            let probe = ready();
            async move {
                if let Some(status) = self.exited()? {
                    return Ok(Some(Err(anyhow!("{} ended with {status}", self.name))));
                }
                Ok(probe.await?.map(Ok))
            }
        })
        .await;
        outcome
            .and_then(|inner| inner)
            .with_context(|| format!("{}'s log ends:\n{}", self.name, self.tail(15)))
    }

    /// Returns the file with its output.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Returns all it wrote so far (of all runs that share the file).
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Returns the last `lines` of its output.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}
