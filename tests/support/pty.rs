//! The console in a pseudo terminal: what is typed goes in, every byte that it writes comes out.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use autopilot_stack::{TempDir, built_binary};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Size {
    fn window(self) -> Winsize {
        Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// A running console, killed on drop.
pub struct Console {
    child: Child,
    input: File,
    /// The end that the console has open.
    terminal: OwnedFd,
    state: TempDir,
    started: Instant,
}

/// Returns the console's binary.
///
/// # Errors
/// When it has not been built.
pub fn binary() -> Result<PathBuf> {
    built_binary("autopilot", "autopilot-tui")
}

impl Console {
    /// Starts it on a kubeconfig, with more arguments and variables. `output` gets all that it writes, on a thread of its
    /// own that ends with the terminal.
    ///
    /// # Errors
    /// When there is no binary or no terminal.
    pub fn start(
        kubeconfig: &Path,
        more: &[&str],
        env: &[(&str, &str)],
        size: Size,
        mut output: impl FnMut(&[u8]) + Send + 'static,
    ) -> Result<Console> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        tcsetwinsize(&terminal, size.window())?;
        let state = TempDir::new("console")?;
        let stdio = || -> Result<Stdio> { Ok(Stdio::from(terminal.try_clone()?)) };
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "setsid", "--ctty"])
            .arg(binary()?)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(more)
            .envs([("XDG_STATE_HOME", state.path()), ("XDG_CONFIG_HOME", state.path())])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env("RUST_BACKTRACE", "0")
            .envs(env.iter().copied())
            .stdin(stdio()?)
            .stdout(stdio()?)
            .stderr(stdio()?);
        let started = Instant::now();
        let child = command.spawn().context("start the console")?;
        let mut from = File::from(master.try_clone()?);
        // Ends with the terminal: a read fails once nobody has it open.
        std::thread::spawn(move || {
            let mut part = [0; 65536];
            while let Ok(n @ 1..) = from.read(&mut part) {
                output(&part[..n]);
            }
        });
        Ok(Console { child, input: File::from(master), terminal, state, started })
    }

    /// Returns the moment just before it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the folder with its local log.
    pub fn state(&self) -> &TempDir {
        &self.state
    }

    /// Types all at once.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn write(&mut self, text: &str) -> Result<()> {
        Ok(self.input.write_all(text.as_bytes())?)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Changes the size of the terminal. The kernel tells the console.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn resize(&self, size: Size) -> Result<()> {
        Ok(tcsetwinsize(&self.terminal, size.window())?)
    }

    /// Returns how it ended. `None` if it runs.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Returns whether the terminal reads lines, as shells leave it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_cooked(&self) -> Result<bool> {
        Ok(tcgetattr(&self.terminal)?.local_modes.contains(LocalModes::ICANON))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
