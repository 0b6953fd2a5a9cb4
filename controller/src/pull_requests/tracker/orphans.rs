//! Open pull requests of ours whose approval is gone: they are closed.

use std::collections::BTreeMap;

use autopilot_shared::backoff::backoff;
use jiff::Timestamp;

use super::pauses;
use super::request::Response;
use crate::pull_requests::forge::ForgeError;
use crate::pull_requests::plan::{Ask, BranchState, ForgeEffect, Orphan, PostedComments, Write};

/// The orphans, by number of the pull request.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    known: BTreeMap<u64, Orphan>,
}

impl Orphans {
    pub(super) fn add(&mut self, number: u64) {
        self.known.entry(number).or_default();
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.known.remove(&number);
    }

    /// Those that may be worked on now.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = (u64, &Orphan)> {
        let due = self.known.iter().filter(move |(_, o)| o.until.is_none_or(|until| until <= now));
        due.map(|(number, orphan)| (*number, orphan))
    }

    /// When the first of those that wait is due.
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        self.known.values().filter_map(|orphan| orphan.until).min()
    }

    /// Whether the forge did not let the branch go.
    pub(super) fn keeps_branch(&self, number: u64) -> bool {
        self.known.get(&number).is_some_and(|orphan| orphan.branch_kept)
    }

    /// Takes in a response to a step about an orphan, other than to closing it.
    pub(super) fn respond(&mut self, number: u64, effect: ForgeEffect, response: Response) {
        if let (ForgeEffect::Ask(Ask::Gone), Response::Gone(false)) = (&effect, &response) {
            // The watch is late, and will bring it.
            return self.remove(number);
        }
        let Some(orphan) = self.known.get_mut(&number) else { return };
        match (effect, response) {
            (ForgeEffect::Ask(Ask::Gone), _) => orphan.gone = true,
            (ForgeEffect::Ask(Ask::Comments { .. }), Response::Comments(texts)) => {
                orphan.posted = PostedComments::read(&texts);
            }
            (ForgeEffect::Ask(Ask::Branch { .. }) | ForgeEffect::Write(_), Response::Branch(branch)) => {
                orphan.branch = branch.into();
            }
            (ForgeEffect::Write(write), _) => match *write {
                Write::Comment { outcome, .. } => {
                    orphan.posted.outcomes.insert(outcome);
                }
                Write::DeleteBranch { .. } => orphan.branch = BranchState::Absent,
                _ => {}
            },
            _ => {}
        }
    }

    /// Takes in that a step failed. A branch that the forge does not let go is left; anything else begins anew later.
    pub(super) fn failed(&mut self, now: Timestamp, number: u64, effect: &ForgeEffect, error: &ForgeError) {
        let Some(orphan) = self.known.get_mut(&number) else { return };
        if error.is_definite() && matches!(effect.change(), Some(Write::DeleteBranch { .. })) {
            orphan.branch_kept = true;
            return;
        }
        let first = pauses::first(error.is_definite());
        *orphan = Orphan {
            gone: orphan.gone,
            branch_kept: orphan.branch_kept,
            attempts: orphan.attempts.saturating_add(1),
            until: Some(now + backoff(orphan.attempts, first, pauses::LONGEST)),
            ..Orphan::default()
        };
    }

    /// Lifts what the forge refused under another token.
    pub(super) fn lift_refusals(&mut self) {
        for orphan in self.known.values_mut() {
            (orphan.until, orphan.branch_kept, orphan.attempts) = (None, false, 0);
        }
    }

    pub(super) fn clock_went_back(&mut self) {
        for orphan in self.known.values_mut() {
            orphan.until = None;
        }
    }
}
