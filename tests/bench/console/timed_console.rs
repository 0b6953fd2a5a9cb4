//! The release console in a terminal of 160 by 50, and when each of its bytes arrived.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use autopilot_stack::TempDir;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Columns and lines of the terminal.
pub const SIZE: (u16, u16) = (160, 50);
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A running console; ended on drop.
pub struct Console {
    child: Child,
    keys: File,
    _terminal: OwnedFd,
    _state: TempDir,
    output: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    bytes: u64,
    /// When it was started.
    pub started: Instant,
}

/// The binary beside the running benchmark.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("autopilot");
    if path.is_file() { Ok(path) } else { bail!("{} is missing", path.display()) }
}

impl Console {
    /// Starts it on a kubeconfig.
    pub fn start(kubeconfig: &Path) -> Result<Console> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        tcsetwinsize(&terminal, Winsize { ws_row: SIZE.1, ws_col: SIZE.0, ws_xpixel: 0, ws_ypixel: 0 })?;
        let state = TempDir::new("console")?;
        let stdio = || -> Result<Stdio> { Ok(Stdio::from(terminal.try_clone()?)) };
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "setsid", "--ctty"])
            .arg(binary()?)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .envs([("XDG_STATE_HOME", state.path()), ("XDG_CONFIG_HOME", state.path())])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(stdio()?)
            .stdout(stdio()?)
            .stderr(stdio()?);
        let started = Instant::now();
        let child = command.spawn().context("start the console")?;
        let (tell, output) = channel();
        let mut from = File::from(master.try_clone()?);
        // Ends with the terminal: a read fails once nobody has it open.
        std::thread::spawn(move || {
            let mut part = [0; 65536];
            while let Ok(n @ 1..) = from.read(&mut part) {
                if tell.send((Instant::now(), part[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        Ok(Console {
            child,
            keys: File::from(master),
            _terminal: terminal,
            _state: state,
            output,
            parser: vt100::Parser::new(SIZE.1, SIZE.0, 0),
            bytes: 0,
            started,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types, all at once. When that was.
    pub fn keys(&mut self, text: &str) -> Result<Instant> {
        self.take_all();
        let at = Instant::now();
        self.keys.write_all(text.as_bytes())?;
        Ok(at)
    }

    /// When the bytes arrived after which the screen was like this.
    pub fn until(&mut self, what: &str, like: impl Fn(&vt100::Screen) -> bool) -> Result<Instant> {
        let end = Instant::now() + LIMIT;
        let mut last = Instant::now();
        while !like(self.parser.screen()) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((at, part)) => {
                    self.take(&part);
                    last = at;
                }
                Err(RecvTimeoutError::Timeout) => bail!("no {what}; the screen is:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => bail!("no {what}: the console ended\n{}", self.text()),
            }
        }
        Ok(last)
    }

    /// How many bytes were written to the terminal so far.
    pub fn bytes(&mut self) -> u64 {
        self.take_all();
        self.bytes
    }

    /// The screen.
    pub fn screen(&mut self) -> &vt100::Screen {
        self.take_all();
        self.parser.screen()
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    fn take(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        self.parser.process(part);
    }

    fn take_all(&mut self) {
        while let Ok((_, part)) = self.output.try_recv() {
            self.take(&part);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
