//! One view of a table: filtered, sorted, with a selection that follows its object.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::filter::{Filter, FilterError, Scorer};
use crate::rows::{Column as _, ColumnSpec, Pin, Row};
use crate::table::slots::Rows;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: &'static ColumnSpec,
    /// `true` if the greatest comes first.
    pub descending: bool,
}

/// One view of a table.
#[derive(Clone, Debug, Default)]
pub struct TableState {
    /// Text of the filter.
    pub typed: String,
    /// `true` if it is meant fuzzily.
    pub fuzzy: bool,
    /// Error in the filter.
    pub(crate) filter_error: Option<FilterError>,
    filter: Filter,
    /// Only rows of this.
    pub pin: Option<Pin>,
    /// The table's columns.
    columns: &'static [ColumnSpec],
    /// Column and direction; `None` if the table has no columns.
    pub sort: Option<Sort>,
    /// All rows of the pin in their order, and of which version they are.
    whole: Vec<u32>,
    sorted: Option<u64>,
    /// Those of them that pass the filter, and of which version and second they are.
    order: Vec<u32>,
    built: Option<(u64, i64)>,
    /// Identity of the selected row.
    pub selected: Option<Arc<str>>,
    /// `true` if the selected row went: nothing is selected until somebody moves.
    pub lost: bool,
    /// `true` if somebody has just said which rows to show: the first of them may be selected.
    asked: bool,
    cursor: usize,
    /// First row that is shown.
    pub offset: usize,
    /// Rows that fit.
    pub height: usize,
    marked: HashSet<Arc<str>>,
    /// Slots of the order that are marked: found once, as they are asked for many times in each picture. `None` where more was
    /// marked, or the order was made, since.
    found: Option<Vec<u32>>,
    /// Marked rows that went, and nobody was told yet.
    pub marks_gone: usize,
    /// `true` if all that was marked went: a key that was meant for it must not hit the selected row.
    pub marks_lost: bool,
    /// `true` if the list is held still.
    pub paused: bool,
    /// Columns skipped at the left.
    pub shift: usize,
}

impl TableState {
    /// Returns a view of a table with these columns, sorted by the first of them.
    pub fn new(columns: &'static [ColumnSpec]) -> TableState {
        TableState {
            columns,
            sort: columns.first().map(|column| Sort { column, descending: column.descending }),
            height: 20,
            asked: true,
            ..TableState::default()
        }
    }

    /// Sets the filter. If it is not understood, the last one that was stays.
    pub fn set_filter(&mut self, typed: &str, fuzzy: bool) {
        typed.clone_into(&mut self.typed);
        self.fuzzy = fuzzy;
        let parsed = if fuzzy { Ok(Filter::fuzzy(typed)) } else { Filter::parse(typed, self.columns) };
        match parsed {
            Ok(filter) => {
                self.filter_error = None;
                if filter != self.filter {
                    self.filter = filter;
                    self.built = None;
                    self.asked = true;
                }
            }
            Err(error) => self.filter_error = Some(error),
        }
    }

    /// Sorts by a column.
    pub fn sort_by(&mut self, column: &'static ColumnSpec, descending: bool) {
        self.sort = Some(Sort { column, descending });
        self.rebuild();
    }

    /// Makes the order anew at the next refresh, paused or not.
    pub(crate) fn rebuild(&mut self) {
        (self.sorted, self.built) = (None, None);
    }

    /// Brings order, selection and scroll position up to date.
    pub fn refresh<R: Row>(&mut self, rows: &Rows<R>, now: Timestamp) {
        let second = if self.filter.depends_on_time() { now.as_second() } else { 0 };
        let stamp = (rows.version(), second);
        let before = self.built;
        if before == Some(stamp) || (self.paused && before.is_some()) {
            return self.settle(rows);
        }
        self.built = Some(stamp);
        self.found = None;
        let pin = self.pin.clone();
        let within = |row: &R| pin.as_ref().is_none_or(|p| row.belongs_to(p));
        let sort = self.sort.and_then(|sort| Some((R::Column::of(sort.column)?, sort.descending)));
        let compare = |a: &R, b: &R| {
            let order = match sort {
                Some((column, false)) => a.compare(b, column),
                Some((column, true)) => a.compare(b, column).reverse(),
                None => Ordering::Equal,
            };
            order.then_with(|| a.id().cmp(b.id()))
        };
        match self.sorted.and_then(|version| rows.changed_since(version)) {
            Some(changed) => patch(&mut self.whole, changed, rows, within, compare),
            None => {
                let mut whole: Vec<(u32, &R)> = rows.slots().filter(|(_, row)| within(row)).collect();
                whole.sort_by(|a, b| compare(a.1, b.1));
                self.whole = whole.into_iter().map(|(slot, _)| slot).collect();
            }
        }
        self.sorted = Some(rows.version());
        let filter = &self.filter;
        if let Some(mut scorer) = Scorer::of(filter) {
            let all = self.whole.iter().filter_map(|slot| Some((*slot, rows.at(*slot)?)));
            let mut scored: Vec<(u32, u32)> =
                all.filter_map(|(slot, row)| Some((scorer.row(row)?, slot))).collect();
            scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
            self.order = scored.into_iter().map(|(_, slot)| slot).collect();
        } else if filter.is_empty() {
            self.order.clone_from(&self.whole);
        } else {
            let passes = |row: &R| filter.passes(row, now);
            let same_second = before.filter(|(_, at)| *at == second);
            match same_second.and_then(|(version, _)| rows.changed_since(version)) {
                Some(changed) => {
                    patch(&mut self.order, changed, rows, |row| within(row) && passes(row), compare);
                }
                None => {
                    let passing = self.whole.iter().filter(|slot| rows.at(**slot).is_some_and(passes));
                    self.order = passing.copied().collect();
                }
            }
        }
        self.settle(rows);
    }

