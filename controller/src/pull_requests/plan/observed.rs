//! What was observed on the forge about one approval: input of the plan, which only reads it. The tracker writes it, and
//! forgets it with the process.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::effect::EffectKey;
use crate::pull_requests::forge::Branch;
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::marker;

/// Observations about one approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// When all pull requests of its branch were searched.
    pub searched: Option<Timestamp>,
    /// Its branch.
    pub branch: BranchState,
    /// When the branch was asked for.
    pub branch_asked: Option<Timestamp>,
    /// Files of this approval at the head of a branch, by commit.
    pub tips: BTreeMap<String, Vec<FiledApproval>>,
    /// File of the proposal at the head of a pull request, by commit; `None` if there is no approval in it.
    pub heads: BTreeMap<String, Option<FiledApproval>>,
    /// Login of whoever ended a pull request, by number.
    pub deciders: BTreeMap<u64, String>,
    /// Our comments on a pull request, by number.
    pub posted: BTreeMap<u64, PostedComments>,
    /// Pull requests whose labels were set, or refused.
    pub labelled: BTreeSet<u64>,
    /// Pull requests and the logins whose review was asked for, or refused.
    pub reviewed: BTreeSet<(u64, String)>,
    /// Pull requests for which the forge refused several reviewers at once: one by one shows who is refused.
    pub ask_one_by_one: BTreeSet<u64>,
    /// Pull requests and the logins that the forge does not take as reviewers.
    pub reviewers_rejected: BTreeSet<(u64, String)>,
    /// When the GitOps tool was asked last to reconcile after a merge, by number of the pull request.
    pub reconcile_requested: BTreeMap<u64, Timestamp>,
    /// What stands between a merge and the cluster.
    pub findings: Option<FindingsAt>,
    /// Steps that the forge refused.
    pub refusals: BTreeMap<EffectKey, Refusal>,
}

/// State of a branch, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BranchState {
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
    pub fn is_absent(&self) -> bool {
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
pub struct PostedComments {
    /// Outcomes that they tell, as [`marker::outcome`] writes them.
    pub outcomes: BTreeSet<String>,
    /// They were read after our last attempt to add one.
    pub fresh: bool,
}

impl PostedComments {
    /// Reads them from their texts.
    pub fn read(texts: &[String]) -> Self {
        let outcomes = texts.iter().flat_map(|text| marker::outcomes(text)).map(str::to_owned).collect();
        PostedComments { outcomes, fresh: true }
    }
}

/// A step that was refused; it is tried again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Time of the first refusal.
    pub since: Timestamp,
    /// Time before which it is not tried again.
    pub until: Timestamp,
    /// How often it was tried again.
    pub attempts: u32,
    /// The reason, in the forge's words.
    pub why: String,
    /// The forge said no; otherwise it said nothing.
    pub definite: bool,
}

/// Findings, and when they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingsAt {
    /// Time of the look.
    pub at: Timestamp,
    /// What was found, the most telling first.
    pub findings: Vec<Finding>,
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
