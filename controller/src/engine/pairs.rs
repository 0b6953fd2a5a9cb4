//! What the engine keeps of one (rule, object) pair beside its journal: the latest data, and the pace of its writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::RuleState;
use jiff::{SignedDuration, Timestamp};

use crate::decide::Journal;
use crate::decide::effect::EffectKey;
use crate::evaluate::reading::Reading;
use crate::evaluate::verdict::Verdict;
use crate::observe::{Pair, SlotSet};

/// A pair that is, or lately was, not Normal.
#[derive(Debug)]
pub(crate) struct PairEntry {
    /// The latest data.
    pub(super) reading: Reading,
    /// State at the last look; see [`PairIndex::set_state`].
    state: RuleState,
    /// Transitions told, ahead of the journal with this UID.
    pub(super) told: (String, u64),
    /// The refusal of the last resize, until the journal has it.
    pub(super) refusal: Option<String>,
    /// Digest of the proposal whose approval was set back to pending, and how often.
    pub(super) resets: (String, u32),
    /// Until when a triggered pair has nothing to do while its conditions hold.
    pub(super) hold_until: Option<Timestamp>,
    /// A write is under way.
    pub(super) in_flight: bool,
    /// A write that is under way proposes something.
    pub(super) proposing: bool,
    /// The journal's transitions, and since when it had its state, when the write that is under way was decided.
    pub(super) before: (u64, Option<Timestamp>),
    /// Failures in a row.
    pub(super) failures: u32,
    /// Those of them that were events which we may not tell.
    pub(super) denials: u32,
    /// The last write.
    pub(super) last_effect: Option<Box<EffectKey>>,
    /// How often in a row the last write changed nothing.
    pub(super) repeats: u32,
    /// No write before.
    pub(super) not_before: Option<Timestamp>,
    /// The PVC was looked for and is gone.
    pub(super) confirmed_gone: bool,
    /// When it is looked at again, as registered with the timers.
    pub(super) wake: Option<Timestamp>,
}

impl PairEntry {
    /// A pair in a quiet state.
    pub(crate) fn new(state: RuleState) -> Self {
        PairEntry {
            reading: Reading::default(),
            state,
            told: (String::new(), 0),
            refusal: None,
            resets: (String::new(), 0),
            hold_until: None,
            in_flight: false,
            proposing: false,
            before: (0, None),
            failures: 0,
            denials: 0,
            last_effect: None,
            repeats: 0,
            not_before: None,
            confirmed_gone: false,
            wake: None,
        }
    }

    pub(crate) fn state(&self) -> RuleState {
        self.state
    }

    /// Whether this state can only be left, or questioned, with data that says that the conditions do not hold.
    pub(crate) fn needs_not_met<'a>(&self, journal: impl FnOnce() -> Option<&'a Journal>) -> bool {
        let asked = || journal().is_some_and(|j| j.status.approval.is_some());
        match self.state {
            RuleState::Triggered | RuleState::ActionAwaitingApproval => true,
            RuleState::ActiveActionsPending | RuleState::ActionsDeclined => !asked(),
            _ => false,
        }
    }

    /// Whether a pair with this verdict must be looked at with every pass.
    pub(crate) fn needs_look(&self, verdict: Verdict) -> bool {
        match self.state {
            RuleState::Initializing | RuleState::Normal | RuleState::ActionsDeclined => {
                verdict == Verdict::Met
            }
            // While they hold, but not for long enough, there is nothing to see.
            RuleState::Triggered => {
                verdict != Verdict::Met
                    || self.hold_until.is_none_or(|t| self.reading.at.is_none_or(|at| at >= t))
            }
            RuleState::ActionAwaitingApproval => verdict == Verdict::NotMet,
            _ => false,
        }
    }
}

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
}

/// All pairs. Keeps the map of pairs and the sets of positions of each rule in agreement.
#[derive(Debug, Default)]
pub(crate) struct PairIndex {
    pairs: BTreeMap<Pair, PairEntry>,
    sets: BTreeMap<Arc<str>, PairSets>,
    /// Those of a rule without any.
    none: PairSets,
}

impl PairIndex {
    pub(crate) fn get(&self, pair: &Pair) -> Option<&PairEntry> {
        self.pairs.get(pair)
    }

