//! The configuration file: keys, theme, contexts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::keymap::{Keymap, KeymapError};
use crate::text::glob;
use crate::theme::{Glyphs, Theme};

/// The file, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct File {
    /// `default`, `light`, `high-contrast`, `colour-blind`, `terminal`.
    pub theme: Option<String>,
    /// ASCII only.
    pub ascii: bool,
    /// `true` if the mouse is ours.
    pub mouse: Option<bool>,
    /// `true` if links may be written as OSC 8.
    pub hyperlinks: Option<bool>,
    /// Hosts whose links may be opened; all if empty.
    pub hosts: Vec<String>,
    /// Keys by command: `approve: ["A"]`.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Per-context settings.
    pub contexts: Vec<ContextRule>,
}

/// Per-context settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContextRule {
    /// Name, with `*` for anything, whatever the case.
    pub name: String,
    /// Looks different, and wants its name typed before every write.
    #[serde(default)]
    pub production: bool,
    /// The console writes nothing.
    #[serde(default)]
    pub read_only: bool,
}

impl ContextRule {
    /// `true` if this speaks of a context.
    pub fn matches(&self, context: &str) -> bool {
        glob(&self.name.to_ascii_lowercase(), context)
    }
}

/// The settings of all contexts.
#[derive(Clone, Debug, Default)]
pub struct ContextSettings {
    /// Per-context settings.
    pub contexts: Vec<ContextRule>,
}

/// Settings from the configuration and the flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys.
    pub keymap: Keymap,
    /// Colours.
    pub theme: Theme,
    /// Unicode or ASCII.
    pub glyphs: Glyphs,
    /// `true` if the mouse is ours.
    pub mouse: bool,
    /// `true` if links may be written as OSC 8.
    pub hyperlinks: bool,
    /// Hosts of pull requests that may be opened; empty: all.
    pub hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            keymap: Keymap::default(),
            theme: Theme::Default,
            glyphs: Glyphs::UNICODE,
            mouse: true,
            hyperlinks: false,
            hosts: Vec::new(),
        }
    }
}

/// An error in a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("reading {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is no such file.
    #[error("{0}: {1}")]
    Parse(PathBuf, String),
    /// Keys.
    #[error("{0}: {1}")]
    Keys(PathBuf, #[source] KeymapError),
    /// No such theme.
    #[error("there is no theme {0:?}: default, light, high-contrast, colour-blind, terminal, none")]
    Theme(String),
}

/// Returns the folder that an XDG variable names, or its default under the home folder; `None` if neither is set. Also on
/// macOS: files of command-line programs are looked for there. A variable that is set to a relative path is taken as it is.
pub(crate) fn xdg_folder(variable: &str, default: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set(variable).or_else(|| set("HOME").map(|home| home.join(default)))
}

/// Returns where the file is: `autopilot/config.yaml` under `XDG_CONFIG_HOME`, or `~/.config`.
fn place() -> Option<PathBuf> {
    Some(xdg_folder("XDG_CONFIG_HOME", ".config")?.join("autopilot/config.yaml"))
}

/// Reads a file; a missing one is empty, unless it was asked for by name.
///
/// # Errors
/// When it cannot be read, or is not understood.
pub(crate) fn read(asked: Option<&Path>) -> Result<(File, PathBuf), ConfigError> {
    let Some(path) = asked.map(Path::to_owned).or_else(place) else {
        return Ok((File::default(), PathBuf::new()));
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {
            return Ok((File::default(), path));
        }
        Err(error) => return Err(ConfigError::Read(path, error)),
    };
    if text.trim().is_empty() {
        return Ok((File::default(), path));
    }
    match serde_saphyr::from_str(&text) {
        Ok(file) => Ok((file, path)),
        Err(error) => Err(ConfigError::Parse(path, error.to_string())),
    }
}

/// The flags that change settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--theme`.
    pub theme: Option<String>,
    /// `--no-mouse`.
    pub no_mouse: bool,
    /// `--ascii`.
    pub ascii: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `true` if the terminal is one that knows links, or leaves them out: all but `dumb` and the kernel's own.
    pub links: bool,
}

/// Joins file and flags; flags win, `NO_COLOR` wins over all but a theme that was asked for.
///
/// # Errors
/// When a theme or a key is wrong.
pub(crate) fn settings(file: &File, path: &Path, flags: &Flags) -> Result<Settings, ConfigError> {
    let named = |name: &String| Theme::named(name).ok_or_else(|| ConfigError::Theme(name.clone()));
    let theme = match (&flags.theme, flags.no_color, &file.theme) {
        (Some(name), ..) => named(name)?,
        (None, true, _) => Theme::None,
        (None, false, Some(name)) => named(name)?,
        (None, false, None) => Theme::Default,
    };
    let keymap = Keymap::with(&file.keys).map_err(|e| ConfigError::Keys(path.to_owned(), e))?;
    Ok(Settings {
        keymap,
        theme,
        glyphs: if file.ascii || flags.ascii { Glyphs::ASCII } else { Glyphs::UNICODE },
        mouse: file.mouse.unwrap_or(true) && !flags.no_mouse,
        hyperlinks: file.hyperlinks.unwrap_or(flags.links),
        hosts: file.hosts.clone(),
    })
}
