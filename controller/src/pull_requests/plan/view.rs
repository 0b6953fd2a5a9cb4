//! What a decision of the flow is made from: one approval, and what is known of the forge, handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use autopilot_shared::config::Github;
use jiff::{SignedDuration, Timestamp};

use super::effect::Ask;
use crate::decide::Approval;
use crate::pull_requests::forge::{Author, Branch, File, Pull, is_kustomization};
use crate::pull_requests::text::file::{self, FileContent, FiledApproval};

/// Settings of the flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The folder that the GitOps tool syncs; empty for the root.
    pub folder: String,
    /// Author and committer.
    pub author: Author,
    /// The branch to merge into; nothing for the repository's default.
    pub base: Option<String>,
    /// Labels of new pull requests.
    pub labels: Vec<String>,
    /// Who is asked for a review of them.
    pub reviewers: Vec<String>,
    /// What pull requests call this cluster; nothing for its id.
    pub cluster_name: Option<String>,
    /// Time between two looks at the forge.
    pub poll: SignedDuration,
    /// How many pull requests are open at once; the other approvals wait.
    pub max_open: usize,
    /// How long after a merge the cluster may not know of it.
    pub sync_limit: SignedDuration,
    /// Whether the GitOps tool is asked to look after a merge, instead of waiting for its next round.
    pub request_reconcile: bool,
    /// How long an approval that is being deleted waits for a forge that does not do what is asked.
    pub deletion_bound: SignedDuration,
}

impl Settings {
    /// From the configuration.
    pub fn new(github: &Github) -> Self {
        let signed = |d: Duration| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX);
        Settings {
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

/// Who we are on the forge, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `owner/name`.
    pub repository: String,
    /// Login of the token.
    pub login: String,
    /// UID of namespace `kube-system`.
    pub cluster: String,
    /// The branch to merge into.
    pub base: String,
}

/// What is known of the forge about one approval. Nothing of it is remembered over a restart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// When all pull requests of its branch were asked for.
    pub searched: Option<Timestamp>,
    /// Its branch, if that was asked: there or not.
    pub branch: Option<Option<Branch>>,
    /// When that was.
    pub asked: Option<Timestamp>,
    /// What the files of this approval are at the head of a branch, by commit.
    pub tips: BTreeMap<String, Vec<FiledApproval>>,
    /// What the file of the proposal is at the head of a pull request, by commit.
    pub heads: BTreeMap<String, Option<FiledApproval>>,
    /// Who ended a pull request, by number.
    pub deciders: BTreeMap<u64, String>,
    /// What has been said on a pull request, by number.
    pub posted: BTreeMap<u64, Posted>,
    /// Pull requests whose labels were set, or refused.
    pub labelled: BTreeSet<u64>,
    /// Whose reviews of which pull requests were asked, or refused.
    pub reviewed: BTreeSet<(u64, String)>,
    /// Pull requests for which not all could be asked at once: one by one shows who is refused.
    pub ask_one_by_one: BTreeSet<u64>,
    /// Whose reviews were refused.
    pub reviewers_rejected: BTreeSet<(u64, String)>,
    /// Pull requests for which the GitOps tool was asked to look, and when it was asked last.
    pub reconcile_requested: BTreeMap<u64, Timestamp>,
    /// What was found in the cluster after a merge, and when.
    pub findings: Option<(Timestamp, Vec<Finding>)>,
    /// Effects that the forge refused, by mark.
    pub refusals: BTreeMap<String, Refusal>,
}

/// The outcomes that comments of a pull request say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// As [`crate::pull_requests::text::marker::outcome`] writes them.
    pub outcomes: BTreeSet<String>,
    /// Read after our last attempt to add one.
    pub fresh: bool,
}

/// An effect that was refused; it is tried again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// First refusal.
    pub since: Timestamp,
    /// Not before.
    pub until: Timestamp,
    /// How often.
    pub attempts: u32,
    /// In the forge's words.
    pub why: String,
    /// The forge said no; otherwise it said nothing.
    pub definite: bool,
}

