//! Dialogs: they ask for an answer and take all keys.

use std::time::Duration;

use tui_textarea::TextArea;

use crate::commands::Command;
use crate::connection::ClusterLabel;
use crate::decision::{Action, Target};
use crate::rows::ColumnSpec;
use crate::text::Safe;

/// Time for which a dialog must have been on the screen before it can be confirmed.
pub const SETTLE: Duration = Duration::from_millis(300);

/// The field or button that gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// A field, by place.
    Field(usize),
    /// The button that does nothing. The default.
    No,
    /// The button that does it.
    Yes,
}

/// A field to fill in.
#[derive(Clone, Debug)]
pub enum Field {
    /// Why, in any number of lines.
    Reason(Box<TextArea<'static>>),
    /// Something that must be typed exactly.
    Typed {
        /// Name of the text to type.
        prompt: &'static str,
        /// Exactly this.
        expected: String,
        /// The text so far.
        value: String,
    },
}

impl Field {
    /// Returns a field in which a text must be typed.
    fn typed(prompt: &'static str, expected: String) -> Field {
        Field::Typed { prompt, expected, value: String::new() }
    }

    /// Returns a field in which the number of approvals must be typed.
    fn number(count: usize) -> Field {
        Field::typed("number of approvals", count.to_string())
    }

    /// `true` if it is filled in as it must be.
    pub(crate) fn done(&self) -> bool {
        match self {
            Field::Reason(area) => area.lines().iter().any(|l| !l.trim().is_empty()),
            Field::Typed { expected, value, .. } => value == expected,
        }
    }
}

/// Fewest lines of a question's text that let it be read.
const LEAST: usize = 3;

/// The part of a question's text that was on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// First line that is shown.
    pub scroll: usize,
    lines: usize,
    room: usize,
    seen: usize,
}

impl Reading {
    /// Takes note of how many lines the text has, and for how many there is room.
    pub(crate) fn fit(&mut self, lines: usize, room: usize) {
        if lines != self.lines && self.seen < self.lines {
            (self.seen, self.scroll) = (0, 0);
        }
        if lines != self.lines && self.seen >= self.lines && self.lines > 0 {
            self.seen = lines;
        }
        (self.lines, self.room) = (lines, room);
        self.scroll = self.scroll.min(lines.saturating_sub(self.shown()));
        if room >= LEAST {
            self.seen = self.seen.max((self.scroll + self.shown()).min(lines));
        }
    }

    /// Returns how many lines of the text are on the screen; where there are more, one line tells so.
    pub(crate) fn shown(&self) -> usize {
        if self.lines <= self.room { self.room } else { self.room.saturating_sub(1) }
    }

    /// Lines further down, or up; never past lines that were not drawn yet, however many keys come between two pictures.
    pub(crate) fn step(&mut self, by: isize) {
        let end = self.lines.saturating_sub(self.shown()).min(self.seen);
        self.scroll = self.scroll.saturating_add_signed(by).min(end);
    }

    /// Returns what is missing before it has been read: text that was not on the screen is not confirmed.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        if self.room < LEAST {
            Some("a higher terminal")
        } else if self.seen < self.lines {
            Some("the rest of the text")
        } else {
            None
        }
    }
}

/// A question before a write.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// What.
    pub action: Action,
    /// On exactly these.
    pub targets: Vec<Target>,
    /// Time at which it was opened.
    pub opened: Duration,
    /// The field or button that gets the keys.
    pub focus: Focus,
    /// Fields to fill in.
    pub fields: Vec<Field>,
    /// `true` if what is shown may be old: asks for a word more.
    pub stale: bool,
    /// Marked ones that the list does not show: it is not about them.
    pub hidden: usize,
    /// The part that was read.
    pub reading: Reading,
}

impl Confirm {
    /// Returns a question about these targets.
    pub fn new(
        action: Action,
        targets: Vec<Target>,
        cluster: &ClusterLabel,
        opened: Duration,
        stale: bool,
    ) -> Confirm {
        let mut fields = Vec::new();
        if action == Action::Decline {
            let mut area = TextArea::default();
            area.set_cursor_line_style(ratatui::style::Style::new());
            fields.push(Field::Reason(Box::new(area)));
        }
        if let [target] = targets.as_slice() {
            if action == Action::Delete {
                fields.push(Field::typed("name of the approval", target.name.to_string()));
            }
        } else {
            fields.push(Field::number(targets.len()));
        }
        if cluster.production {
            fields.push(Field::typed("context, as it is production", cluster.raw_context.to_string()));
        }
        if stale {
            fields.push(Field::typed("old, as what is shown may be", "old".to_owned()));
        }
        let focus = if fields.is_empty() { Focus::No } else { Focus::Field(0) };
        Confirm { action, targets, opened, focus, fields, stale, hidden: 0, reading: Reading::default() }
    }

