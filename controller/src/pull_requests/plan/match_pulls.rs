//! Which pull requests are about an approval, and which only look so.

use kube::ResourceExt as _;

use super::view::{Identity, View};
use crate::pull_requests::forge::{Pull, PullState};
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::marker::Marker;

/// Pull requests from branches of the approval's name, told apart.
#[derive(Debug, Default)]
pub(crate) struct MatchedPulls<'a> {
    /// Opened for the proposal.
    pub(crate) mine: Vec<&'a Pull>,
    /// Opened for an earlier proposal of the same approval, or for one that had its name.
    pub(crate) older: Vec<&'a Pull>,
    /// Of somebody else.
    pub(crate) foreign: Vec<ForeignPull<'a>>,
}

/// A pull request from a branch of the approval's name that is not ours.
#[derive(Debug)]
pub(crate) struct ForeignPull<'a> {
    pub(crate) pull: &'a Pull,
    /// Reason of the condition that names it.
    pub(crate) reason: &'static str,
}

impl<'a> MatchedPulls<'a> {
    /// The pull request that counts: one that ended says more than one that is open.
    pub(crate) fn leading(&self) -> Option<&'a Pull> {
        let rank = |pull: &&&Pull| match pull.state {
            PullState::Merged => 0,
            PullState::Closed => 1,
            PullState::Open => 2,
        };
        self.mine.iter().min_by_key(|pull| (rank(pull), pull.number)).copied()
    }

    /// All pull requests that we opened.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &'a Pull> {
        self.mine.iter().chain(&self.older).copied()
    }
}

/// Whether its branch is in our repository, and not in a fork.
pub(crate) fn in_repository(identity: &Identity, pull: &Pull) -> bool {
    pull.head_repo.as_ref().is_some_and(|repo| repo.eq_ignore_ascii_case(&identity.repository))
}

/// Matches the pull requests with a proposal.
pub(crate) fn match_pulls<'a>(view: &View<'a>, identity: &Identity, digest: &str) -> MatchedPulls<'a> {
    let mut matched = MatchedPulls::default();
    for pull in view.pulls.iter().copied() {
        match about(view, identity, pull) {
            // A record without a digest is of one that did not count when it was written.
            Ok(found) if found == digest || found.is_empty() => matched.mine.push(pull),
            Ok(_) => matched.older.push(pull),
            Err(reason) => matched.foreign.push(ForeignPull { pull, reason }),
        }
    }
    matched
}

/// Returns the digest of the proposal that a pull request was opened for; the error is the reason why it is not ours.
/// The record in the status goes before the text on the forge, which people may edit; an older approval of the same
/// name gives a digest that no proposal has.
fn about(view: &View<'_>, identity: &Identity, pull: &Pull) -> Result<String, &'static str> {
    if !in_repository(identity, pull) {
        return Err("LookAlike");
    }
    let raw = &view.approval.raw;
    let record = view.record_of(pull);
    if let Some(record) = record.filter(|r| !r.digest.is_empty()) {
        return Ok(record.digest.clone());
    }
    match Marker::read(&pull.body) {
        Some(marker) => {
            let same = marker.cluster == identity.cluster
                && Some(&marker.namespace) == raw.metadata.namespace.as_ref()
                && marker.name == raw.name_any();
            if !same {
                Err("OtherCluster")
            } else if !pull.author.eq_ignore_ascii_case(&identity.login) && record.is_none() {
                Err("LookAlike")
            } else if Some(&marker.uid) == raw.metadata.uid.as_ref() {
                Ok(marker.digest)
            } else {
                Ok(format!("of {}", marker.uid))
            }
        }
        None if record.is_some() => Ok(String::new()),
        None => Err("LookAlike"),
    }
}

/// Returns the marker of a pull request that is ours, of any approval of this cluster.
pub(crate) fn ours(identity: &Identity, pull: &Pull) -> Option<Marker> {
    Marker::read(&pull.body).filter(|marker| {
        marker.cluster == identity.cluster
            && pull.author.eq_ignore_ascii_case(&identity.login)
            && in_repository(identity, pull)
    })
}

/// State of the proposal's file at the head of a pull request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head<'a> {
    /// The file is as we pushed it.
    Untouched,
    /// Somebody pushed; `None` if there is no approval in the file now.
    Pushed(Option<&'a FiledApproval>),
    /// The file must be read first.
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