    /// Lets the selection follow its object; if that is gone, nothing is selected: a key that was meant for it must not
    /// hit what stands in its place.
    fn settle<R: Row>(&mut self, rows: &Rows<R>) {
        let before = self.marked.len();
        self.marked.retain(|id| rows.slot_of(id).is_some());
        self.marks_gone += before - self.marked.len();
        self.marks_lost = self.marked.is_empty() && (self.marks_lost || before > 0);
        let slot = self.selected.as_ref().and_then(|id| rows.slot_of(id));
        let place = match slot {
            Some(slot) if self.order.get(self.cursor) == Some(&slot) => Some(self.cursor),
            Some(slot) => self.order.iter().position(|s| *s == slot),
            None => None,
        };
        match place {
            Some(place) => self.cursor = place,
            None if self.asked || (self.selected.is_none() && !self.lost) => {
                self.select_at(self.cursor, rows)
            }
            None => {
                self.lost = true;
                self.selected = None;
                self.cursor = self.cursor.min(self.order.len().saturating_sub(1));
            }
        }
        self.asked &= self.order.is_empty();
        self.scroll();
        self.find_marks(rows);
    }

    fn find_marks<R: Row>(&mut self, rows: &Rows<R>) {
        if self.marked.is_empty() || self.found.is_some() {
            return;
        }
        let mut slots: Vec<u32> = self.marked.iter().filter_map(|id| rows.slot_of(id)).collect();
        slots.sort_unstable();
        let marked = |slot: &u32| slots.binary_search(slot).is_ok();
        self.found = Some(self.order.iter().copied().filter(marked).collect());
    }

    /// Returns the marked rows, whether the list shows them or not.
    pub fn marked(&self) -> &HashSet<Arc<str>> {
        &self.marked
    }

    /// Returns the marked rows that the list shows, in its order.
    pub(crate) fn shown_marks<'a, R: Row>(&'a self, rows: &'a Rows<R>) -> impl Iterator<Item = &'a R> {
        let slots = self.found.as_ref().unwrap_or(&self.order);
        slots.iter().filter_map(|slot| self.row(rows, *slot)).filter(|row| self.marked.contains(row.id()))
    }

    /// Marks rows.
    pub(crate) fn mark(&mut self, ids: impl IntoIterator<Item = Arc<str>>) {
        self.marked.extend(ids);
        self.found = None;
        self.marks_lost = false;
    }

    /// Takes the mark from some.
    pub(crate) fn unmark(&mut self, which: impl Fn(&str) -> bool) {
        self.marked.retain(|id| !which(id));
        self.marks_lost = false;
    }

    /// Selects the row at a place, or the last one before it.
    pub(crate) fn select_at<R: Row>(&mut self, place: usize, rows: &Rows<R>) {
        self.cursor = place.min(self.order.len().saturating_sub(1));
        self.selected =
            self.order.get(self.cursor).and_then(|s| self.row(rows, *s)).map(|row| Arc::clone(row.id()));
        self.lost = self.selected.is_none() && !self.order.is_empty();
        self.scroll();
    }

    /// Returns the place of the selected row.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    fn scroll(&mut self) {
        let height = self.height.max(1);
        if self.cursor < self.offset {
            self.offset = self.cursor;
        } else if self.cursor >= self.offset + height {
            self.offset = self.cursor + 1 - height;
        }
        self.offset = self.offset.min(self.order.len().saturating_sub(height));
    }

    /// Returns the rows that pass, by slot.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Returns the row in a slot of the order. In a list that stands still, a row that came since into the place of one that
    /// went is not shown there.
    pub fn row<'a, R: Row>(&self, rows: &'a Rows<R>, slot: u32) -> Option<&'a R> {
        match self.built {
            Some((version, _)) => rows.at_since(slot, version),
            None => rows.at(slot),
        }
    }

    /// Returns the slots that are on the screen.
    pub(crate) fn window(&self) -> &[u32] {
        let end = (self.offset + self.height).min(self.order.len());
        self.order.get(self.offset..end).unwrap_or_default()
    }

    /// `true` if something is left out.
    pub(crate) fn filtered(&self) -> bool {
        !self.filter.is_empty()
    }
}

/// Brings a sorted order up to date: what changed is taken out, and put in where it belongs now.
fn patch<R: Row>(
    order: &mut Vec<u32>,
    changed: &[u32],
    rows: &Rows<R>,
    belongs: impl Fn(&R) -> bool,
    compare: impl Fn(&R, &R) -> Ordering,
) {
    let changed: HashSet<u32> = changed.iter().copied().collect();
    if changed.is_empty() {
        return;
    }
    order.retain(|slot| !changed.contains(slot));
    for slot in changed {
        let Some(row) = rows.at(slot).filter(|row| belongs(row)) else { continue };
        let place =
            order.partition_point(|other| rows.at(*other).is_some_and(|o| compare(o, row) == Ordering::Less));
        order.insert(place, slot);
    }
}