    /// Returns the same, where it is about a part of what is marked, so many being hidden: the number is typed even of one.
    #[must_use]
    pub(crate) fn of_marked(mut self, hidden: usize) -> Confirm {
        self.hidden = hidden;
        if self.targets.len() == 1 {
            let place = self.fields.iter().take_while(|f| matches!(f, Field::Reason(_))).count();
            self.fields.insert(place, Field::number(1));
            self.focus = Focus::Field(0);
        }
        self
    }

    /// Returns the reason that was written.
    pub fn reason(&self) -> String {
        self.fields
            .iter()
            .find_map(|f| match f {
                Field::Reason(area) => Some(area.lines().join("\n").trim().to_owned()),
                Field::Typed { .. } => None,
            })
            .unwrap_or_default()
    }

    /// Returns what is missing before it can be confirmed.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let field = self.fields.iter().find(|f| !f.done()).map(|f| match f {
            Field::Reason(_) => "a reason",
            Field::Typed { prompt, .. } => prompt,
        });
        self.reading.missing().or(field)
    }

    /// Gives the keys to the next place, or to the one before.
    pub(crate) fn turn(&mut self, forward: bool) {
        let mut all: Vec<Focus> = (0..self.fields.len()).map(Focus::Field).collect();
        all.extend([Focus::No, Focus::Yes]);
        let at = all.iter().position(|f| *f == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { all.len() - 1 };
        self.focus = all[(at + step) % all.len()];
    }
}

/// Kinds of lists to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickerKind {
    /// Commands.
    Palette,
    /// Namespaces.
    Namespace,
    /// Contexts.
    Context,
}

/// The effect of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Does a command.
    Command(Command),
    /// Sorts by a column.
    Sort(&'static ColumnSpec),
    /// Shows all namespaces.
    AllNamespaces,
    /// Shows one namespace.
    Namespace(Safe),
    /// Goes to another context.
    Context(Safe),
}

/// A line of a list to choose from.
#[derive(Clone, Debug)]
pub struct PickerEntry {
    /// Effect of choosing it.
    pub choice: Choice,
    /// Text that the typed letters are compared with first.
    pub name: Safe,
    /// Text beside it.
    pub description: Safe,
}

/// A list to choose from by typing.
#[derive(Clone, Debug)]
pub struct Picker {
    /// Of what.
    pub kind: PickerKind,
    /// The text so far.
    pub typed: String,
    /// Its entries.
    pub all: Vec<PickerEntry>,
    /// Entries that fit what was typed, best first, by place in `all`.
    pub found: Vec<usize>,
    /// The selected one, by place in `found`.
    pub cursor: usize,
}

/// A dialog: takes all keys until it is answered.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Before a write.
    Confirm(Box<Confirm>),
    /// A list to choose from.
    Picker(Box<Picker>),
    /// The keys of all commands; first line that is shown.
    Help(usize),
    /// The decisions of this session; first line that is shown.
    Decisions(usize),
    /// Decisions are held or on their way: leave without them, or stay.
    Leave(Duration),
    /// A question was withdrawn while somebody may have been typing: takes all keys until it was read.
    Notice {
        /// Time at which it was opened, or at which the last key came that was not for it.
        opened: Duration,
        /// Text of what happened.
        text: Safe,
    },
}

impl Dialog {
    /// Returns from when on it can be confirmed; `None` if there is nothing to confirm.
    pub(crate) fn ready_at(&self) -> Option<Duration> {
        match self {
            Dialog::Confirm(confirm) => Some(confirm.opened + SETTLE),
            Dialog::Leave(opened) | Dialog::Notice { opened, .. } => Some(*opened + SETTLE),
            Dialog::Picker(_) | Dialog::Help(_) | Dialog::Decisions(_) => None,
        }
    }
}
