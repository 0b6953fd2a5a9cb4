//! Who may have a pull request next: one at a time, the most urgent first, as long as not too many are open.

use std::collections::{BTreeMap, BTreeSet};

use super::Key;
use crate::pull_requests::plan::{Slot, Urgency};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BTreeSet<(Urgency, Key)>,
    urgency: BTreeMap<Key, Urgency>,
    turns: BTreeMap<Key, Slot>,
    /// Had their turn and could do nothing with it.
    stalled: BTreeSet<Key>,
    changed: bool,
    open: usize,
    max: usize,
}

impl Queue {
    pub(crate) fn turn(&self, key: &Key) -> Slot {
        self.turns.get(key).copied().unwrap_or_default()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.urgency.len()
    }

    /// It wants a pull request.
    pub(crate) fn enter(&mut self, key: &Key, urgency: Urgency) {
        if self.urgency.get(key) == Some(&urgency) {
            return;
        }
        self.leave(key);
        self.order.insert((urgency, key.clone()));
        self.urgency.insert(key.clone(), urgency);
        self.changed = true;
    }

    /// It wants none, or has one.
    pub(crate) fn leave(&mut self, key: &Key) {
        if let Some(urgency) = self.urgency.remove(key) {
            self.order.remove(&(urgency, key.clone()));
            self.turns.remove(key);
            self.stalled.remove(key);
            self.changed = true;
        }
    }

    /// It could do nothing with its turn.
    pub(crate) fn stall(&mut self, key: &Key) {
        if self.urgency.contains_key(key) && self.stalled.insert(key.clone()) {
            self.changed = true;
        }
    }

    /// Something about it changed.
    pub(crate) fn stir(&mut self, key: &Key) {
        if self.stalled.remove(key) {
            self.changed = true;
        }
    }

    /// Gives the turns; says whose changed.
    pub(crate) fn turns(&mut self, open: usize, max: usize) -> Vec<Key> {
        if !self.changed && self.open == open && self.max == max {
            return Vec::new();
        }
        self.changed = false;
        self.open = open;
        self.max = max;
        let full = open >= max;
        let mut given = full;
        let mut moved = Vec::new();
        for (before, (_, key)) in self.order.iter().enumerate() {
            let turn = if full {
                // Told in powers of two: each change of it is a write.
                let before = u32::try_from(before).unwrap_or(u32::MAX);
                Slot::Full { before: before.checked_ilog2().map_or(0, |log| 1 << log) }
            } else if given || self.stalled.contains(key) {
                Slot::Soon
            } else {
                given = true;
                Slot::Go
            };
            if self.turns.get(key) != Some(&turn) {
                self.turns.insert(key.clone(), turn);
                moved.push(key.clone());
            }
        }
        moved
    }
}
