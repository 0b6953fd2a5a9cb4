//! Rows by identity, and one view of them: filtered, sorted, with a selection that follows its object.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::filter::{Filter, Scorer};
use crate::rows::{Column as _, ColumnSpec, Pin, Row};

/// Rows by identity. A slot stays a row's as long as the row is there.
#[derive(Clone, Debug)]
pub struct Rows<R> {
    slots: Vec<Option<(R, u32)>>,
    /// The version that each slot's row came with.
    born: Vec<u64>,
    free: Vec<u32>,
    by_id: HashMap<Arc<str>, u32>,
    epoch: u32,
    version: u64,
    /// The slots that changed last, one for each version.
    changed: Vec<u32>,
}

/// Changes that are remembered one by one: with more of them, sorting anew costs less.
const REMEMBERED: usize = 1024;

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows {
            slots: Vec::new(),
            born: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            epoch: 0,
            version: 0,
            changed: Vec::new(),
        }
    }
}

impl<R: Row> Rows<R> {
    /// Puts a row in, or in the place of the one with its identity.
    pub fn put(&mut self, row: R) {
        let epoch = self.epoch;
        if let Some(&slot) = self.by_id.get(row.id()) {
            self.change(slot);
            self.slots[slot as usize] = Some((row, epoch));
            return;
        }
        let id = Arc::clone(row.id());
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some((row, epoch));
                slot
            }
            None => {
                self.slots.push(Some((row, epoch)));
                self.born.push(0);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.change(slot);
        self.born[slot as usize] = self.version;
        self.by_id.insert(id, slot);
    }

    fn change(&mut self, slot: u32) {
        self.version += 1;
        if self.changed.len() == REMEMBERED {
            self.changed.clear();
        }
        self.changed.push(slot);
    }

    /// The slots that changed since a version, if they are still remembered.
    fn changed_since(&self, version: u64) -> Option<&[u32]> {
        let count = usize::try_from(self.version.checked_sub(version)?).ok()?;
        self.changed.get(self.changed.len().checked_sub(count)?..)
    }

    /// Takes a row out.
    pub fn remove(&mut self, id: &str) -> Option<R> {
        let slot = self.by_id.remove(id)?;
        self.change(slot);
        self.free.push(slot);
        self.slots[slot as usize].take().map(|(row, _)| row)
    }

    /// A list begins: what is not put in again before [`Self::sweep`] is gone.
    pub(crate) fn mark(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// The list is complete.
    pub(crate) fn sweep(&mut self) {
        let epoch = self.epoch;
        let old = self.slots.iter().flatten().filter(|(_, e)| *e != epoch).map(|(r, _)| Arc::clone(r.id()));
        let old: Vec<Arc<str>> = old.collect();
        for id in &old {
            self.remove(id);
        }
    }

    /// The row of this identity.
    pub fn get(&self, id: &str) -> Option<&R> {
        self.at(*self.by_id.get(id)?)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut R> {
        let slot = *self.by_id.get(id)?;
        self.change(slot);
        self.slots.get_mut(slot as usize)?.as_mut().map(|(row, _)| row)
    }

    /// The row in a slot.
    pub(crate) fn at(&self, slot: u32) -> Option<&R> {
        self.slots.get(slot as usize)?.as_ref().map(|(row, _)| row)
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().flatten().map(|(row, _)| row)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &R)> {
        (0..).zip(&self.slots).filter_map(|(n, s)| s.as_ref().map(|(row, _)| (n, row)))
    }
}

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
    /// What was typed.
    pub typed: String,
    /// Whether it is meant fuzzily.
    pub fuzzy: bool,
    /// What is wrong with it.
    pub complaint: Option<String>,
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
    /// Whether the selected row went: nothing is selected until somebody moves.
    pub lost: bool,
    /// Whether somebody has just said which rows to show: the first of them may be selected.
    asked: bool,
    cursor: usize,
    /// First row that is shown.
    pub offset: usize,
    /// Rows that fit.
    pub height: usize,
    marked: HashSet<Arc<str>>,
    /// Slots of the order that are marked: found once, as they are asked for many times in each picture. None where more was
    /// marked, or the order was made, since.
    found: Option<Vec<u32>>,
    /// Marked rows that went, and nobody was told yet.
    pub marks_gone: usize,
    /// Whether all that was marked went: a key that was meant for it must not hit the selected row.
    pub bereft: bool,
    /// Whether the list is held still.
    pub paused: bool,
    /// Columns skipped at the left.
    pub shift: usize,
}

impl TableState {
    /// A view of a table with these columns, sorted by the first of them.
    pub fn new(columns: &'static [ColumnSpec]) -> TableState {
        TableState {
            columns,
            sort: columns.first().map(|column| Sort { column, descending: column.descending }),
            height: 20,
            asked: true,
            ..TableState::default()
        }
    }

