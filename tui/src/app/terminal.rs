//! The terminal: entered, drawn to, and always given back.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use crate::app::crash_report;
use crate::model::Model;
use crate::view;

/// Set while the terminal is ours; it is given back once.
static OURS: AtomicBool = AtomicBool::new(false);

/// Collects a picture and writes it at once, as one synchronized update: no half pictures.
#[derive(Debug, Default)]
struct Picture {
    bytes: Vec<u8>,
}

impl Write for Picture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(b"\x1b[?2026h")?;
        out.write_all(&self.bytes)?;
        out.write_all(b"\x1b[?2026l")?;
        self.bytes.clear();
        out.flush()
    }
}

/// A backend that writes nothing where nothing changed.
#[derive(Debug)]
struct Quiet {
    inner: CrosstermBackend<Picture>,
    hidden: bool,
}

impl Backend for Quiet {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.hidden, true) { Ok(()) } else { self.inner.hide_cursor() }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.hidden = false;
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

/// The terminal as ours.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<Quiet>,
}

impl Screen {
    /// Takes the terminal. A panic anywhere gives it back and ends the process.
    ///
    /// # Errors
    /// When it is no terminal.
    pub(crate) fn enter(mouse: bool) -> io::Result<Screen> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
            crash_report::speak();
            std::process::exit(101);
        }));
        enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        let entered = execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
            .and_then(|()| if mouse { execute!(out, EnableMouseCapture) } else { Ok(()) });
        let backend = Quiet { inner: CrosstermBackend::new(Picture::default()), hidden: true };
        let terminal = entered.and_then(|()| Terminal::new(backend));
        match terminal {
            Ok(terminal) => Ok(Screen { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Returns how many columns and lines it has.
    ///
    /// # Errors
    /// When the terminal does not say.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|s| (s.width, s.height))
    }

    /// Draws a model.
    ///
    /// # Errors
    /// When the terminal fails.
    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal.draw(|frame| view::view(model, frame)).map(drop)
    }

    /// Writes a sequence of our own.
    ///
    /// # Errors
    /// When the terminal fails.
    pub(crate) fn raw(&mut self, sequence: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }

    /// Draws the next picture from nothing: somebody else wrote to the terminal.
    pub(crate) fn redraw(&mut self) {
        // A terminal that cannot be cleared fails at the next picture, and that is said.
        let _ = self.terminal.clear();
    }

    /// Takes the mouse, or lets it go.
    pub(crate) fn mouse(&mut self, on: bool) {
        let mut out = io::stdout();
        let _ = if on { execute!(out, EnableMouseCapture) } else { execute!(out, DisableMouseCapture) };
    }

    /// Gives the terminal back.
    pub(crate) fn leave(&mut self) {
        give_back();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was. Nobody is left to tell if this fails.
fn give_back() {
    if !OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Panics for the test that a panic gives the terminal back: `AUTOPILOT_PANIC` in debug builds, at the first `!`.
#[cfg(debug_assertions)]
pub(super) fn panic_if_asked(msg: &crate::message::Msg) {
    if let crate::message::Msg::Key(key) = msg
        && key.code == crossterm::event::KeyCode::Char('!')
        && std::env::var_os("AUTOPILOT_PANIC").is_some()
    {
        #[allow(clippy::panic, reason = "this is what it is for")]
        {
            panic!("asked for");
        }
    }
}
