//! Rows by identity, in slots that stay theirs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rows::Row;

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

    /// Returns the slots that changed since a version, if they are still remembered.
    pub(super) fn changed_since(&self, version: u64) -> Option<&[u32]> {
        let count = usize::try_from(self.version.checked_sub(version)?).ok()?;
        self.changed.get(self.changed.len().checked_sub(count)?..)
    }

    /// Removes a row.
    pub fn remove(&mut self, id: &str) -> Option<R> {
        let slot = self.by_id.remove(id)?;
        self.change(slot);
        self.free.push(slot);
        self.slots[slot as usize].take().map(|(row, _)| row)
    }

    /// Begins a list: what is not put in again before [`Self::sweep`] is gone.
    pub(crate) fn mark(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Ends the list.
    pub(crate) fn sweep(&mut self) {
        let epoch = self.epoch;
        let old = self.slots.iter().flatten().filter(|(_, e)| *e != epoch).map(|(r, _)| Arc::clone(r.id()));
        let old: Vec<Arc<str>> = old.collect();
        for id in &old {
            self.remove(id);
        }
    }

    /// Returns the row of this identity.
    pub fn get(&self, id: &str) -> Option<&R> {
        self.at(*self.by_id.get(id)?)
    }

    /// Returns the same, to change it.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut R> {
        let slot = *self.by_id.get(id)?;
        self.change(slot);
        self.slots.get_mut(slot as usize)?.as_mut().map(|(row, _)| row)
    }

    /// Returns the row in a slot.
    pub(crate) fn at(&self, slot: u32) -> Option<&R> {
        self.slots.get(slot as usize)?.as_ref().map(|(row, _)| row)
    }

    /// Returns all rows.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().flatten().map(|(row, _)| row)
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &R)> {
        (0..).zip(&self.slots).filter_map(|(n, s)| s.as_ref().map(|(row, _)| (n, row)))
    }

    /// Returns the slot of an identity.
    pub(super) fn slot_of(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// Returns the row in a slot, if it has been there since a version.
    pub(super) fn at_since(&self, slot: u32, version: u64) -> Option<&R> {
        let born = *self.born.get(slot as usize)?;
        self.at(slot).filter(|_| born <= version)
    }
}
