//! Which pull requests are about an approval, and which only look so.

use autopilot_shared::api::PullRequest;
use kube::ResourceExt as _;

use super::view::{Identity, View};
use crate::pull_requests::forge::{Pull, PullState};
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::marker::Marker;

/// Pull requests from branches of the approval's name, told apart.
#[derive(Debug, Default)]
pub(crate) struct MatchedPulls<'a> {
    /// Of the proposal.
    pub(crate) mine: Vec<&'a Pull>,
    /// Of an earlier proposal of the same approval, or of one that had its name.
    pub(crate) older: Vec<&'a Pull>,
    /// Of somebody else, and why it is thought so.
    pub(crate) foreign: Vec<(&'a Pull, &'static str)>,
}

impl<'a> MatchedPulls<'a> {
    /// The one that counts: what ended says more than what is open.
    pub(crate) fn leading(&self) -> Option<&'a Pull> {
        let rank = |pull: &&&Pull| match pull.state {
            PullState::Merged => 0,
            PullState::Closed => 1,
            PullState::Open => 2,
        };
        self.mine.iter().min_by_key(|pull| (rank(pull), pull.number)).copied()
    }

    /// All that we opened.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &'a Pull> {
        self.mine.iter().chain(&self.older).copied()
    }
}

/// The pull request in the status.
pub(crate) fn recorded<'a>(view: &View<'a>) -> Option<&'a PullRequest> {
    view.approval.raw.status.as_ref()?.pull_request.as_ref()
}

/// The record of this very pull request: another repository has the same numbers.
pub(crate) fn noted<'a>(view: &View<'a>, pull: &Pull) -> Option<&'a PullRequest> {
    recorded(view).filter(|r| r.number == pull.number && r.url == pull.url)
}

/// Whether its branch is in our repository, and not in a fork.
pub fn in_repository(identity: &Identity, pull: &Pull) -> bool {
    pull.head_repo.as_ref().is_some_and(|repo| repo.eq_ignore_ascii_case(&identity.repository))
}

/// Tells the pull requests apart for a proposal.
pub(crate) fn match_pulls<'a>(view: &View<'a>, identity: &Identity, digest: &str) -> MatchedPulls<'a> {
    let mut sorted = MatchedPulls::default();
    for pull in view.pulls.iter().copied() {
        match about(view, identity, pull) {
            // A record without a digest is of one that did not count when it was written.
            Ok(found) if found == digest || found.is_empty() => sorted.mine.push(pull),
            Ok(_) => sorted.older.push(pull),
            Err(why) => sorted.foreign.push((pull, why)),
        }
    }
    sorted
}

/// The proposal that a pull request was opened for. The record in the status goes before the text on the forge, which
/// people may edit; an older approval of the same name gives a digest that no proposal has.
fn about(view: &View<'_>, identity: &Identity, pull: &Pull) -> Result<String, &'static str> {
    if !in_repository(identity, pull) {
        return Err("LookAlike");
    }
    let raw = &view.approval.raw;
    let noted = noted(view, pull);
    if let Some(noted) = noted.filter(|r| !r.digest.is_empty()) {
        return Ok(noted.digest.clone());
    }
    match Marker::read(&pull.body) {
        Some(marker) => {
            let same = marker.cluster == identity.cluster
                && Some(&marker.namespace) == raw.metadata.namespace.as_ref()
                && marker.name == raw.name_any();
            if !same {
                Err("OtherCluster")
            } else if !pull.author.eq_ignore_ascii_case(&identity.login) && noted.is_none() {
                Err("LookAlike")
            } else if Some(&marker.uid) == raw.metadata.uid.as_ref() {
                Ok(marker.digest)
            } else {
                Ok(format!("of {}", marker.uid))
            }
        }
        None if noted.is_some() => Ok(String::new()),
        None => Err("LookAlike"),
    }
}

/// Whether a pull request of any approval of this cluster is ours; the marker, if so.
pub fn ours(identity: &Identity, pull: &Pull) -> Option<Marker> {
    Marker::read(&pull.body).filter(|marker| {
        marker.cluster == identity.cluster
            && pull.author.eq_ignore_ascii_case(&identity.login)
            && in_repository(identity, pull)
    })
}

/// What the file of the proposal is at the head of a pull request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head<'a> {
    /// As we pushed it.
    Untouched,
    /// Somebody pushed; this is there now.
    Pushed(Option<&'a FiledApproval>),
    /// Not known.
    Unknown,
}

pub(crate) fn head<'a>(view: &View<'a>, pull: &Pull, digest: &str) -> Head<'a> {
    let untouched = Marker::read(&pull.body).is_some_and(|m| m.head == pull.head && m.digest == digest);
    if untouched {
        return Head::Untouched;
    }
    match view.observed.heads.get(&pull.head) {
        Some(content) => Head::Pushed(content.as_ref()),
        None => Head::Unknown,
    }
}
