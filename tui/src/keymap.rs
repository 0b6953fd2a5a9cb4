//! Which key means which command. Every key can be changed in the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::commands::{COMMANDS, Command, Group};

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key.
    pub code: KeyCode,
    /// `true` if Control is held.
    pub ctrl: bool,
    /// `true` if Alt is held.
    pub alt: bool,
}

impl Key {
    /// Returns the character that it types, if it types one.
    pub(crate) fn text(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        Key {
            code: event.code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
        }
    }
}

/// The text is no key.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no key: write a character, or one of enter, esc, tab, backtab, space, backspace, up, down, left, right, home, end, pgup, pgdn, f1..f12, with ctrl- or alt- in front"
)]
pub struct NoKey(String);

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Key, NoKey> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            if let Some(more) = rest.strip_prefix("ctrl-") {
                (rest, ctrl) = (more, true);
            } else if let Some(more) = rest.strip_prefix("alt-") {
                (rest, alt) = (more, true);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => NAMES
                .iter()
                .find(|(name, _)| *name == rest)
                .map(|(_, code)| *code)
                .or_else(|| {
                    let number = rest.strip_prefix('f')?.parse().ok()?;
                    (1..=12).contains(&number).then_some(KeyCode::F(number))
                })
                .ok_or_else(|| NoKey(text.to_owned()))?,
        };
        Ok(Key { code, ctrl, alt })
    }
}

const NAMES: [(&str, KeyCode); 14] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "f{n}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Keys and what they mean.
#[derive(Clone, Debug)]
pub struct Keymap {
    keys: Vec<(Key, Command)>,
}

/// An error in the keys of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum KeymapError {
    /// Not in the table.
    #[error("keys: there is no command {0:?}; `autopilot keys` lists them")]
    NoCommand(String),
    /// Not a key.
    #[error("keys.{0}: {1}")]
    NoKey(String, NoKey),
    /// One key for two commands.
    #[error("keys: {key} is given to both {first:?} and {second:?}")]
    Twice {
        /// The key.
        key: Key,
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Undo has no key: what is held could not be taken back.
    #[error(
        "keys: undo has no key: {0:?} took it, or it was given none; what is held must be taken back with one key"
    )]
    NoUndo(String),
    /// Nobody is kept in a question, a list or the filter.
    #[error("keys: {0} has no key that is no character: while a text is typed, characters are text")]
    NoWayOut(&'static str),
    /// A key that is pressed for something else must not confirm.
    #[error("keys.yes: {0} must be a character or f1..f12, and no key of {1}")]
    NoYes(Key, &'static str),
    /// A chord is hit by accident, by multiplexers and by input methods.
    #[error("keys.{0}: {1} has ctrl or is Enter; what writes to the cluster needs a plain key")]
    Chord(&'static str, Key),
}

impl Default for Keymap {
    fn default() -> Self {
        let keys = COMMANDS
            .iter()
            .flat_map(|e| e.keys.iter().filter_map(|k| k.parse().ok()).map(|k| (k, e.command)))
            .collect();
        Keymap { keys }
    }
}

impl Keymap {
    /// Returns the default keys, with the configuration's in their place.
    ///
    /// # Errors
    /// When the configuration's are wrong.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Keymap, KeymapError> {
        let mut map = Keymap::default();
        let mut given: Vec<(Key, Command)> = Vec::new();
        for (name, keys) in changes {
            let command = Command::named(name).ok_or_else(|| KeymapError::NoCommand(name.clone()))?;
            map.keys.retain(|(_, c)| *c != command);
            for key in keys {
                let key: Key = key.parse().map_err(|e| KeymapError::NoKey(name.clone(), e))?;
                if command.entry().writes && (key.ctrl || key.alt || key.code == KeyCode::Enter) {
                    return Err(KeymapError::Chord(command.entry().name, key));
                }
                let same = |(k, c): &&(Key, Command)| *k == key && together(*c, command);
                if let Some((_, other)) = given.iter().find(same) {
                    let (first, second) = (other.entry().name, command.entry().name);
                    return Err(KeymapError::Twice { key, first, second });
                }
                given.push((key, command));
            }
        }
        map.keys.retain(|(key, command)| !given.iter().any(|(k, c)| k == key && together(*c, *command)));
        let before = Keymap::default();
        let taken = given
            .iter()
            .find(|(k, c)| *c != Command::Undo && !answers(*c) && before.command(*k) == Some(Command::Undo));
        let taken = taken.map(|(_, c)| c.entry().name.to_owned()).unwrap_or_default();
        map.keys.extend(given);
        if map.keys(Command::Undo).next().is_none() {
            return Err(KeymapError::NoUndo(taken));
        }
        map.answers()?;
        Ok(map)
    }

    /// Checks that questions can be left, and not confirmed by accident.
    fn answers(&self) -> Result<(), KeymapError> {
        let ways: [(&'static str, &[Command]); 3] = [
            ("cancel", &[Command::Cancel]),
            ("accept", &[Command::Accept]),
            ("next-field", &[Command::NextField, Command::PreviousField]),
        ];
        for (name, commands) in ways {
            if commands.iter().flat_map(|c| self.keys(*c)).all(|key| key.text().is_some()) {
                return Err(KeymapError::NoWayOut(name));
            }
        }
        const OTHERS: &str = "approve, decline, delete, send-now or undo";
        for key in self.keys(Command::Yes) {
            let meant = self.command(key).is_some_and(|c| c.entry().writes || c == Command::Undo);
            if meant || !matches!(key.code, KeyCode::Char(_) | KeyCode::F(_)) {
                return Err(KeymapError::NoYes(key, OTHERS));
            }
        }
        Ok(())
    }

    /// Returns the command of a key where no dialog has the keys.
    pub(crate) fn command(&self, key: Key) -> Option<Command> {
        self.keys.iter().find(|(k, c)| *k == key && !answers(*c)).map(|(_, c)| *c)
    }

    /// Returns the command of a key in a question, a list to choose from, or the filter; while a text is typed, characters mean
    /// themselves.
    pub(crate) fn answer(&self, key: Key, typing: bool) -> Option<Command> {
        let text = typing && key.text().is_some();
        self.keys.iter().find(|(k, c)| *k == key && answers(*c) && !text).map(|(_, c)| *c)
    }

    /// Returns the keys of a command.
    pub(crate) fn keys(&self, command: Command) -> impl Iterator<Item = Key> + '_ {
        self.keys.iter().filter(move |(_, c)| *c == command).map(|(k, _)| *k)
    }

    /// Returns the first key of a command, as text; empty if it has none.
    pub(crate) fn key(&self, command: Command) -> String {
        self.keys(command).next().map(|k| k.to_string()).unwrap_or_default()
    }
}

/// `true` if it is an answer to what has taken the keys.
fn answers(command: Command) -> bool {
    command.entry().group == Group::Answer
}

/// `true` if two commands are there at the same time, so that a key can mean only one of them.
fn together(one: Command, other: Command) -> bool {
    answers(one) == answers(other)
}
