//! The pace of a rule's writes, and what was announced of it.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::RuleEntry;
use crate::act::Failure;
use crate::decide::RuleEffect;
use crate::decide::rule::events::outage_since;
use crate::engine::backoff::{backoff, given_up};

/// Pause between two writes of a rule's status.
const STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(3);

/// The content of a rule's events, to be remembered once they are out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleAnnouncement {
    /// Nothing that needs remembering.
    Nothing,
    /// The problems of this generation.
    Problems(Option<i64>),
    /// That there has been no data since then.
    Trouble(Option<Timestamp>),
    /// That these objects are Normal.
    Objects(Vec<u32>),
}

impl RuleEntry {
    /// Returns whether a write is under way.
    pub(crate) fn in_flight(&self) -> bool {
        self.in_flight
    }

    /// Returns until when nothing is written, after a failure.
    pub(crate) fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.failures > 0 && self.next_status > now).then_some(self.next_status)
    }

    /// A write begins. Returns what it announces.
    pub(crate) fn write_started(&mut self, effect: &RuleEffect, now: Timestamp) -> RuleAnnouncement {
        self.in_flight = true;
        if let RuleEffect::Status { status, .. } = effect {
            self.next_status = now + STATUS_PAUSE;
            self.writing = Some(status.clone());
        }
        self.announced_by(effect)
    }

    /// The write was carried out. What it left behind is taken in before
    /// [`RuleEntry::written_status_taken_in`].
    pub(crate) fn write_succeeded(&mut self, told: RuleAnnouncement, now: Timestamp) {
        self.in_flight = false;
        (self.failures, self.denials) = (0, 0);
        if matches!(told, RuleAnnouncement::Objects(_)) {
            // What was announced is written down at once: until then no other controller can know of it.
            self.next_status = now;
        }
        self.told(told);
    }

    /// The write failed: the next one waits. An event that is given up counts as told.
    pub(crate) fn write_failed(
        &mut self,
        name: &str,
        told: RuleAnnouncement,
        failure: &Failure,
        now: Timestamp,
    ) {
        self.in_flight = false;
        self.failures += 1;
        self.next_status = now + backoff(self.failures, failure.after);
        tracing::warn!(rule = %name, attempt = self.failures, %failure, "a write to a rule failed; it is decided anew");
        if given_up(&mut self.denials, failure).is_some() {
            self.told(told);
        }
    }

    /// All that came of a write that succeeded is taken in: a status is news again. After a lost answer the watch may
    /// still show what was written.
    pub(crate) fn written_status_taken_in(&mut self) {
        self.writing = None;
    }

    /// The clock was set back: nothing waits for a time that comes again.
    pub(crate) fn clock_set_back(&mut self, now: Timestamp) {
        self.next_poll = now;
        self.next_status = now;
    }

    /// Returns what an effect announces.
    fn announced_by(&self, effect: &RuleEffect) -> RuleAnnouncement {
        let RuleEffect::EmitEvents(events) = effect else {
            return RuleAnnouncement::Nothing;
        };
        match events.first().map(|e| e.reason) {
            Some("InvalidRule") => RuleAnnouncement::Problems(self.raw.metadata.generation),
            Some("NoData") => {
                RuleAnnouncement::Trouble(outage_since(&self.raw, &self.data, self.without_data_since))
            }
            _ => RuleAnnouncement::Objects(self.unannounced.clone()),
        }
    }

    /// Remembers what was announced.
    fn told(&mut self, told: RuleAnnouncement) {
        match told {
            RuleAnnouncement::Nothing => {}
            RuleAnnouncement::Problems(generation) => self.announced_problems = generation,
            RuleAnnouncement::Trouble(since) => self.announced_outage = since,
            RuleAnnouncement::Objects(slots) => {
                let told: HashSet<u32> = slots.into_iter().collect();
                self.unannounced.retain(|slot| !told.contains(slot));
                self.unannounced.shrink_to_fit();
            }
        }
    }
}
