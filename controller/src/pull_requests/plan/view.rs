//! The view that a plan is made from: one approval, and what is known of the forge, handed in.

use autopilot_shared::api::{ActionApproval, PullRequest};
use autopilot_shared::config::Github;
use autopilot_shared::time::signed;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::folder::Folder;
use super::observed::Observed;
use crate::decide::{Approval, Target, lookup};
use crate::pull_requests::forge::{Author, Pull};

/// Settings of pull requests.
#[derive(Clone, Debug, PartialEq)]
pub struct PullRequestSettings {
    /// The folder that the GitOps tool syncs; empty for the root.
    pub folder: String,
    /// Author and committer of every commit.
    pub author: Author,
    /// The branch to merge into; `None` for the repository's default.
    pub base: Option<String>,
    /// Labels of new pull requests.
    pub labels: Vec<String>,
    /// Logins that are asked for a review of new pull requests.
    pub reviewers: Vec<String>,
    /// The name of this cluster in pull requests; `None` for its UID.
    pub cluster_name: Option<String>,
    /// Time between two looks at the forge.
    pub poll: SignedDuration,
    /// How many pull requests may be open at once; the other approvals wait.
    pub max_open: usize,
    /// How long after a merge the cluster may not know of it.
    pub sync_limit: SignedDuration,
    /// Whether the GitOps tool is asked to reconcile after a merge, instead of at its next interval.
    pub request_reconcile: bool,
    /// How long an approval that is being deleted waits for a forge that does not do what is asked.
    pub deletion_bound: SignedDuration,
}

impl PullRequestSettings {
    /// Reads them from the configuration.
    pub(crate) fn new(github: &Github) -> Self {
        PullRequestSettings {
            folder: github.folder.clone(),
            author: Author { name: github.author.clone(), email: github.email.clone() },
            base: github.branch.clone(),
            labels: github.labels.clone(),
            reviewers: github.reviewers.clone(),
            cluster_name: github.cluster_name.clone(),
            poll: signed(github.poll_interval),
            max_open: github.max_open,
            sync_limit: signed(github.sync_limit),
            request_reconcile: github.request_sync,
            deletion_bound: signed(github.deletion_limit),
        }
    }
}

/// Our identity on the forge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `owner/name`.
    pub(crate) repository: String,
    /// Login of the token.
    pub(crate) login: String,
    /// UID of namespace `kube-system`.
    pub(crate) cluster: String,
    /// The branch to merge into.
    pub(crate) base: String,
}

/// A forge that does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForgeOutage {
    /// Time of the first failure in a row.
    pub(crate) since: Timestamp,
    /// One word: `Unauthorized`, `Limited`, `Unavailable`, …
    pub(crate) reason: &'static str,
    /// The error, for people.
    pub(crate) text: String,
}

/// Whether an approval may have a pull request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Now.
    Go,
    /// As soon as those before it have theirs.
    #[default]
    Soon,
    /// As many are open as may be.
    Full {
        /// At least so many wait before it.
        before: u32,
    },
}

/// Everything that a plan for one approval is made from.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    /// The current time.
    pub(crate) now: Timestamp,
    /// The settings in force.
    pub(crate) settings: &'a PullRequestSettings,
    /// Our identity; `None` until the forge has said it, and listed its pull requests.
    pub(crate) identity: Option<&'a Identity>,
    /// The approval.
    pub(crate) approval: &'a Approval,
    /// Pull requests from a branch of its branch's name in any repository, newest first.
    pub(crate) pulls: &'a [&'a Pull],
    /// Everything else that is known of the forge.
    pub(crate) observed: &'a Observed,
    /// The folder; `None` if it was not read since something changed in it.
    pub(crate) folder: Option<&'a Folder>,
    /// Whether the approval may have a pull request now.
    pub(crate) slot: Slot,
    /// When this controller started to look.
    pub(crate) started: Timestamp,
    /// The outage of the forge, if there is one.
    pub(crate) outage: Option<&'a ForgeOutage>,
}

impl<'a> View<'a> {
    pub(crate) fn raw(&self) -> &'a ActionApproval {
        &self.approval.raw
    }

    /// Name of the approval.
    pub(crate) fn name(&self) -> String {
        self.raw().name_any()
    }

    /// Precondition of a write to the approval.
    pub(crate) fn target(&self) -> Target {
        lookup::target(self.approval)
    }

    /// Whether the approval has this UID.
    pub(crate) fn has_uid(&self, uid: &String) -> bool {
        self.raw().metadata.uid.as_ref() == Some(uid)
    }

    /// The pull request that the status records.
    pub(crate) fn recorded(&self) -> Option<&'a PullRequest> {
        self.raw().pull_request()
    }

    /// The record of this very pull request: another repository has the same numbers.
    pub(crate) fn record_of(&self, pull: &Pull) -> Option<&'a PullRequest> {
        self.recorded().filter(|record| record.number == pull.number && record.url == pull.url)
    }
}