/// The folder on the branch to merge into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// That branch when it was asked.
    pub base: Branch,
    /// When.
    pub at: Timestamp,
    /// Its files, and the lists of files in the folders above it.
    pub files: Vec<File>,
    /// What is in those that were read.
    pub contents: BTreeMap<File, FileContent>,
}

impl Folder {
    /// The list of files that the folder (its path is given) brings along: it does not pick up new ones.
    pub fn kustomization(&self, folder: &str) -> Option<&str> {
        self.lists().find(|path| folder_of(path) == folder)
    }

    /// The nearest such list in a folder above it, not above the one that the GitOps tool begins at: it may leave this one
    /// out.
    pub fn kustomization_above(&self, folder: &str, begin: &str) -> Option<&str> {
        let inside = |at: &str| {
            begin.is_empty()
                || at.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let lists = self.lists().filter(|path| folder_of(path) != folder && inside(folder_of(path)));
        lists.max_by_key(|path| path.matches('/').count())
    }

    /// What is added where these files are removed: the documents of others in them stay, in files beside them.
    ///
    /// # Errors
    /// The first of them that was not read.
    pub fn others(&self, paths: &[String]) -> Result<Vec<(String, String)>, &File> {
        let mut kept = BTreeMap::new();
        for found in self.files.iter().filter(|f| paths.contains(&f.path)) {
            let others = &self.contents.get(found).ok_or(found)?.others;
            if !others.is_empty() {
                kept.insert(file::beside(&found.path, others), others.clone());
            }
        }
        Ok(kept.into_iter().collect())
    }

    /// The question what is in a file of it.
    pub(crate) fn look(&self, file: &File) -> Ask {
        Ask::File { path: file.path.clone(), blob: file.blob.clone(), at: self.base.commit.clone() }
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|f| f.path.as_str()).filter(|path| is_kustomization(path))
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The forge does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeOutage {
    /// Since when.
    pub since: Timestamp,
    /// One word: `Unauthorized`, `Limited`, `Unavailable`, …
    pub reason: &'static str,
    /// For people.
    pub text: String,
}

/// What stands between a merge and the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No Kustomization of this repository has the folder in its path.
    NoKustomization,
    /// This one is suspended.
    Suspended {
        /// `Kustomization flux-system/apps`, `GitRepository …`.
        object: String,
    },
    /// This one is not ready.
    Failing {
        /// `Kustomization flux-system/apps`, `GitRepository …`.
        object: String,
        /// In its words.
        message: String,
    },
    /// The source has not fetched the merge yet.
    Behind {
        /// `GitRepository flux-system/fleet`.
        object: String,
    },
    /// This Kustomization puts everything into another namespace.
    OtherNamespace {
        /// `Kustomization flux-system/apps`.
        object: String,
        /// Its `targetNamespace`.
        namespace: String,
    },
    /// It was applied, and is not what was proposed.
    Applied {
        /// `Kustomization flux-system/apps`.
        object: String,
        /// The folder that it begins at, without `./` and slashes at the ends; empty for the root.
        path: String,
    },
    /// There is no GitOps tool that could be asked.
    Unknown,
}

/// Whether it is an approval's turn to get a pull request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Now.
    Go,
    /// As soon as those before it have theirs.
    #[default]
    Soon,
    /// As many are open as may be; at least so many wait before it.
    Full {
        /// How many.
        before: u32,
    },
}

/// Everything seen of one approval.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Now.
    pub now: Timestamp,
    /// Settings.
    pub settings: &'a Settings,
    /// Who we are; nothing until the forge has said so, and listed its pull requests.
    pub identity: Option<&'a Identity>,
    /// The approval.
    pub approval: &'a Approval,
    /// Pull requests from a branch of its branch's name in any repository, newest first.
    pub pulls: &'a [&'a Pull],
    /// What else is known of the forge.
    pub observed: &'a Observed,
    /// The folder, when it was asked for.
    pub folder: Option<&'a Folder>,
    /// Whether it may have a pull request now.
    pub slot: Slot,
    /// When this controller began to look.
    pub started: Timestamp,
    /// What is wrong with the forge.
    pub outage: Option<&'a ForgeOutage>,
}
