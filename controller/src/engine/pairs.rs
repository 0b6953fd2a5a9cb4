//! What the engine keeps of one (rule, object) pair beside its journal: the latest data, and the pace of its writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::RuleState;
use jiff::{SignedDuration, Timestamp};

use super::backoff::{backoff, given_up};
use super::pair_sets::PairSets;
use crate::act::{Failure, Outcome};
use crate::decide::effect::EffectKey;
use crate::decide::{Effect, Journal};
use crate::evaluate::reading::{Baseline, Reading, Value};
use crate::evaluate::verdict::Verdict;
use crate::observe::{Pair, SlotSet};

/// A pair that is, or lately was, not Normal.
#[derive(Debug)]
pub(crate) struct PairEntry {
    /// The latest data.
    reading: Reading,
    /// State at the last look; see [`PairIndex::set_state`].
    state: RuleState,
    /// Transitions told, ahead of the journal with this UID.
    told: (String, u64),
    /// The refusal of the last resize, until the journal has it.
    refusal: Option<String>,
    /// Digest of the proposal whose approval was set back to pending, and how often.
    resets: (String, u32),
    /// Until when a triggered pair has nothing to do while its conditions hold.
    hold_until: Option<Timestamp>,
    /// A write is under way.
    in_flight: bool,
    /// A write that is under way proposes something.
    proposing: bool,
    /// The journal's transitions, and since when it had its state, when the write that is under way was decided.
    before: (u64, Option<Timestamp>),
    /// Failures in a row.
    failures: u32,
    /// Those of them that were events which we may not tell.
    denials: u32,
    /// The last write.
    last_effect: Option<Box<EffectKey>>,
    /// How often in a row the last write changed nothing.
    repeats: u32,
    /// No write before.
    not_before: Option<Timestamp>,
    /// The PVC was looked for and is gone.
    confirmed_gone: bool,
    /// When it is looked at again, as registered with the timers.
    wake: Option<Timestamp>,
}

