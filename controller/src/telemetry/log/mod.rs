//! Logs: to standard error, as text for people and as JSON for machines, with a level that can be changed
//! while running.

use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// The environment variable that overrides the choice of the format.
pub const FORMAT_VARIABLE: &str = "AUTOPILOT_LOG_FORMAT";

/// Our own crates are called `autopilot_…`; a filter matches the beginning of a target.
const OWN: &str = "autopilot";
/// kube logs the whole text of an answer that it cannot parse, which may be a Secret, as a warning of this
/// target. The error itself reaches the caller anyway.
const LEAKY: &str = "kube_client::client";

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// A log that cannot be set up, or a level that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Neither a level nor `TARGET=LEVEL`.
    #[error(
        "{0:?} is no log level: write error, warn, info, debug, trace or off, \
         or TARGET=LEVEL as in autopilot=debug"
    )]
    Level(String),
    /// Two levels without a target.
    #[error("{0:?} names two levels without a target: keep one")]
    TwoLevels(String),
    /// An unknown format in the environment.
    #[error("{FORMAT_VARIABLE}={0:?}: write text or json")]
    Format(String),
    /// A log was set up before in this process.
    #[error("setting up the log: {0}")]
    Init(#[from] TryInitError),
    /// The log has ended.
    #[error("changing the log level: {0}")]
    Reload(#[from] reload::Error),
}

impl Format {
    /// Returns the format that [`FORMAT_VARIABLE`] names (`text`, `json`), else text when standard error is a terminal, else
    /// JSON.
    ///
    /// # Errors
    /// The variable has another value.
    pub fn choose() -> Result<Format, LogError> {
        let wish = std::env::var(FORMAT_VARIABLE).unwrap_or_default();
        Format::chosen(&wish, std::io::stderr().is_terminal())
    }

    fn chosen(wish: &str, terminal: bool) -> Result<Format, LogError> {
        match wish.trim().to_ascii_lowercase().as_str() {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "" if terminal => Ok(Format::Text),
            "" => Ok(Format::Json),
            _ => Err(LogError::Format(wish.to_owned())),
        }
    }
}

/// Changes the level of a running log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    level: Arc<Mutex<String>>,
}

impl LogHandle {
    /// The level as it was given last.
    pub fn level(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the level; see [`check_level`] for what may be written.
    ///
    /// # Errors
    /// When the text makes no sense (then the old level stays), or the log has ended.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = filter(level)?;
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(filter)?;
        level.trim().clone_into(&mut current);
        Ok(())
    }
}

/// Sets up this process's log, on standard error, with times in UTC. Call it once, before anything is logged.
///
/// # Errors
/// When the level makes no sense, or a log was set up before.
pub fn init(level: &str, format: Format) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = subscriber(level, format, std::io::stderr)?;
    subscriber.try_init()?;
    Ok(handle)
}

/// The log that [`init`] makes that of the process, writing anywhere.
///
/// # Errors
/// When the level makes no sense.
pub fn subscriber<W>(
    level: &str,
    format: Format,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync, LogHandle), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(level)?);
    // A closed standard error must not end the controller: complaints about it would go there, and panic.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    // Flat lines are easier to search; the price is that no field may be called timestamp, level, target or message.
    let lines = match format {
        Format::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).boxed()
        }
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let level = Arc::new(Mutex::new(level.trim().to_owned()));
    Ok((Registry::default().with(filter).with(lines), LogHandle { filter: handle, level }))
}

/// Whether the text is a level: `error`, `warn`, `info`, `debug`, `trace` or `off`, or a list of
/// `TARGET=LEVEL` with at most one level without a target (`warn,autopilot=debug,hyper=info`; without one it
/// is `info`). A level without a target is meant for Autopilot: the libraries log at most at `info`, unless
/// they are named.
///
/// # Errors
/// When it is none.
pub fn check_level(text: &str) -> Result<(), LogError> {
    filter(text).map(|_| ())
}

/// `EnvFilter` reads a word that is no level as the name of a target, so that `inof` would turn the log off:
/// hence a parser of our own in front.
fn filter(text: &str) -> Result<EnvFilter, LogError> {
    let bad = |part: &str| LogError::Level(part.to_owned());
    let mut general = None;
    let mut named = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.split_once('=') {
            None => {
                let level = level(part).ok_or_else(|| bad(part))?;
                if general.replace(level).is_some() {
                    return Err(LogError::TwoLevels(text.to_owned()));
                }
            }
            Some((target, wish)) => {
                let (target, level) = (target.trim(), level(wish.trim()).ok_or_else(|| bad(part))?);
                if target.is_empty() || !target.bytes().all(is_target_byte) {
                    return Err(bad(part));
                }
                named.push(format!("{target}={level}"));
            }
        }
    }
    let general = general.unwrap_or(LevelFilter::INFO);
    let libraries = general.min(LevelFilter::INFO);
    let leaky = general.min(LevelFilter::ERROR);
    let mut directives = vec![libraries.to_string(), format!("{LEAKY}={leaky}"), format!("{OWN}={general}")];
    directives.append(&mut named);
    // A later directive for the same target replaces an earlier one; the longest target that fits decides.
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| bad(text))
}

fn level(word: &str) -> Option<LevelFilter> {
    // Numbers are levels for `tracing`, for nobody else.
    let known = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    LevelFilter::from_str(word).ok().filter(|_| known)
}

fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.')
}

#[cfg(test)]
mod tests;
