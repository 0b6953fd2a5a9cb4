//! Our branches that no approval has, looked for once after the start: the list of pull requests is read only as far as the
//! approvals need it, and what nobody asks for any more may stand far behind.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::rate_limit::backoff;
use super::{Call, Request, Subject, Tracker};
use crate::pull_requests::plan::{Ask, ForgeEffect};

/// First pause after a failure; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(30);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug)]
pub(crate) struct Survey {
    /// The branches that are still to be looked at; nothing before it was asked which there are.
    names: Option<BTreeSet<String>>,
    attempts: u32,
    due: Timestamp,
}

impl Survey {
    pub(crate) fn new() -> Self {
        Survey { names: None, attempts: 0, due: Timestamp::MIN }
    }

    /// When there is something to ask; nothing when it is over.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.names.as_ref().is_none_or(|names| !names.is_empty()).then_some(self.due)
    }

    /// These branches have a name of ours.
    pub(crate) fn is(&mut self, names: Vec<String>) {
        self.names = Some(names.into_iter().collect());
        self.attempts = 0;
    }

    /// A branch was looked at. The next one has time: another cluster may have hundreds here, with one request for each.
    pub(crate) fn looked_at(&mut self, name: &str, next: Timestamp) {
        (self.attempts, self.due) = (0, next);
        if let Some(names) = &mut self.names {
            names.remove(name);
        }
    }

    pub(crate) fn failed(&mut self, now: Timestamp) {
        self.due = now + backoff(FIRST, self.attempts, LONGEST);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Nothing stands in the way of another attempt.
    pub(crate) fn again(&mut self) {
        (self.attempts, self.due) = (0, Timestamp::MIN);
    }
}

impl Tracker {
    /// The next step of it. Another cluster may have many branches here: `idle` says that nothing else waits.
    pub(crate) fn survey(&mut self, now: Timestamp, idle: bool) -> Option<Request> {
        if self.survey.due().is_none_or(|due| due > now) {
            return None;
        }
        let Some(names) = &mut self.survey.names else {
            return Some(Request { subject: Subject::All, call: Call::Branches, basis: None });
        };
        // What is open there was seen, or the approval looks after it.
        let (branches, by_branch, pulls) = (&self.branches, &self.by_branch, &self.pulls);
        names.retain(|name| {
            let mut seen = by_branch.get(name).into_iter().flatten().filter_map(|number| pulls.get(number));
            !branches.contains_key(name) && !seen.any(super::is_open)
        });
        let name = names.first().filter(|_| idle)?.clone();
        let call = Call::Step(ForgeEffect::Ask(Ask::Search { branch: name.clone() }));
        Some(Request { subject: Subject::Unowned(name), call, basis: None })
    }
}