impl PairEntry {
    /// A pair in a quiet state. `resized`: a change of size that its data may not show yet.
    pub(crate) fn new(state: RuleState, resized: Option<Baseline>) -> Self {
        PairEntry {
            reading: Reading { baseline: resized, ..Reading::default() },
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

    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
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
    fn needs_look(&self, verdict: Verdict) -> bool {
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

    /// Takes in what a pass measured. Returns whether the pair must be looked at.
    pub(crate) fn measured(&mut self, verdict: Verdict, at: Timestamp, values: Vec<Option<Value>>) -> bool {
        let before = self.reading.verdict;
        self.reading.take(verdict, at, values);
        before != verdict || self.needs_look(verdict)
    }

    /// Notes that a pass got no data. Nothing follows from it.
    pub(crate) fn no_data(&mut self, at: Timestamp) {
        self.reading.take(Verdict::NoData, at, Vec::new());
    }

    /// Remembers what the data looked like when the size changed: data that still shows the old size must not trigger.
    pub(crate) fn size_changed(&mut self, ratio: f64, now: Timestamp) {
        if self.reading.verdict != Verdict::NotMet {
            self.reading.baseline = Some(Baseline { at: now, values: self.reading.numbers(), ratio });
        }
    }

    /// Drops what was measured: it was measured for other conditions. A change of size that the data may not show yet
    /// still stands. `resized`: one that was not followed when it happened.
    pub(crate) fn conditions_changed(&mut self, resized: Option<Baseline>) {
        let old = std::mem::take(&mut self.reading);
        self.reading = old.under_other_conditions();
        if old.baseline.is_none() {
            self.reading.baseline = resized.filter(|resized| !old.newer_than(resized));
        }
    }

    /// Notes since when a triggered pair only has to hold, and how long, so that passes need not look at it before.
    pub(crate) fn holds_since(&mut self, since: Option<Timestamp>, hold: SignedDuration) {
        self.hold_until =
            since.filter(|_| self.state == RuleState::Triggered).and_then(|t| t.checked_add(hold).ok());
    }

    /// Returns whether a request for the pair is under way.
    pub(crate) fn in_flight(&self) -> bool {
        self.in_flight
    }

    /// Returns whether a write that is under way proposes something.
    pub(crate) fn proposing(&self) -> bool {
        self.proposing
    }

    /// Returns until when nothing is written.
    pub(crate) fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|t| *t > now)
    }

    /// Writes nothing before this time.
    pub(crate) fn wait_until(&mut self, until: Timestamp) {
        self.not_before = Some(until);
    }

    /// Notes the effect that comes next. Returns until when it waits, if the same one was carried out just now and
    /// changed nothing.
    pub(crate) fn stuck_until(&mut self, key: EffectKey, now: Timestamp) -> Option<Timestamp> {
        let again = self.last_effect.as_deref() == Some(&key);
        if again && self.failures == 0 {
            self.failures = 1;
            let until = now + backoff(self.repeats.saturating_add(3), None);
            self.repeats = self.repeats.saturating_add(1);
            self.not_before = Some(until);
            return Some(until);
        }
        if !again {
            self.repeats = 0;
        }
        self.last_effect = Some(Box::new(key));
        None
    }

    /// A write begins. `before`: the journal's transitions, and since when it has had its state.
    pub(crate) fn write_started(&mut self, effect: &Effect, before: (u64, Option<Timestamp>)) {
        self.before = before;
        self.in_flight = true;
        self.proposing = matches!(effect, Effect::WriteJournal { status, .. } if status.proposal.is_some());
        if let Effect::ResetApproval { wanted, .. } = effect {
            let digest =
                wanted.spec.actions.iter().flatten().find_map(|a| a.proposal.clone()).unwrap_or_default();
            if self.resets.0 != digest {
                self.resets = (digest, 0);
            }
            self.resets.1 += 1;
        }
    }

    /// A read begins, whose answer is taken in like that of a write.
    pub(crate) fn read_started(&mut self) {
        self.in_flight = true;
    }

    /// The request that was under way has this outcome.
    pub(crate) fn succeeded(&mut self, outcome: &Outcome) {
        self.answered();
        (self.failures, self.denials) = (0, 0);
        self.not_before = None;
        // A refusal counts once: the journal has it, or the resize went through.
        if matches!(outcome, Outcome::Journal(_) | Outcome::Pvc(_)) {
            self.refusal = None;
        }
    }

    /// The request that was under way failed: the next one waits. Returns the failures in a row.
    pub(crate) fn failed(&mut self, after: Option<Duration>, now: Timestamp) -> u32 {
        self.answered();
        self.failures += 1;
        self.not_before = Some(now + backoff(self.failures, after));
        self.failures
    }

    fn answered(&mut self) {
        self.in_flight = false;
        self.proposing = false;
    }

    /// See [`given_up`].
    pub(crate) fn event_given_up(&mut self, failure: &Failure) -> Option<u64> {
        given_up(&mut self.denials, failure)
    }

    /// Returns the journal's transitions, and since when it had its state, when the write that is under way was decided.
    pub(crate) fn before(&self) -> (u64, Option<Timestamp>) {
        self.before
    }

    /// Transitions of the journal with this UID have been told, ahead of what it says itself.
    pub(crate) fn events_told(&mut self, journal: String, transitions: u64) {
        self.told = (journal, transitions);
    }

    /// Returns the transitions told ahead of a journal.
    pub(crate) fn told_ahead(&self, journal: Option<&Journal>) -> u64 {
        journal.filter(|j| j.uid == self.told.0).map_or(0, |_| self.told.1)
    }

    /// The API server refused the resize.
    pub(crate) fn resize_refused(&mut self, message: String) {
        self.refusal = Some(message);
    }

    /// Returns the refusal of the last resize that the journal does not have yet.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Returns how often the approval of the proposal with this digest was set back to pending.
    pub(crate) fn resets(&self, digest: Option<&str>) -> u32 {
        if Some(self.resets.0.as_str()) == digest { self.resets.1 } else { 0 }
    }

    /// Notes whether the PVC was looked for and is gone.
    pub(crate) fn set_gone(&mut self, gone: bool) {
        self.confirmed_gone = gone;
    }

    /// Returns whether the PVC was looked for and is gone.
    pub(crate) fn confirmed_gone(&self) -> bool {
        self.confirmed_gone
    }

    /// Returns whether an alarm that is still to come wakes the pair by this time.
    pub(crate) fn wakes_by(&self, at: Timestamp, now: Timestamp) -> bool {
        self.wake.is_some_and(|known| known <= at && known > now)
    }

    /// Registers the time of its alarm. Returns that of the alarm it had.
    pub(crate) fn set_alarm(&mut self, at: Timestamp) -> Option<Timestamp> {
        self.wake.replace(at)
    }

    /// Its alarm rang.
    pub(crate) fn alarm_rang(&mut self) {
        self.wake = None;
    }

    /// The clock was set back: nothing waits for a time that comes again.
    pub(crate) fn clock_set_back(&mut self) {
        self.wake = None;
        self.not_before = None;
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
            self.sets_mut(&pair.rule).keep(slot);
        }
        self.pairs.insert(pair, entry);
    }

    /// Forgets a pair.
    pub(crate) fn remove(&mut self, pair: &Pair, slot: Option<u32>) {
        if let Some((sets, slot)) = self.sets.get_mut(&pair.rule).zip(slot) {
            sets.drop_pair(slot);
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
        self.sets_mut(&pair.rule).state_changed(before, state, slot);
        true
    }

    /// Notes that the PVC of a pair has come back, or is another one, at this position.
    pub(crate) fn place(&mut self, pair: &Pair, slot: u32) {
        let Some(state) = self.pairs.get(pair).map(|entry| entry.state) else { return };
        self.sets_mut(&pair.rule).place(state, slot);
    }

    /// Notes that an object of a rule is Normal without a journal saying so.
    pub(crate) fn set_normal(&mut self, rule: &Arc<str>, slot: u32) {
        self.sets_mut(rule).set_normal(slot);
    }

    /// A rule does not select an object any more.
    pub(crate) fn unselect(&mut self, rule: &Arc<str>, slot: u32) {
        self.sets_mut(rule).unselect(slot);
    }

    /// A rule selects only these objects.
    pub(crate) fn select_only(&mut self, rule: &Arc<str>, selected: &SlotSet) {
        self.sets_mut(rule).select_only(selected);
    }

    /// Forgets what is known by a position: another PVC may stand there next.
    pub(crate) fn forget_slot(&mut self, slot: u32) {
        for sets in self.sets.values_mut() {
            sets.forget(slot);
        }
    }

    /// Forgets the pairs of a rule that has gone.
    pub(crate) fn remove_rule(&mut self, rule: &str) {
        self.pairs.retain(|pair, _| *pair.rule != *rule);
        self.sets.remove(rule);
    }
}
