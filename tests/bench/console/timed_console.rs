//! The release console in a terminal of 160 by 50, with the moments at which its bytes arrived.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use autopilot_tests::pty::{self, Size};

/// The size of the terminal.
pub(crate) const SIZE: Size = Size { columns: 160, rows: 50 };
/// The longest time anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes that the console wrote, and when they arrived.
struct Part {
    at: Instant,
    bytes: Vec<u8>,
}

/// A running console, killed on drop.
pub(crate) struct TimedConsole {
    console: pty::Console,
    output: Receiver<Part>,
    parser: vt100::Parser,
    bytes: u64,
}

impl TimedConsole {
    /// Starts it on a kubeconfig.
    pub(crate) fn start(kubeconfig: &Path) -> Result<TimedConsole> {
        let (sender, output) = channel();
        let console = pty::Console::start(kubeconfig, &[], &[], SIZE, move |part| {
            // Nobody reads once the console is dropped.
            let _ = sender.send(Part { at: Instant::now(), bytes: part.to_vec() });
        })?;
        let parser = vt100::Parser::new(SIZE.rows, SIZE.columns, 0);
        Ok(TimedConsole { console, output, parser, bytes: 0 })
    }

    /// Returns when it was started.
    pub(crate) fn started(&self) -> Instant {
        self.console.started()
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.console.pid()
    }

    /// Types all at once. Returns when that was.
    pub(crate) fn keys(&mut self, text: &str) -> Result<Instant> {
        self.take_all();
        let at = Instant::now();
        self.console.write(text)?;
        Ok(at)
    }

    /// Waits until the screen is like this. Returns when the bytes arrived that made it so.
    pub(crate) fn until(&mut self, what: &str, like: impl Fn(&vt100::Screen) -> bool) -> Result<Instant> {
        let end = Instant::now() + LIMIT;
        let mut last = Instant::now();
        while !like(self.parser.screen()) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(part) => {
                    self.take(&part);
                    last = part.at;
                }
                Err(RecvTimeoutError::Timeout) => bail!("no {what}; the screen is:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => bail!("no {what}: the console ended\n{}", self.text()),
            }
        }
        Ok(last)
    }

    /// Returns how many bytes were written to the terminal so far.
    pub(crate) fn bytes(&mut self) -> u64 {
        self.take_all();
        self.bytes
    }

    /// Returns the screen.
    pub(crate) fn screen(&mut self) -> &vt100::Screen {
        self.take_all();
        self.parser.screen()
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    fn take(&mut self, part: &Part) {
        self.bytes += part.bytes.len() as u64;
        self.parser.process(&part.bytes);
    }

    fn take_all(&mut self) {
        while let Ok(part) = self.output.try_recv() {
            self.take(&part);
        }
    }
}
