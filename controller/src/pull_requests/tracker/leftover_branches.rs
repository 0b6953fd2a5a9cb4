//! Branches that an approval left behind because it went before they did: its deletion has a bound.

use std::collections::{BTreeMap, BTreeSet};

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use super::pauses;
use super::request::{Call, Request, Response, Subject};
use crate::pull_requests::forge::ForgeError;
use crate::pull_requests::plan::{Ask, BranchState, ForgeEffect, Write};

/// After so many refusals in a row the branch stays for now, and the forge is asked once in [`SELDOM`].
const PATIENCE: u32 = 5;
/// A branch that may stay indefinitely must cost next to nothing, however many there are.
const SELDOM: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Default)]
struct LeftoverBranch {
    /// Commits that it ended on while it was ours.
    our_heads: BTreeSet<String>,
    branch: BranchState,
    attempts: u32,
    /// Left alone until then.
    until: Option<Timestamp>,
}

impl LeftoverBranch {
    /// Whether it is gone, or ends on somebody else's commit.
    fn is_settled(&self) -> bool {
        match &self.branch {
            BranchState::Unknown => false,
            BranchState::Absent => true,
            BranchState::Present(tip) => !self.our_heads.contains(&tip.commit),
        }
    }
}

/// Branches that are to be deleted without an approval, by name.
#[derive(Debug, Default)]
pub(super) struct LeftoverBranches {
    branches: BTreeMap<String, LeftoverBranch>,
}

impl LeftoverBranches {
    /// Adds a branch, which is ours as long as it ends on one of these commits. Without any there is nothing to add.
    pub(super) fn add(&mut self, name: &str, our_heads: BTreeSet<String>) {
        if !our_heads.is_empty() {
            let branch = LeftoverBranch { our_heads, ..LeftoverBranch::default() };
            self.branches.insert(name.to_owned(), branch);
        }
    }

    /// Adds a branch unless it is there already.
    pub(super) fn add_unknown(&mut self, name: &str, our_heads: BTreeSet<String>) {
        if !self.branches.contains_key(name) {
            self.add(name, our_heads);
        }
    }

    /// Adds a branch that the forge did not let go: that is tried again later.
    pub(super) fn add_refused(&mut self, now: Timestamp, name: &str, head: &str) {
        let our_heads = BTreeSet::from([head.to_owned()]);
        let until = Some(now + pauses::LONGEST);
        let branch = LeftoverBranch { our_heads, until, ..LeftoverBranch::default() };
        self.branches.insert(name.to_owned(), branch);
    }

    /// Returns the next step. The branch of an approval, or of an open pull request in the repository, is left alone:
    /// without its branch anybody's pull request is closed.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        has_approval: impl Fn(&str) -> bool,
        has_open_pull: impl Fn(&str) -> bool,
    ) -> Option<Request> {
        self.branches.retain(|name, branch| !has_approval(name) && !branch.is_settled());
        let is_due = |branch: &LeftoverBranch| branch.until.is_none_or(|until| until <= now);
        let (name, branch) =
            self.branches.iter().find(|(name, branch)| is_due(branch) && !has_open_pull(name))?;
        let effect = match &branch.branch {
            BranchState::Present(tip) => ForgeEffect::Write(Box::new(Write::DeleteBranch {
                name: name.clone(),
                commit: tip.commit.clone(),
            })),
            BranchState::Unknown | BranchState::Absent => {
                ForgeEffect::Ask(Ask::Branch { name: name.clone() })
            }
        };
        let subject = Subject::LeftoverBranch(name.clone());
        Some(Request { subject, call: Call::Step(effect), basis: None })
    }

    /// When the first of those that wait is due.
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        self.branches.values().filter_map(|branch| branch.until).min()
    }

    pub(super) fn respond(&mut self, name: &str, response: Response) {
        match (response, self.branches.get_mut(name)) {
            (Response::Branch(tip), Some(branch)) => branch.branch = tip.into(),
            _ => drop(self.branches.remove(name)),
        }
    }

    pub(super) fn failed(&mut self, now: Timestamp, name: &str, error: &ForgeError) {
        let Some(branch) = self.branches.get_mut(name) else { return };
        branch.branch = BranchState::Unknown;
        let is_no = matches!(error, ForgeError::Refused(_) | ForgeError::Invalid(_));
        if is_no && branch.attempts >= PATIENCE {
            branch.until = Some(now + SELDOM);
            return;
        }
        branch.until = Some(now + backoff(branch.attempts, pauses::UNANSWERED, pauses::LONGEST));
        branch.attempts = branch.attempts.saturating_add(1);
    }

    /// Lifts what the forge refused under another token.
    pub(super) fn lift_refusals(&mut self) {
        for branch in self.branches.values_mut() {
            (branch.branch, branch.until, branch.attempts) = (BranchState::Unknown, None, 0);
        }
    }

    pub(super) fn clock_went_back(&mut self) {
        for branch in self.branches.values_mut() {
            branch.until = None;
        }
    }
}
