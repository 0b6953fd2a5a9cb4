//! A set of PVCs, by the position of their record.

use fixedbitset::FixedBitSet;

/// Positions of PVCs, one bit each. Grows as needed; two sets are equal if they hold the same positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotSet(FixedBitSet);

impl SlotSet {
    /// Returns an empty set with room for so many positions.
    pub(crate) fn with_capacity(slots: usize) -> Self {
        SlotSet(FixedBitSet::with_capacity(slots))
    }

    /// Returns a set of these positions, with room for `slots`.
    pub(crate) fn of(slots: usize, positions: impl Iterator<Item = u32>) -> Self {
        let mut set = SlotSet::with_capacity(slots);
        for slot in positions {
            set.insert(slot);
        }
        set
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, slot: u32) {
        self.0.grow_and_insert(slot as usize);
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        if self.contains(slot) {
            self.0.remove(slot as usize);
        }
    }

    /// Inserts or removes a position.
    pub(crate) fn set(&mut self, slot: u32, member: bool) {
        if member {
            self.insert(slot);
        } else {
            self.remove(slot);
        }
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.0.contains(slot as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.ones().filter_map(|slot| u32::try_from(slot).ok())
    }

    /// Returns the positions that are in neither of two other sets.
    pub(crate) fn outside<'a>(
        &'a self,
        one: &'a SlotSet,
        other: &'a SlotSet,
    ) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter(|slot| !one.contains(*slot) && !other.contains(*slot))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.count_ones(..)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_clear()
    }

    pub(crate) fn is_subset(&self, other: &SlotSet) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Removes all positions; keeps the room.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes room for so many positions.
    pub(crate) fn grow(&mut self, slots: usize) {
        self.0.grow(slots);
    }

    /// Removes what is not in the other set.
    pub(crate) fn intersect_with(&mut self, other: &SlotSet) {
        self.0.intersect_with(&other.0);
    }

    /// Inserts what is in the other set.
    pub(crate) fn union_with(&mut self, other: &SlotSet) {
        self.0.union_with(&other.0);
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &SlotSet) -> bool {
        self.is_subset(other) && other.is_subset(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_grows_and_equals_by_its_content() {
        let mut set = SlotSet::default();
        set.remove(70);
        assert!(!set.contains(70) && set.is_empty());
        set.insert(70);
        assert_eq!(set, SlotSet::of(1000, [70].into_iter()));
        assert_eq!((set.iter().collect::<Vec<_>>(), set.len()), (vec![70], 1));
        let all = SlotSet::of(0, [1, 2, 3, 70].into_iter());
        let left: Vec<_> = all.outside(&set, &SlotSet::of(0, [2].into_iter())).collect();
        assert_eq!(left, [1, 3]);
        set.set(70, false);
        assert_eq!(set, SlotSet::default());
    }
}
