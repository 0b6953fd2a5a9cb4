//! Decisions that have been confirmed: held, on their way, ending.

use std::time::Duration;

use crate::decision::{Action, Target, Write};
use crate::text::Safe;

/// Time for which a decision is held before it is sent.
pub const HOLD: Duration = Duration::from_secs(5);

/// A decision that has been confirmed and not been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Number of the decision, in order.
    pub number: u64,
    /// What.
    pub action: Action,
    /// On what.
    pub targets: Vec<Target>,
    /// Why.
    pub reason: String,
    /// Time in which it can still be taken back; goes down only while its line and the key for it are at hand.
    pub remaining: Duration,
    /// `true` if it was known that what is shown may be old.
    pub stale: bool,
}

/// A write that is on its way, or waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// Number of the decision.
    pub number: u64,
    /// The write.
    pub write: Write,
    /// `true` if it was known that what is shown may be old.
    pub stale: bool,
    /// `true` if it has been sent; else it waits for its turn.
    pub sent: bool,
}

/// A part of a decision that is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct NotDone {
    /// The approval.
    pub target: Target,
    /// Why.
    pub why: Safe,
    /// `true` if it may have been written all the same.
    pub unknown: bool,
}

/// The result of a decision: one line for all of its approvals.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Number of the decision.
    pub number: u64,
    /// What.
    pub action: Action,
    /// Number of its approvals.
    pub total: usize,
    /// Number of those that are done.
    pub done: usize,
    /// Those that are not done.
    pub not_done: Vec<NotDone>,
}

impl Outcome {
    /// `true` if all of it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.done + self.not_done.len() >= self.total
    }

    /// Returns `17 approved, 3 not: pg1/data: its proposal changed`.
    pub(crate) fn words(&self) -> String {
        let (before, name, after) = self.parts();
        format!("{before}{name}{after}")
    }

    /// Returns the same in three: what stands before the name of an object, that name, and why.
    pub(crate) fn parts(&self) -> (String, String, String) {
        let name = |t: &Target| format!("{}/{}", t.namespace, t.object);
        let done = self.action.done();
        let unknown = self.not_done.iter().filter(|n| n.unknown).count();
        // What nobody knows weighs most.
        let worst = self.not_done.iter().find(|n| n.unknown).or(self.not_done.first());
        match (worst, self.total) {
            (None, _) => (format!("{} {done}", self.done), String::new(), String::new()),
            (Some(NotDone { target, why, unknown: true }), 1) => {
                let after = format!(": no answer, it may have been written: {why}");
                (format!("{} ", self.action), name(target), after)
            }
            (Some(NotDone { target, why, unknown: false }), 1) => {
                (format!("not {done}: "), name(target), format!(": {why}"))
            }
            (Some(NotDone { target, why, .. }), _) => {
                let not = match self.not_done.len() - unknown {
                    0 => String::new(),
                    n => format!(", {n} not"),
                };
                let unknown = match unknown {
                    0 => String::new(),
                    n => format!(", {n} perhaps (no answer)"),
                };
                (format!("{} {done}{not}{unknown}: ", self.done), name(target), format!(": {why}"))
            }
        }
    }
}

/// Returns what a held decision is about, for people.
pub fn held_subject(held: &Held) -> String {
    match held.targets.as_slice() {
        [one] => format!("{}/{}", one.namespace, one.object),
        many => format!("{} approvals", many.len()),
    }
}
