//! Positions and numbers of the pairs of one rule, by what is known of them.

use std::collections::HashMap;

use autopilot_shared::RuleState;

use crate::observe::SlotSet;

/// Returns whether a state needs no journal.
pub(crate) fn is_quiet(state: RuleState) -> bool {
    matches!(state, RuleState::Initializing | RuleState::Normal)
}

/// The pairs of one rule, by the position of their PVC.
#[derive(Debug, Default)]
pub(crate) struct PairSets {
    /// Normal without a journal saying so.
    normal: SlotSet,
    /// With a pair that is not Normal.
    busy: SlotSet,
    /// With a pair that is kept, whatever its state.
    paired: SlotSet,
    /// Pairs per state that is not quiet.
    states: HashMap<RuleState, i64>,
}

impl PairSets {
    pub(crate) fn is_normal(&self, slot: u32) -> bool {
        self.normal.contains(slot)
    }

    pub(crate) fn normal(&self) -> &SlotSet {
        &self.normal
    }

    pub(crate) fn busy(&self) -> &SlotSet {
        &self.busy
    }

    pub(crate) fn paired(&self) -> &SlotSet {
        &self.paired
    }

    /// Returns the selected objects that are neither Normal nor anything else yet.
    pub(crate) fn initializing<'a>(&'a self, selected: &'a SlotSet) -> impl Iterator<Item = u32> + use<'a> {
        selected.outside(&self.normal, &self.busy)
    }

    /// Returns the number of pairs per state that is not quiet.
    pub(crate) fn states(&self) -> impl Iterator<Item = (RuleState, i64)> {
        self.states.iter().filter(|(_, n)| **n > 0).map(|(state, n)| (*state, *n))
    }

    /// Notes that a pair is kept. `slot`: where its PVC is.
    pub(crate) fn keep(&mut self, slot: u32) {
        self.paired.insert(slot);
    }

    /// Notes that a pair is not kept any more.
    pub(crate) fn drop_pair(&mut self, slot: u32) {
        self.paired.remove(slot);
    }

    /// Notes that a pair has another state. `slot`: where its PVC is, if it is there.
    pub(crate) fn state_changed(&mut self, before: RuleState, state: RuleState, slot: Option<u32>) {
        if !is_quiet(before) {
            *self.states.entry(before).or_default() -= 1;
        }
        if !is_quiet(state) {
            *self.states.entry(state).or_default() += 1;
        }
        if let Some(slot) = slot {
            // That it was Normal stays known: the first line of a journal that is still to be written starts from there.
            self.busy.set(slot, !is_quiet(state));
        }
    }

    /// Notes that the PVC of a pair in this state has come back, or is another one, at this position.
    pub(crate) fn place(&mut self, state: RuleState, slot: u32) {
        self.paired.insert(slot);
        if !is_quiet(state) {
            self.busy.insert(slot);
        }
    }

    /// Notes that an object is Normal without a journal saying so.
    pub(crate) fn set_normal(&mut self, slot: u32) {
        self.normal.insert(slot);
    }

    /// The rule does not select an object any more.
    pub(crate) fn unselect(&mut self, slot: u32) {
        self.normal.remove(slot);
    }

    /// The rule selects only these objects.
    pub(crate) fn select_only(&mut self, selected: &SlotSet) {
        self.normal.intersect_with(selected);
    }

    /// Forgets what is known by a position: another PVC may stand there next.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.normal.remove(slot);
        self.busy.remove(slot);
        self.paired.remove(slot);
    }
}
