//! The audit of branches with names of ours that no approval has, once after the start: the list of pull requests is
//! read only as far as the approvals need it, and what nobody asks for any more may stand far behind.

use std::collections::BTreeSet;

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use super::request::{Call, Request, Subject};
use crate::pull_requests::plan::{Ask, ForgeEffect};

/// First pause after a failure; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(30);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// State of the audit.
#[derive(Debug)]
pub(super) struct BranchAudit {
    /// Branches that are still to be searched; `None` until the forge has listed them.
    names: Option<BTreeSet<String>>,
    attempts: u32,
    due: Timestamp,
}

impl BranchAudit {
    pub(super) fn new() -> Self {
        BranchAudit { names: None, attempts: 0, due: Timestamp::MIN }
    }

    /// When there is something to ask; `None` if the audit is over.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.names.as_ref().is_none_or(|names| !names.is_empty()).then_some(self.due)
    }

    /// Returns the next step. Another cluster may have many branches here, so they are searched only while `idle`, when
    /// nothing else waits. `is_covered` says whether an approval or an open pull request has the branch.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        idle: bool,
        is_covered: impl Fn(&str) -> bool,
    ) -> Option<Request> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let Some(names) = &mut self.names else {
            return Some(Request { subject: Subject::All, call: Call::Branches, basis: None });
        };
        names.retain(|name| !is_covered(name));
        let name = names.first().filter(|_| idle)?.clone();
        let call = Call::Step(ForgeEffect::Ask(Ask::Search { branch: name.clone() }));
        Some(Request { subject: Subject::Unowned(name), call, basis: None })
    }

    /// Begins with the branches that the forge lists.
    pub(super) fn listed(&mut self, names: Vec<String>) {
        self.names = Some(names.into_iter().collect());
        self.attempts = 0;
    }

    /// A branch was searched. The next one has time: there may be hundreds, with one request for each.
    pub(super) fn searched(&mut self, name: &str, next: Timestamp) {
        (self.attempts, self.due) = (0, next);
        if let Some(names) = &mut self.names {
            names.remove(name);
        }
    }

    pub(super) fn failed(&mut self, now: Timestamp) {
        self.due = now + backoff(self.attempts, FIRST, LONGEST);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Makes it due at once.
    pub(super) fn retry_now(&mut self) {
        (self.attempts, self.due) = (0, Timestamp::MIN);
    }
}
