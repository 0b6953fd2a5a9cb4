//! Observations on the forge about one approval: input of the plan, which only reads it. The tracker writes it, and
//! forgets it with the process.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::effect::EffectKey;
use crate::pull_requests::forge::Branch;
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::marker;

/// Observations about one approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    /// When all pull requests of its branch were searched.
    pub(crate) searched: Option<Timestamp>,
    /// Its branch.
    pub(crate) branch: BranchState,
    /// When the branch was asked for.
    pub(crate) branch_asked: Option<Timestamp>,
    /// Files of this approval at the head of a branch, by commit.
    pub(crate) tips: BTreeMap<String, Vec<FiledApproval>>,
    /// File of the proposal at the head of a pull request, by commit; `None` if there is no approval in it.
    pub(crate) heads: BTreeMap<String, Option<FiledApproval>>,
    /// Login of whoever ended a pull request, by number.
    pub(crate) deciders: BTreeMap<u64, String>,
    /// Our comments on a pull request, by number.
    pub(crate) posted: BTreeMap<u64, PostedComments>,
    /// Pull requests whose labels were set, or refused.
    pub(crate) labelled: BTreeSet<u64>,
    /// Requests for reviews, by number of the pull request.
    pub(crate) reviews: BTreeMap<u64, ReviewRequests>,
    /// When the GitOps tool was asked last to reconcile after a merge, by number of the pull request.
    pub(crate) reconcile_requested: BTreeMap<u64, Timestamp>,
    /// Obstacles between a merge and the cluster.
    pub(crate) findings: Option<FindingsAt>,
    /// Steps that the forge refused.
    pub(crate) refusals: BTreeMap<EffectKey, Refusal>,
}

/// State of a branch, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum BranchState {
    /// Not asked for, or doubtful since.
    #[default]
    Unknown,
    /// There is no such branch.
    Absent,
    /// The branch, with the commit at its end.
    Present(Branch),
}

impl BranchState {
    /// Whether there is known to be no such branch.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, BranchState::Absent)
    }
}

impl From<Option<Branch>> for BranchState {
    fn from(found: Option<Branch>) -> Self {
        found.map_or(BranchState::Absent, BranchState::Present)
    }
}

/// Our comments on a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PostedComments {
    /// Outcomes that they tell, as [`marker::outcome`] writes them.
    pub(crate) outcomes: BTreeSet<String>,
    /// They were read after our last attempt to add one.
    pub(crate) fresh: bool,
}

impl PostedComments {
    /// Reads them from their texts.
    pub(crate) fn read(texts: &[String]) -> Self {
        let outcomes = texts.iter().flat_map(|text| marker::outcomes(text)).map(str::to_owned).collect();
        PostedComments { outcomes, fresh: true }
    }
}

/// Requests for reviews of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReviewRequests {
    /// Logins whose review was asked for, or refused.
    pub(crate) asked: BTreeSet<String>,
    /// Logins that the forge does not take as reviewers.
    pub(crate) rejected: BTreeSet<String>,
    /// The forge refused several at once: asking one by one shows who is refused.
    pub(crate) one_by_one: bool,
}

/// A step that was refused; it is tried again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Time of the first refusal.
    pub(crate) since: Timestamp,
    /// Time before which it is not tried again.
    pub(crate) until: Timestamp,
    /// How often it was tried again.
    pub(crate) attempts: u32,
    /// The reason, in the forge's words.
    pub(crate) why: String,
    /// The forge said no; otherwise it said nothing.
    pub(crate) definite: bool,
}

/// Findings, and when they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FindingsAt {
    /// Time of the look.
    pub(crate) at: Timestamp,
    /// The findings, the most telling first.
    pub(crate) findings: Vec<Finding>,
}

/// An obstacle between a merge and the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No Kustomization of this repository has the folder in its path.
    NoKustomization,
    /// An object of the GitOps tool is suspended.
    Suspended {
        /// `Kustomization flux-system/apps`, `GitRepository …`.
        object: String,
    },
    /// An object of the GitOps tool is not ready.
    Failing {
        /// `Kustomization flux-system/apps`, `GitRepository …`.
        object: String,
        /// The message of the object.
        message: String,
    },
    /// The source has not fetched the merge yet.
    Behind {
        /// `GitRepository flux-system/fleet`.
        object: String,
    },
    /// A Kustomization puts everything into another namespace.
    OtherNamespace {
        /// `Kustomization flux-system/apps`.
        object: String,
        /// Its `targetNamespace`.
        namespace: String,
    },
    /// A Kustomization was applied, and what it applied is not what was proposed.
    Applied {
        /// `Kustomization flux-system/apps`.
        object: String,
        /// Folder that the Kustomization begins at, without `./` and slashes at the ends; empty for the root.
        path: String,
    },
    /// There is no GitOps tool to ask.
    Unknown,
}