    /// Sets the filter. One that is not understood leaves the last that was.
    pub fn set_filter(&mut self, typed: &str, fuzzy: bool) {
        typed.clone_into(&mut self.typed);
        self.fuzzy = fuzzy;
        let parsed = if fuzzy { Ok(Filter::fuzzy(typed)) } else { Filter::parse(typed, self.columns) };
        match parsed {
            Ok(filter) => {
                self.complaint = None;
                if filter != self.filter {
                    self.filter = filter;
                    self.built = None;
                    self.asked = true;
                }
            }
            Err(error) => self.complaint = Some(error.to_string()),
        }
    }

    /// Sorts by a column.
    pub fn sort_by(&mut self, column: &'static ColumnSpec, descending: bool) {
        self.sort = Some(Sort { column, descending });
        self.rebuild();
    }

    /// The order must be made anew, paused or not.
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

    /// The selection follows its object; if that is gone, nothing is selected: a key that was meant for it must not
    /// hit what stands in its place.
    fn settle<R: Row>(&mut self, rows: &Rows<R>) {
        let before = self.marked.len();
        self.marked.retain(|id| rows.by_id.contains_key(id));
        self.marks_gone += before - self.marked.len();
        self.bereft = self.marked.is_empty() && (self.bereft || before > 0);
        let slot = self.selected.as_ref().and_then(|id| rows.by_id.get(id)).copied();
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
        let mut slots: Vec<u32> = self.marked.iter().filter_map(|id| rows.by_id.get(id)).copied().collect();
        slots.sort_unstable();
        let marked = |slot: &u32| slots.binary_search(slot).is_ok();
        self.found = Some(self.order.iter().copied().filter(marked).collect());
    }

    /// Marked rows, whether the list shows them or not.
    pub fn marked(&self) -> &HashSet<Arc<str>> {
        &self.marked
    }

    /// Marked rows that the list shows, in its order.
    pub(crate) fn shown_marks<'a, R: Row>(&'a self, rows: &'a Rows<R>) -> impl Iterator<Item = &'a R> {
        let slots = self.found.as_ref().unwrap_or(&self.order);
        slots.iter().filter_map(|slot| self.row(rows, *slot)).filter(|row| self.marked.contains(row.id()))
    }

    /// Marks rows.
    pub(crate) fn mark(&mut self, ids: impl IntoIterator<Item = Arc<str>>) {
        self.marked.extend(ids);
        self.found = None;
        self.bereft = false;
    }

    /// Takes the mark from some.
    pub(crate) fn unmark(&mut self, which: impl Fn(&str) -> bool) {
        self.marked.retain(|id| !which(id));
        self.bereft = false;
    }

    /// Selects the row at a place, or the last one before it.
    pub(crate) fn select_at<R: Row>(&mut self, place: usize, rows: &Rows<R>) {
        self.cursor = place.min(self.order.len().saturating_sub(1));
        self.selected =
            self.order.get(self.cursor).and_then(|s| self.row(rows, *s)).map(|row| Arc::clone(row.id()));
        self.lost = self.selected.is_none() && !self.order.is_empty();
        self.scroll();
    }

    /// Place of the selected row.
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

    /// The rows that pass, by slot.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The row in a slot of the order. In a list that stands still, a row that came since into the place of one that went
    /// is not shown there.
    pub fn row<'a, R: Row>(&self, rows: &'a Rows<R>, slot: u32) -> Option<&'a R> {
        let born = *rows.born.get(slot as usize)?;
        rows.at(slot).filter(|_| self.built.is_none_or(|(version, _)| born <= version))
    }

    /// The slots that are on the screen.
    pub(crate) fn window(&self) -> &[u32] {
        let end = (self.offset + self.height).min(self.order.len());
        self.order.get(self.offset..end).unwrap_or_default()
    }

    /// Whether something is left out.
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
