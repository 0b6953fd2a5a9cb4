//! The end of pull requests and branches: with a comment that says why, and only if they are ours.

use super::builder::PlanBuilder;
use super::conditions;
use super::effect::{Ask, Write};
use super::files;
use super::match_pulls::MatchedPulls;
use super::observed::BranchState;
use super::view::View;
use crate::pull_requests::forge::{Branch, Pull, PullState};
use crate::pull_requests::text::body;
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::marker::Marker;

/// Comments on a pull request, and closes it if it is open.
pub(crate) fn end(out: &mut PlanBuilder<'_, '_>, pull: &Pull, comments: &[Comment<'_>], digest: &str) {
    for comment in comments {
        out.comment(pull.number, comment, digest);
    }
    if pull.is_open() {
        out.write(Write::Close { number: pull.number });
    }
}

/// Whether we closed a pull request, as far as that is remembered.
pub(crate) fn closed_by_us(view: &View<'_>, pull: &Pull) -> bool {
    let closed = view.observed.deciders.get(&pull.number);
    pull.state == PullState::Closed && view.identity.is_some_and(|identity| closed == Some(&identity.login))
}

/// Ends the pull requests of earlier proposals of the same approval; those of an approval of that name that is gone are
/// closed as such. A comment that was refused before we closed it is not forgotten.
pub(crate) fn close_older(out: &mut PlanBuilder<'_, '_>, matched: &MatchedPulls<'_>) {
    for pull in &matched.older {
        if !pull.is_open() && !closed_by_us(out.view(), pull) {
            continue;
        }
        let marker = Marker::read(&pull.body).unwrap_or_default();
        if out.view().has_uid(&marker.uid) {
            end(out, pull, &[Comment::Replaced], &marker.digest);
        }
    }
}

/// Deletes the branch, if it is there and ours: `pulls` are ours, so are their heads.
pub(crate) fn drop_branch<'p>(out: &mut PlanBuilder<'_, '_>, mut pulls: impl Iterator<Item = &'p Pull>) {
    let name = out.branch();
    let tip = match &out.view().observed.branch {
        BranchState::Unknown => return out.ask(Ask::Branch { name }),
        BranchState::Absent => return,
        BranchState::Present(tip) => tip,
    };
    let ours = if pulls.any(|p| p.head == tip.commit) { Some(true) } else { pushed_by_us(out.view(), tip) };
    match ours {
        None => out.ask(Ask::Tip { commit: tip.commit.clone() }),
        Some(true) => out.write(Write::DeleteBranch { name, commit: tip.commit.clone() }),
        Some(false) => {
            let text = format!("branch {name} is not ours and stays");
            out.set_condition(conditions::LEFT, "ForeignBranch", text);
        }
    }
}

/// Whether this cluster made the commit at the head of a branch; `None` if that must be asked. The name of the file
/// proves it, whoever the configuration calls the author now.
pub(crate) fn pushed_by_us(view: &View<'_>, tip: &Branch) -> Option<bool> {
    if tip.message.lines().next() != body::message(view.raw()).lines().next() {
        return Some(false);
    }
    let filed = view.observed.tips.get(&tip.commit)?;
    Some(filed.iter().any(|filed| files::is_named(view, filed)))
}
