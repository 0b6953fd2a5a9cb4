//! What is looked at next, and when.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::observe::{Key, Pair};

/// A clock may go back by this much without notice.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(2);

/// Something that is looked at when its time comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Pair(Pair),
    Rule(Arc<str>),
    Orphan(Key),
}

/// Pairs, rules and orphaned approvals that are due, and alarms for those that will be.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pairs: BTreeSet<Pair>,
    rules: BTreeSet<Arc<str>>,
    orphans: BTreeSet<Key>,
    alarms: BTreeSet<(Timestamp, Alarm)>,
    /// The latest time that the clock has shown.
    latest: Timestamp,
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler {
            pairs: BTreeSet::new(),
            rules: BTreeSet::new(),
            orphans: BTreeSet::new(),
            alarms: BTreeSet::new(),
            latest: Timestamp::MIN,
        }
    }
}

impl Scheduler {
    pub(crate) fn mark_pair(&mut self, pair: Pair) {
        self.pairs.insert(pair);
    }

    pub(crate) fn mark_pairs(&mut self, pairs: impl IntoIterator<Item = Pair>) {
        self.pairs.extend(pairs);
    }

    pub(crate) fn mark_rule(&mut self, rule: Arc<str>) {
        self.rules.insert(rule);
    }

    pub(crate) fn mark_rules(&mut self, rules: impl IntoIterator<Item = Arc<str>>) {
        self.rules.extend(rules);
    }

    pub(crate) fn mark_orphan(&mut self, approval: Key) {
        self.orphans.insert(approval);
    }

    pub(crate) fn mark_orphans(&mut self, approvals: impl IntoIterator<Item = Key>) {
        self.orphans.extend(approvals);
    }

    pub(crate) fn unmark_orphan(&mut self, approval: &Key) {
        self.orphans.remove(approval);
    }

    /// Forgets the marked pairs of a rule.
    pub(crate) fn unmark_pairs_of(&mut self, rule: &str) {
        self.pairs.retain(|pair| *pair.rule != *rule);
    }

    pub(crate) fn next_pair(&mut self) -> Option<Pair> {
        self.pairs.pop_first()
    }

    pub(crate) fn next_rule(&mut self) -> Option<Arc<str>> {
        self.rules.pop_first()
    }

    pub(crate) fn next_orphan(&mut self) -> Option<Key> {
        self.orphans.pop_first()
    }

    pub(crate) fn wake_at(&mut self, at: Timestamp, alarm: Alarm) {
        self.alarms.insert((at, alarm));
    }

    /// Moves the alarm of a pair, which has one at most.
    pub(crate) fn move_alarm(&mut self, from: Option<Timestamp>, to: Timestamp, pair: &Pair) {
        let alarm = Alarm::Pair(pair.clone());
        if let Some(from) = from {
            self.alarms.remove(&(from, alarm.clone()));
        }
        self.alarms.insert((to, alarm));
    }

    /// When the first alarm rings.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Marks what an alarm rings for now. Returns the pairs among it: their alarm is over.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Vec<Pair> {
        let mut rung = Vec::new();
        while self.next_wake().is_some_and(|at| at <= now) {
            match self.alarms.pop_first() {
                Some((_, Alarm::Pair(pair))) => {
                    self.pairs.insert(pair.clone());
                    rung.push(pair);
                }
                Some((_, Alarm::Rule(rule))) => self.mark_rule(rule),
                Some((_, Alarm::Orphan(approval))) => self.mark_orphan(approval),
                None => break,
            }
        }
        rung
    }

    /// Notes the time. If the clock was set back, alarms would wait for times that come again: they are dropped, and
    /// orphans that had one are due. Returns the time that the clock had shown before, if that is so.
    pub(crate) fn clock_set_back(&mut self, now: Timestamp) -> Option<Timestamp> {
        let latest = std::mem::replace(&mut self.latest, now);
        if latest.duration_since(now) <= CLOCK_SLACK {
            return None;
        }
        for (_, alarm) in std::mem::take(&mut self.alarms) {
            if let Alarm::Orphan(approval) = alarm {
                self.orphans.insert(approval);
            }
        }
        Some(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_pair_has_one_alarm() {
        let mut scheduler = Scheduler::default();
        let pair = Pair { object: "v".into(), rule: "r".into() };
        scheduler.move_alarm(None, at(9), &pair);
        scheduler.move_alarm(Some(at(9)), at(5), &pair);
        assert_eq!(scheduler.next_wake(), Some(at(5)));
        assert_eq!(scheduler.ring(at(5)), std::slice::from_ref(&pair));
        assert_eq!((scheduler.next_pair(), scheduler.next_wake()), (Some(pair), None));
    }

    #[test]
    fn nothing_waits_for_a_time_that_comes_again() {
        let mut scheduler = Scheduler::default();
        let approval: Key = ("n".into(), "a".into());
        assert_eq!(scheduler.clock_set_back(at(100)), None);
        scheduler.wake_at(at(105), Alarm::Orphan(approval.clone()));
        assert_eq!(scheduler.clock_set_back(at(98)), None, "within the slack");
        assert_eq!(scheduler.clock_set_back(at(50)), Some(at(98)));
        assert_eq!((scheduler.next_orphan(), scheduler.next_wake()), (Some(approval), None));
    }
}
