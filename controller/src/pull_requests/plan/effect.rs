//! Steps as data. Kubernetes writes carry the version that they are based on; before a write to the forge the
//! approval is read again, past every cache, since the forge knows no such precondition.

use std::fmt;

use autopilot_shared::api::ActionApprovalStatus;
use jiff::Timestamp;

use crate::decide::{EventDraft, Target};
use crate::pull_requests::forge::{Branch, Change, NewPull};

/// The next steps of one approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// In the cluster; before anything on the forge.
    pub(crate) cluster: Option<ClusterEffect>,
    /// On the forge.
    pub(crate) forge: Option<ForgeStep>,
    /// When to plan again even if nothing happens.
    pub(crate) wake: Option<Timestamp>,
    /// The approval wants a pull request and has none.
    pub(crate) wants: bool,
}

/// A step on the forge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForgeStep {
    /// Its place among those of other approvals.
    pub(crate) class: Class,
    /// The step itself.
    pub(crate) effect: ForgeEffect,
}

/// Order of requests to the forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Finding out what somebody decided.
    Decision,
    /// Comments on the result, closing, cleaning up.
    Ending,
    /// New pull requests.
    Creating,
}

/// A write to an approval.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterEffect {
    /// Set our finalizer: something on the forge is about to need us.
    AddFinalizer {
        /// The approval.
        target: Target,
        /// All finalizers, ours among them.
        finalizers: Vec<String>,
    },
    /// Replace `status.pullRequest` and `status.conditions`; what is `None` stays.
    WriteStatus {
        /// The approval.
        target: Target,
        /// The two fields.
        status: Box<ActionApprovalStatus>,
    },
    /// Write a decline that came by pull request into the spec.
    Mirror(Target),
    /// Delete an object that a GitOps tool made of a file of ours that is gone.
    Remove(Target),
    /// Remove our finalizer.
    Release {
        /// The approval.
        target: Target,
        /// Reports what stays behind on the forge; `None` if nothing does.
        event: Option<Box<EventDraft>>,
    },
}

/// A request to the forge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ForgeEffect {
    /// Learn something.
    Ask(Ask),
    /// Change something.
    Write(Box<Write>),
}

/// A read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Ask {
    /// Reads all pull requests of a branch.
    Search {
        /// Its name.
        branch: String,
    },
    /// Reads a branch, if it is there.
    Branch {
        /// Its name.
        name: String,
    },
    /// Reads the files of the approval at a commit.
    Tip {
        /// The commit.
        commit: String,
    },
    /// Reads the file of a proposal at a commit.
    Head {
        /// The commit.
        commit: String,
        /// Path of the file.
        path: String,
    },
    /// Reads who ended a pull request.
    Decider {
        /// Its number.
        number: u64,
    },
    /// Reads our comments on a pull request.
    Comments {
        /// Its number.
        number: u64,
    },
    /// Lists the folder on the branch to merge into.
    Folder,
    /// Reads a file of the folder.
    File {
        /// Path.
        path: String,
        /// Hash of its content.
        blob: String,
        /// The commit that it is read at.
        at: String,
    },
    /// Not of the forge: reads what stands between a merge and the cluster.
    Findings,
    /// Not of the forge: asks the GitOps tool to reconcile.
    RequestReconcile,
    /// Not of the forge: reads whether the approval is really gone.
    Gone,
}

impl Ask {
    /// Returns how many requests it takes, about.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Ask::Branch { .. } | Ask::Decider { .. } => 2,
            // The tree of every folder on the way, then the files.
            Ask::Folder | Ask::Tip { .. } => 4,
            Ask::Search { .. } | Ask::Head { .. } | Ask::Comments { .. } | Ask::File { .. } => 1,
            Ask::Findings | Ask::RequestReconcile | Ask::Gone => 0,
        }
    }
}

