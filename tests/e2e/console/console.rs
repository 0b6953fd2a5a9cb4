//! The console as a person sees it: keys in, screen out.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::{TempDir, lock, wait_for};
use autopilot_tests::pty::{self, Size};
use rustix::process::Signal;

/// The longest time a step may take.
pub(crate) const STEP: Duration = Duration::from_secs(90);

struct Seen {
    bytes: Vec<u8>,
    /// The number of them that are on the screen.
    shown: usize,
    parser: vt100::Parser,
}

impl Seen {
    /// Adds bytes. A picture is shown when it is whole, as terminals do that know synchronized updates.
    fn add(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
        let tail = self.shown.saturating_sub(PICTURE.len());
        let begun = last(&self.bytes[tail..], PICTURE);
        let whole = last(&self.bytes[tail..], WHOLE);
        let until = match begun {
            Some(at) if whole < begun => (tail + at).max(self.shown),
            _ => self.bytes.len(),
        };
        self.parser.process(&self.bytes[self.shown..until]);
        self.shown = until;
    }
}

/// Begins a picture, and ends it.
const PICTURE: &[u8] = b"\x1b[?2026h";
const WHOLE: &[u8] = b"\x1b[?2026l";

fn last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

/// The size of the terminal at the start.
const SIZE: Size = Size { columns: 120, rows: 40 };

/// A running console, killed on drop.
pub(crate) struct Console {
    console: pty::Console,
    seen: Arc<Mutex<Seen>>,
}

impl Console {
    /// Starts it on a kubeconfig, with more arguments and variables.
    pub(crate) fn start(kubeconfig: &Path, more: &[&str], env: &[(&str, &str)]) -> Result<Console> {
        let parser = vt100::Parser::new(SIZE.rows, SIZE.columns, 0);
        let seen = Arc::new(Mutex::new(Seen { bytes: Vec::new(), shown: 0, parser }));
        let into = Arc::clone(&seen);
        let console = pty::Console::start(kubeconfig, more, env, SIZE, move |part| lock(&into).add(part))?;
        Ok(Console { console, seen })
    }

    /// Returns the folder with its local log.
    pub(crate) fn state(&self) -> &TempDir {
        self.console.state()
    }

    /// Types, a key at a time, as a person does: text that comes at once is taken for pasted.
    pub(crate) async fn keys(&mut self, text: &str) -> Result<()> {
        for c in text.chars() {
            // Not a wait for something: this is how fast the person types.
            tokio::time::sleep(Duration::from_millis(30)).await;
            self.rush(c.encode_utf8(&mut [0; 4]))?;
        }
        Ok(())
    }

    /// Types all at once, as a terminal does that pastes without brackets.
    pub(crate) fn rush(&mut self, text: &str) -> Result<()> {
        self.console.write(text)
    }

    /// Pastes as terminals do.
    pub(crate) fn paste(&mut self, text: &str) -> Result<()> {
        self.rush(&format!("\u{1b}[200~{text}\u{1b}[201~"))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Returns the screen as text.
    pub(crate) fn screen(&self) -> String {
        self.seen().parser.screen().contents()
    }

    /// Returns all that was written to the terminal, but for a picture that is not whole.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let seen = self.seen();
        seen.bytes[..seen.shown].to_vec()
    }

    /// Returns the columns at which a character stands, of each line in which it does and that has this text.
    pub(crate) fn columns(&self, what: &str, text: &str) -> Vec<u16> {
        let seen = self.seen();
        let (rows, columns) = seen.parser.screen().size();
        let stands = |row, column: &u16| {
            seen.parser.screen().cell(row, *column).is_some_and(|cell| cell.contents() == what)
        };
        let has = |row: &u16| seen.parser.screen().contents_between(*row, 0, *row, columns).contains(text);
        (0..rows).filter(has).filter_map(|row| (0..columns).find(|column| stands(row, column))).collect()
    }

    /// Returns the colour of a text's first character. `None` if the text is not there.
    pub(crate) fn colour(&self, text: &str) -> Option<vt100::Color> {
        let seen = self.seen();
        let screen = seen.parser.screen();
        let (rows, columns) = screen.size();
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let mut found = places
            .filter(|&(row, column)| screen.contents_between(row, column, row, columns).starts_with(text));
        found.next().and_then(|(row, column)| Some(screen.cell(row, column)?.fgcolor()))
    }

    /// Waits until one line of the screen has all of these.
    pub(crate) async fn shows_line(&self, texts: &[&str], limit: Duration) -> Result<()> {
        self.until(&format!("a line with {texts:?}"), limit, |screen| {
            screen.lines().any(|line| texts.iter().all(|t| line.contains(t)))
        })
        .await
    }

    /// Waits until the screen is so.
    pub(crate) async fn until(&self, what: &str, limit: Duration, so: impl Fn(&str) -> bool) -> Result<()> {
        let asked = wait_for(what, limit, async || Ok(so(&self.screen()).then_some(())));
        asked.await.with_context(|| format!("the screen is:\n{}", self.screen()))
    }

    /// Waits until the screen shows all of these.
    pub(crate) async fn shows(&self, texts: &[&str]) -> Result<()> {
        self.shows_within(texts, STEP).await
    }

    /// Waits until the screen shows all of these, within a time.
    pub(crate) async fn shows_within(&self, texts: &[&str], limit: Duration) -> Result<()> {
        self.until(&format!("{texts:?} on the screen"), limit, |screen| {
            texts.iter().all(|t| screen.contains(t))
        })
        .await
    }

    /// Opens a question and waits until it can be answered.
    pub(crate) async fn asks(&mut self, key: &str, title: &str) -> Result<()> {
        self.keys(key).await?;
        let what = format!("{title:?}, ready");
        self.until(&what, STEP, |screen| screen.contains(title) && !screen.contains("one moment")).await
    }

    /// Goes to the button Yes with these keys, sees that it is there, and presses it: a busy console that reads it together
    /// with the key before would take it for pasted.
    pub(crate) async fn yes(&mut self, way: &str) -> Result<()> {
        self.keys(way).await?;
        self.shows(&["[ Yes ]"]).await?;
        self.keys("\r").await
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.console.signal(signal)
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let mut seen = self.seen();
        seen.parser.screen_mut().set_size(rows, columns);
        self.console.resize(Size { columns, rows })
    }

    /// Returns whether it still runs.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.console.exited()?.is_none())
    }

    /// Waits for its end.
    pub(crate) async fn ends(&mut self) -> Result<ExitStatus> {
        wait_for("the console's end", STEP, || {
            let ended = self.console.exited();
            async move { ended }
        })
        .await
    }

    /// Waits until the terminal is as it was: the last bytes may still be on their way here.
    pub(crate) async fn until_given_back(&self) -> Result<()> {
        let asked = wait_for("the terminal as it was", STEP, async || Ok(self.given_back()?.then_some(())));
        asked.await.with_context(|| String::from_utf8_lossy(&self.bytes()).into_owned())
    }

    /// Returns whether the terminal is as it was: main screen, cursor, no mouse, no brackets, cooked.
    pub(crate) fn given_back(&self) -> Result<bool> {
        let cooked = self.console.is_cooked()?;
        let seen = self.seen();
        let screen = seen.parser.screen();
        let mouse = screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None;
        Ok(cooked
            && mouse
            && !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste())
    }
}
