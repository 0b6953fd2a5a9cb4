//! Pull requests of ours whose approval is not there any more.

use jiff::Timestamp;

use super::effect::{Ask, Class, ForgeEffect, Write};
use super::view::Posted;
use crate::pull_requests::forge::{Branch, Pull, PullState};
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::marker::{self, Marker};

/// What is known of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orphan {
    /// The approval was read past every cache, and is gone.
    pub gone: bool,
    /// What has been said on it.
    pub posted: Posted,
    /// Its branch, if that was asked: there or not.
    pub branch: Option<Option<Branch>>,
    /// The forge does not let its branch go.
    pub kept: bool,
    /// How often in a row something failed.
    pub attempts: u32,
    /// Left alone until then.
    pub until: Option<Timestamp>,
}

/// The next step. The branch goes before the pull request: a crash in between leaves something that is found again.
pub fn orphan(pull: &Pull, marker: &Marker, known: &Orphan) -> Option<(Class, ForgeEffect)> {
    if pull.state != PullState::Open {
        return None;
    }
    let ask = |ask| Some((Class::Ending, ForgeEffect::Ask(ask)));
    let write = |write| Some((Class::Ending, ForgeEffect::Write(Box::new(write))));
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
        None => ask(Ask::Branch { name: pull.branch.clone() }),
        // A head that moved is somebody's work on a branch of ours; the pull request is closed, the work stays.
        Some(Some(tip)) if tip.commit == pull.head && !known.kept => {
            write(Write::DeleteBranch { name: pull.branch.clone(), commit: tip.commit.clone() })
        }
        Some(_) => write(Write::Close { number }),
    }
}
