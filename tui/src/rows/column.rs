//! Columns of a table, and what a row answers about them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Now;
use crate::theme::{Glyphs, Role};

/// How a column compares in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, with `*` for anything.
    Text,
    /// A number or a size.
    Number,
    /// Time since something.
    Age,
}

/// Rank of a column that is printed with `-o wide` and not drawn.
pub const WIDE: u8 = 9;

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name in filters and in the configuration.
    pub id: &'static str,
    /// Other names in filters.
    pub aliases: &'static [&'static str],
    /// Its heading.
    pub title: &'static str,
    /// How it compares.
    pub kind: Kind,
    /// Narrowest.
    pub min: u16,
    /// Widest.
    pub max: u16,
    /// 0 is always shown; higher ones go first where there is no room, and [`WIDE`] ones are for the command line.
    pub rank: u8,
    /// Whether it starts with the greatest.
    pub descending: bool,
}

/// What is shown in a cell. The text is made of [`crate::text::Safe`] and of our own words only.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// How it looks.
    pub role: Role,
    /// Whether the middle goes when it is too long.
    pub middle: bool,
}

impl<'a> Cell<'a> {
    /// A cell that looks like this.
    pub fn new(text: impl Into<Cow<'a, str>>, role: Role) -> Cell<'a> {
        Cell { text: text.into(), role, middle: false }
    }

    /// A cell of plain text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::new(text, Role::Text)
    }

    /// The middle goes when it is too long.
    pub fn middle(mut self) -> Cell<'a> {
        self.middle = true;
        self
    }
}

/// What cells depend on besides their row.
#[derive(Clone, Copy, Debug)]
pub struct CellContext {
    /// Now.
    pub now: Now,
    /// Unicode or ASCII.
    pub glyphs: Glyphs,
}

/// A row of a table.
pub trait Row {
    /// Its columns.
    const COLUMNS: &'static [Column];
    /// What tells it from all others, whatever its place.
    fn id(&self) -> &Arc<str>;
    /// Whether something was taken out of its texts.
    fn sanitized(&self) -> bool;
    /// What is shown.
    fn cell<'a>(&'a self, column: usize, context: &CellContext) -> Cell<'a>;
    /// What a filter compares as text.
    fn text(&self, column: usize) -> Cow<'_, str>;
    /// What a filter compares as a number; for ages, seconds.
    fn number(&self, column: usize, now: Timestamp) -> Option<f64>;
    /// Order by a column.
    fn compare(&self, other: &Self, column: usize) -> Ordering;
    /// Whether any text that words are searched in fulfils this.
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
    /// The same texts in lower case, one a line, where there are so many rows that going to each text takes too long.
    fn lower(&self) -> Option<&str> {
        None
    }
    /// The moment that its shown age counts from.
    fn ages_from(&self) -> Option<Timestamp>;
}

/// Its texts in one.
pub(super) fn searchable(row: &impl Row) -> Box<str> {
    let mut all = String::new();
    row.any_text(&mut |text| {
        all.push_str(text);
        all.push('\n');
        false
    });
    all.make_ascii_lowercase();
    all.into()
}

/// Order of numbers where some are missing: those come last.
pub fn by_number(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => Ordering::Equal,
    }
}

/// A column in one line: id, other ids, title, kind, narrowest, widest, rank, and whether it begins with the greatest.
macro_rules! column {
    ($id:literal $alias:tt $title:literal $kind:ident $min:literal $max:literal $rank:literal) => {
        column!($id $alias $title $kind $min $max $rank false)
    };
    ($id:literal $alias:tt $title:literal $kind:ident $min:literal $max:literal $rank:literal $desc:literal) => {
        Column { id: $id, aliases: &$alias, title: $title, kind: Kind::$kind, min: $min, max: $max, rank: $rank,
                 descending: $desc }
    };
}
pub(super) use column;