/// A change on the forge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// A commit on a new branch.
    Push {
        /// Its name.
        branch: String,
        /// The branch that it begins at.
        parent: Branch,
        /// The commit.
        change: Change,
    },
    /// A pull request.
    Open(NewPull),
    /// Labels.
    Label {
        /// Of this pull request.
        number: u64,
        /// Names.
        labels: Vec<String>,
    },
    /// Reviews.
    Review {
        /// Of this pull request.
        number: u64,
        /// Logins.
        logins: Vec<String>,
    },
    /// A comment.
    Comment {
        /// On this pull request.
        number: u64,
        /// As [`crate::pull_requests::text::marker::outcome`] writes it.
        outcome: String,
        /// The text.
        text: String,
    },
    /// Closes a pull request.
    Close {
        /// Its number.
        number: u64,
    },
    /// Deletes a branch, as long as it ends where it ended when that was decided.
    DeleteBranch {
        /// Its name.
        name: String,
        /// The commit at its end.
        commit: String,
    },
    /// A commit on the branch to merge into that removes files.
    DeleteFiles {
        /// The branch that it begins at.
        parent: Branch,
        /// The commit.
        change: Change,
    },
}

impl ForgeEffect {
    /// Returns the change; `None` for a read.
    pub(crate) fn change(&self) -> Option<&Write> {
        match self {
            ForgeEffect::Write(write) => Some(write),
            ForgeEffect::Ask(_) => None,
        }
    }

    /// Returns the identity of the step: the same key is the same step tried again.
    pub(crate) fn key(&self) -> EffectKey {
        match self {
            ForgeEffect::Ask(ask) => EffectKey::Ask(ask.clone()),
            ForgeEffect::Write(write) => match write.as_ref() {
                Write::Push { branch, .. } => EffectKey::Push { branch: branch.clone() },
                Write::Open(new) => EffectKey::Open { branch: new.branch.clone() },
                Write::Label { number, .. } => EffectKey::Label { number: *number },
                Write::Review { number, logins } => {
                    EffectKey::Review { number: *number, logins: logins.clone() }
                }
                Write::Comment { number, outcome, .. } => {
                    EffectKey::Comment { number: *number, outcome: outcome.clone() }
                }
                Write::Close { number } => EffectKey::Close { number: *number },
                Write::DeleteBranch { name, .. } => EffectKey::DeleteBranch { name: name.clone() },
                Write::DeleteFiles { change, .. } => EffectKey::DeleteFiles { paths: change.remove.clone() },
            },
        }
    }
}

/// Identity of a step on the forge, without what changes from one attempt to the next. Its text completes "the forge
/// refuses to …".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum EffectKey {
    /// A read.
    Ask(Ask),
    /// A commit on a new branch.
    Push {
        /// The branch.
        branch: String,
    },
    /// A new pull request.
    Open {
        /// The branch to merge.
        branch: String,
    },
    /// Labels of a pull request.
    Label {
        /// The pull request.
        number: u64,
    },
    /// Reviews of a pull request.
    Review {
        /// The pull request.
        number: u64,
        /// The reviewers.
        logins: Vec<String>,
    },
    /// A comment on a pull request.
    Comment {
        /// The pull request.
        number: u64,
        /// The outcome that it tells.
        outcome: String,
    },
    /// The end of a pull request.
    Close {
        /// The pull request.
        number: u64,
    },
    /// The end of a branch.
    DeleteBranch {
        /// The branch.
        name: String,
    },
    /// A commit that removes files.
    DeleteFiles {
        /// The files.
        paths: Vec<String>,
    },
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EffectKey::Ask(ask) => write!(f, "ask {ask:?}"),
            EffectKey::Push { branch } => write!(f, "push {branch}"),
            EffectKey::Open { branch } => write!(f, "open {branch}"),
            EffectKey::Label { number } => write!(f, "label {number}"),
            EffectKey::Review { number, logins } => {
                write!(f, "ask {} to review {number}", logins.join(", "))
            }
            EffectKey::Comment { number, outcome } => write!(f, "comment {number} {outcome}"),
            EffectKey::Close { number } => write!(f, "close {number}"),
            EffectKey::DeleteBranch { name } => write!(f, "delete branch {name}"),
            EffectKey::DeleteFiles { paths } => write!(f, "delete files {}", paths.join(" ")),
        }
    }
}

impl Write {
    /// Returns how many requests that create something it takes, which is what a forge counts.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            // Blob, tree, commit, reference.
            Write::Push { .. } => 4,
            // Tree, commit, reference.
            Write::DeleteFiles { .. } => 3,
            _ => 1,
        }
    }
}
