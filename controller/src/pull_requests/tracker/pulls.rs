//! The pull requests, as the forge shows them, by number and by branch.

use std::collections::{BTreeMap, BTreeSet};

use crate::pull_requests::forge::{Pull, PullState};
use crate::pull_requests::plan::{self, Identity};
use crate::pull_requests::text::branch::PREFIX;

/// The pull requests from branches with names of ours.
#[derive(Debug, Default)]
pub(super) struct PullIndex {
    pulls: BTreeMap<u64, Pull>,
    by_branch: BTreeMap<String, BTreeSet<u64>>,
    /// Open, and opened by us.
    open: BTreeSet<u64>,
}

/// A pull request that differs from what was known of it.
#[derive(Debug)]
pub(super) struct AppliedPull {
    pub(super) number: u64,
    /// It is open, merged or closed now and was not before.
    pub(super) state_changed: bool,
    pub(super) merged: bool,
    pub(super) was_known: bool,
    /// An open one of ours is to be merged into another branch than before.
    pub(super) retargeted: bool,
    pub(super) is_open_and_ours: bool,
    /// It has ended, and no approval will ask for it: it is not in the index.
    pub(super) dropped: bool,
}

impl PullIndex {
    /// Takes a pull request into the index; `None` if that changes nothing, or if the known one is newer. `wanted` is
    /// whether some approval has its branch.
    pub(super) fn apply(&mut self, identity: &Identity, pull: Pull, wanted: bool) -> Option<AppliedPull> {
        if !pull.branch.starts_with(PREFIX) {
            return None;
        }
        let known = self.pulls.get(&pull.number);
        if known.is_some_and(|k| k.updated > pull.updated || *k == pull) {
            return None;
        }
        let is_open = pull.is_open();
        let is_open_and_ours = is_open && plan::ours(identity, &pull).is_some();
        let left_base = known.is_some_and(|k| k.base == identity.base && k.base != pull.base);
        let applied = AppliedPull {
            number: pull.number,
            state_changed: known.is_none_or(|k| k.state != pull.state),
            merged: pull.state == PullState::Merged,
            was_known: known.is_some(),
            retargeted: is_open_and_ours && left_base,
            is_open_and_ours,
            dropped: !wanted && !is_open,
        };
        if applied.dropped {
            self.remove(pull.number);
            return Some(applied);
        }
        if is_open_and_ours {
            self.open.insert(pull.number);
        } else {
            self.open.remove(&pull.number);
        }
        self.by_branch.entry(pull.branch.clone()).or_default().insert(pull.number);
        self.pulls.insert(pull.number, pull);
        Some(applied)
    }

    fn remove(&mut self, number: u64) {
        self.open.remove(&number);
        if let Some(pull) = self.pulls.remove(&number)
            && let Some(numbers) = self.by_branch.get_mut(&pull.branch)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_branch.remove(&pull.branch);
            }
        }
    }

    /// Forgets what ended on a branch that no approval has any more. Returns the numbers.
    pub(super) fn forget_ended(&mut self, branch: &str) -> Vec<u64> {
        let ended = self.of_branch(branch).filter(|pull| !pull.is_open());
        let ended: Vec<u64> = ended.map(|pull| pull.number).collect();
        for number in &ended {
            self.remove(*number);
        }
        ended
    }

    /// Finds out anew which of the open ones are ours.
    pub(super) fn recount_open(&mut self, identity: &Identity) {
        let open = |pull: &&Pull| pull.is_open() && plan::ours(identity, pull).is_some();
        self.open = self.pulls.values().filter(open).map(|pull| pull.number).collect();
    }

    pub(super) fn get(&self, number: u64) -> Option<&Pull> {
        self.pulls.get(&number)
    }

    /// Pull requests from a branch of this name in any repository, oldest first.
    pub(super) fn of_branch(&self, name: &str) -> impl DoubleEndedIterator<Item = &Pull> {
        self.by_branch.get(name).into_iter().flatten().filter_map(|number| self.pulls.get(number))
    }

    pub(super) fn has_open(&self, branch: &str) -> bool {
        self.of_branch(branch).any(Pull::is_open)
    }

    /// Commits that pull requests of ours from this branch ended on.
    pub(super) fn our_heads(&self, identity: &Identity, branch: &str) -> impl Iterator<Item = String> {
        let ours = self.of_branch(branch).filter(|pull| plan::ours(identity, pull).is_some());
        ours.map(|pull| pull.head.clone())
    }

    /// Numbers of those that are open and ours.
    pub(super) fn open(&self) -> &BTreeSet<u64> {
        &self.open
    }
}