    pub(crate) fn get_mut(&mut self, pair: &Pair) -> Option<&mut PairEntry> {
        self.pairs.get_mut(pair)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.keys()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut PairEntry> {
        self.pairs.values_mut()
    }

    /// Returns the pairs of a rule.
    pub(crate) fn of_rule(&self, rule: &str) -> impl Iterator<Item = (&Pair, &PairEntry)> {
        self.pairs.iter().filter(move |(pair, _)| *pair.rule == *rule)
    }

    pub(crate) fn of_rule_mut(&mut self, rule: &str) -> impl Iterator<Item = &mut PairEntry> {
        self.pairs.iter_mut().filter(move |(pair, _)| *pair.rule == *rule).map(|(_, entry)| entry)
    }

    /// Returns the pairs on an object.
    pub(crate) fn on_object(&self, object: &str) -> impl Iterator<Item = (&Pair, &PairEntry)> {
        let object: Arc<str> = object.into();
        let first = Pair { object: Arc::clone(&object), rule: "".into() };
        self.pairs.range(first..).take_while(move |(pair, _)| pair.object == object)
    }

    /// Returns the sets of a rule.
    pub(crate) fn sets(&self, rule: &str) -> &PairSets {
        self.sets.get(rule).unwrap_or(&self.none)
    }

    fn sets_mut(&mut self, rule: &Arc<str>) -> &mut PairSets {
        self.sets.entry(Arc::clone(rule)).or_default()
    }

    /// Keeps a pair. `slot`: where its PVC is, if it is there.
    pub(crate) fn insert(&mut self, pair: Pair, entry: PairEntry, slot: Option<u32>) {
        if let Some(slot) = slot {
            self.sets_mut(&pair.rule).paired.insert(slot);
        }
        self.pairs.insert(pair, entry);
    }

    /// Forgets a pair.
    pub(crate) fn remove(&mut self, pair: &Pair, slot: Option<u32>) {
        if let Some((sets, slot)) = self.sets.get_mut(&pair.rule).zip(slot) {
            sets.paired.remove(slot);
        }
        self.pairs.remove(pair);
    }

    /// Sets the state of a pair. Returns whether it was another one.
    pub(crate) fn set_state(&mut self, pair: &Pair, state: RuleState, slot: Option<u32>) -> bool {
        let Some(entry) = self.pairs.get_mut(pair) else { return false };
        let before = std::mem::replace(&mut entry.state, state);
        if before == state {
            return false;
        }
        let sets = self.sets_mut(&pair.rule);
        if !is_quiet(before) {
            *sets.states.entry(before).or_default() -= 1;
        }
        if !is_quiet(state) {
            *sets.states.entry(state).or_default() += 1;
        }
        if let Some(slot) = slot {
            // That it was Normal stays known: the first line of a journal that is still to be written starts from there.
            sets.busy.set(slot, !is_quiet(state));
        }
        true
    }

    /// Notes that the PVC of a pair has come back, or is another one, at this position.
    pub(crate) fn place(&mut self, pair: &Pair, slot: u32) {
        let Some(state) = self.pairs.get(pair).map(|entry| entry.state) else { return };
        let sets = self.sets_mut(&pair.rule);
        sets.paired.insert(slot);
        if !is_quiet(state) {
            sets.busy.insert(slot);
        }
    }

    /// Notes that an object of a rule is Normal without a journal saying so.
    pub(crate) fn set_normal(&mut self, rule: &Arc<str>, slot: u32) {
        self.sets_mut(rule).normal.insert(slot);
    }

    /// A rule does not select an object any more.
    pub(crate) fn unselect(&mut self, rule: &Arc<str>, slot: u32) {
        self.sets_mut(rule).normal.remove(slot);
    }

    /// A rule selects only these objects.
    pub(crate) fn select_only(&mut self, rule: &Arc<str>, selected: &SlotSet) {
        self.sets_mut(rule).normal.intersect_with(selected);
    }

    /// Forgets what is known by a position: another PVC may stand there next.
    pub(crate) fn forget_slot(&mut self, slot: u32) {
        for sets in self.sets.values_mut() {
            sets.normal.remove(slot);
            sets.busy.remove(slot);
            sets.paired.remove(slot);
        }
    }

    /// Forgets the pairs of a rule that has gone.
    pub(crate) fn remove_rule(&mut self, rule: &str) {
        self.pairs.retain(|pair, _| *pair.rule != *rule);
        self.sets.remove(rule);
    }
}

/// Pause after the first failure; doubles.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_millis(100);
/// Longest pause that we choose.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);

/// Returns the pause after so many failures in a row, unless the server asked for a longer one.
pub(crate) fn backoff(failures: u32, asked: Option<Duration>) -> SignedDuration {
    let own = autopilot_shared::backoff::backoff(failures.saturating_sub(1), FIRST_BACKOFF, LONGEST_BACKOFF);
    asked.and_then(|d| SignedDuration::try_from(d).ok()).map_or(own, |asked| asked.max(own))
}
