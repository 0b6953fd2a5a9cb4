//! The queue for pull requests: one approval at a time, the most urgent first, as long as not too many are open.

use std::collections::{BTreeMap, BTreeSet};

use super::request::ApprovalKey;
use crate::pull_requests::plan::{Slot, Urgency};

/// Approvals that want a pull request and have none.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeSet<(Urgency, ApprovalKey)>,
    urgency: BTreeMap<ApprovalKey, Urgency>,
    slots: BTreeMap<ApprovalKey, Slot>,
    /// Approvals that could do nothing with their slot.
    suspended: BTreeSet<ApprovalKey>,
    /// Something changed since the slots were assigned, for this number of open ones and this bound.
    changed: bool,
    open: usize,
    max_open: usize,
}

impl Queue {
    pub(super) fn slot(&self, key: &ApprovalKey) -> Slot {
        self.slots.get(key).copied().unwrap_or_default()
    }

    /// Returns the number of approvals that wait.
    pub(super) fn len(&self) -> usize {
        self.urgency.len()
    }

    /// An approval wants a pull request.
    pub(super) fn enter(&mut self, key: &ApprovalKey, urgency: Urgency) {
        if self.urgency.get(key) == Some(&urgency) {
            return;
        }
        self.leave(key);
        self.order.insert((urgency, key.clone()));
        self.urgency.insert(key.clone(), urgency);
        self.changed = true;
    }

    /// An approval wants no pull request, or has one.
    pub(super) fn leave(&mut self, key: &ApprovalKey) {
        if let Some(urgency) = self.urgency.remove(key) {
            self.order.remove(&(urgency, key.clone()));
            self.slots.remove(key);
            self.suspended.remove(key);
            self.changed = true;
        }
    }

    /// An approval could do nothing with its slot.
    pub(super) fn suspend(&mut self, key: &ApprovalKey) {
        if self.urgency.contains_key(key) && self.suspended.insert(key.clone()) {
            self.changed = true;
        }
    }

    /// Something about an approval changed.
    pub(super) fn resume(&mut self, key: &ApprovalKey) {
        if self.suspended.remove(key) {
            self.changed = true;
        }
    }

    /// Assigns the slots. Returns the approvals whose slot changed.
    pub(super) fn assign_slots(&mut self, open: usize, max_open: usize) -> Vec<ApprovalKey> {
        if !self.changed && self.open == open && self.max_open == max_open {
            return Vec::new();
        }
        self.changed = false;
        self.open = open;
        self.max_open = max_open;
        let full = open >= max_open;
        let mut given = full;
        let mut moved = Vec::new();
        for (before, (_, key)) in self.order.iter().enumerate() {
            let slot = if full {
                // In powers of two: each change of it is a write.
                let before = u32::try_from(before).unwrap_or(u32::MAX);
                Slot::Full { before: before.checked_ilog2().map_or(0, |log| 1 << log) }
            } else if given || self.suspended.contains(key) {
                Slot::Soon
            } else {
                given = true;
                Slot::Go
            };
            if self.slots.get(key) != Some(&slot) {
                self.slots.insert(key.clone(), slot);
                moved.push(key.clone());
            }
        }
        moved
    }
}
