//! Pull requests of ours whose approval is gone.

use jiff::Timestamp;

use super::effect::{Ask, ForgeEffect, Write};
use super::observed::{BranchState, PostedComments};
use crate::pull_requests::forge::Pull;
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::marker::{self, Marker};

/// Everything that is known of an orphan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Orphan {
    /// The approval was read past every cache, and is gone.
    pub(crate) gone: bool,
    /// Our comments on it.
    pub(crate) posted: PostedComments,
    /// Its branch.
    pub(crate) branch: BranchState,
    /// The forge does not let its branch go.
    pub(crate) branch_kept: bool,
    /// How often in a row something failed.
    pub(crate) attempts: u32,
    /// Time until which it is left alone.
    pub(crate) until: Option<Timestamp>,
}

/// Returns the next step about an orphan. The branch goes before the pull request: a crash in between leaves
/// something that is found again.
pub(crate) fn orphan(pull: &Pull, marker: &Marker, known: &Orphan) -> Option<ForgeEffect> {
    if !pull.is_open() {
        return None;
    }
    let ask = |ask| Some(ForgeEffect::Ask(ask));
    let write = |write| Some(ForgeEffect::Write(Box::new(write)));
    if !known.gone {
        return ask(Ask::Gone);
    }
    let number = pull.number;
    let outcome = marker::outcome(Comment::Orphaned.word(), &marker.digest);
    if !known.posted.outcomes.contains(&outcome) {
        if !known.posted.fresh {
            return ask(Ask::Comments { number });
        }
        let text = Comment::Orphaned.text(None, &marker.digest);
        return write(Write::Comment { number, outcome, text });
    }
    match &known.branch {
        BranchState::Unknown => ask(Ask::Branch { name: pull.branch.clone() }),
        // A head that moved is somebody's work on a branch of ours; the pull request is closed, the work stays.
        BranchState::Present(tip) if tip.commit == pull.head && !known.branch_kept => {
            write(Write::DeleteBranch { name: pull.branch.clone(), commit: tip.commit.clone() })
        }
        BranchState::Present(_) | BranchState::Absent => write(Write::Close { number }),
    }
}
