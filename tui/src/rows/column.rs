//! Columns of a table, and what a row answers about them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Now;
use crate::rows::pin::Pin;
use crate::theme::{Glyphs, Role};

/// Kind of values that a column holds, and so how it compares in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, with `*` for anything.
    Text,
    /// A number or a size.
    Number,
    /// Time since something.
    Age,
}

/// Rank of a column that is printed with `-o wide` and not drawn.
pub(crate) const WIDE: u8 = 9;

/// A column of a table as text and numbers: what is the same for all tables.
#[derive(Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Position in [`Column::ALL`].
    pub(super) place: usize,
    /// Its name in filters and in the configuration.
    pub id: &'static str,
    /// Other names in filters.
    pub aliases: &'static [&'static str],
    /// Its heading.
    pub title: &'static str,
    /// Kind of its values.
    pub kind: ColumnKind,
    /// Narrowest.
    pub min: u16,
    /// Widest.
    pub max: u16,
    /// 0 is always shown; higher ones go first where there is no room, and [`WIDE`] ones are for the command line.
    pub rank: u8,
    /// `true` if it starts with the greatest.
    pub descending: bool,
}

/// Content of a cell. The text is made of [`crate::text::Safe`] and of our own words only.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Its role.
    pub role: Role,
    /// `true` if the middle goes when it is too long.
    pub middle: bool,
}

impl<'a> Cell<'a> {
    /// Returns a cell that looks like this.
    pub(crate) fn new(text: impl Into<Cow<'a, str>>, role: Role) -> Cell<'a> {
        Cell { text: text.into(), role, middle: false }
    }

    /// Returns a cell of plain text.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::new(text, Role::Text)
    }

    /// Lets the middle go when the text is too long.
    pub(crate) fn middle(mut self) -> Cell<'a> {
        self.middle = true;
        self
    }
}

/// Parameters of cells besides their row.
#[derive(Clone, Copy, Debug)]
pub struct CellContext {
    /// Now.
    pub now: Now,
    /// Unicode or ASCII.
    pub glyphs: Glyphs,
}

/// The columns of one table.
pub trait Column: Copy + Eq + std::fmt::Debug + 'static {
    /// All columns, from left to right.
    const ALL: &'static [Self];
    /// Their headings, names and widths, in the same order.
    const SPECS: &'static [ColumnSpec];

    /// Returns the column that a spec of this table describes; `None` if it is of another table.
    fn of(spec: &ColumnSpec) -> Option<Self> {
        Self::ALL.get(spec.place).copied().filter(|_| Self::SPECS[spec.place].id == spec.id)
    }

    /// Returns the heading, names and widths of the column.
    fn spec(self) -> &'static ColumnSpec;
}

/// A row of a table.
pub trait Row {
    /// The columns of the table.
    type Column: Column;
    /// Returns its identity.
    fn id(&self) -> &Arc<str>;
    /// `true` if something was taken out of its texts.
    fn sanitized(&self) -> bool;
    /// Returns the content of a cell.
    fn cell<'a>(&'a self, column: Self::Column, context: &CellContext) -> Cell<'a>;
    /// Returns what a filter compares as text.
    fn text(&self, column: Self::Column) -> Cow<'_, str>;
    /// Returns what a filter compares as a number; for ages, seconds.
    fn number(&self, column: Self::Column, now: Timestamp) -> Option<f64>;
    /// Compares two rows by a column.
    fn compare(&self, other: &Self, column: Self::Column) -> Ordering;
    /// `true` if any text that words are searched in fulfils this.
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
    /// Returns the same texts in lower case, one a line; `None` for tables with so few rows that going to each text is fast.
    fn lower(&self) -> Option<&str> {
        None
    }
    /// Returns the moment that its shown age counts from.
    fn ages_from(&self) -> Option<Timestamp>;
    /// `true` if the row is about what a list is narrowed to.
    fn belongs_to(&self, pin: &Pin) -> bool;
}

/// Returns its texts in one.
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

/// Compares numbers of which some are missing: those come last.
pub(crate) fn by_number(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => Ordering::Equal,
    }
}

/// Declares the columns of a table, one a line: variant, id, other ids in filters, title, kind, narrowest and widest width,
/// rank; and `descending` if it begins with the greatest.
macro_rules! columns {
    (@descending) => { false };
    (@descending descending) => { true };
    ($(#[$doc:meta])* $name:ident {
        $($variant:ident $id:literal $alias:tt $title:literal $kind:ident $min:literal $max:literal $rank:tt
          $($descending:ident)?;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the headings say it")]
        pub enum $name { $($variant),* }

        impl $crate::rows::column::Column for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];
            const SPECS: &'static [$crate::rows::column::ColumnSpec] = &[$($crate::rows::column::ColumnSpec {
                place: $name::$variant as usize,
                id: $id,
                aliases: &$alias,
                title: $title,
                kind: $crate::rows::column::ColumnKind::$kind,
                min: $min,
                max: $max,
                rank: $rank,
                descending: columns!(@descending $($descending)?),
            }),*];

            fn spec(self) -> &'static $crate::rows::column::ColumnSpec {
                &Self::SPECS[self as usize]
            }
        }
    };
}
pub(super) use columns;
