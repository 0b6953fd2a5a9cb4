//! When a rule asks its metrics.

use jiff::Timestamp;

use super::RuleEntry;
use crate::evaluate::queries::next_poll;

impl RuleEntry {
    /// Returns when the rule wants to ask next. `None` if it takes part in a pass, or has no meaning.
    pub(crate) fn next_poll(&self) -> Option<Timestamp> {
        (!self.polling && self.rule().is_some()).then_some(self.next_poll)
    }

    /// Asks as soon as it can.
    pub(crate) fn poll_now(&mut self, now: Timestamp) {
        self.next_poll = now;
    }

    /// Returns the time of the pass that is due, and plans the next. `floor`: seconds between two passes at least.
    pub(crate) fn take_due_poll(&mut self, now: Timestamp, floor: u64) -> Option<Timestamp> {
        if self.polling || self.next_poll > now {
            return None;
        }
        let poll = self.rule()?.poll;
        // A pass that is a little late carries the time it was due: times of a rule's passes are then whole intervals
        // apart, and so are the holds that are measured in them.
        let late = now.duration_since(self.next_poll);
        let time = if late.as_millis() < 1000 { self.next_poll } else { now };
        self.next_poll = next_poll(now, poll, floor);
        Some(time)
    }

    /// It takes part in a pass.
    pub(crate) fn poll_started(&mut self) {
        self.polling = true;
    }

    /// Its part in a pass is over.
    pub(crate) fn poll_ended(&mut self) {
        self.polling = false;
    }
}
