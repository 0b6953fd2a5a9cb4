//! Requests that the tracker makes, and the responses to them.

use jiff::Timestamp;

use crate::decide::{Approval, Target};
use crate::pull_requests::forge::{Branch, Conditional, File, Page, Pull};
use crate::pull_requests::plan::{Ask, ClusterEffect, Finding, ForgeEffect};
use crate::pull_requests::text::file::{FileContent, FiledApproval};
use crate::pull_requests::text::marker::Marker;

/// The name of an approval.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApprovalKey {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name within the namespace.
    pub(crate) name: String,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Write to the cluster.
    Cluster {
        /// The approval that the write is about.
        key: ApprovalKey,
        /// The write.
        effect: Box<ClusterEffect>,
    },
    /// Ask the forge, or the cluster for the forge's sake.
    Forge(Box<Request>),
    /// Nothing before this time, unless something happens.
    Idle(Option<Timestamp>),
}

/// A request to the forge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Subject of the request.
    pub(crate) subject: Subject,
    /// The request itself.
    pub(crate) call: Call,
    /// The approval as it was when this was decided. A write is not sent if it is another now.
    pub(crate) basis: Option<Target>,
}

/// Subject of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An approval.
    Approval(ApprovalKey),
    /// A pull request without approval, by number.
    Orphan(u64, Box<Marker>),
    /// A branch that an approval left behind.
    LeftoverBranch(String),
    /// A branch with a name of ours that no approval has.
    Unowned(String),
    /// Files on the branch to merge into that nobody waits for.
    LeftoverFiles(Vec<LeftoverFile>),
    /// Everything.
    All,
}

/// A file of ours that nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftoverFile {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// The approval that it was made for.
    pub(crate) key: ApprovalKey,
    /// Digest of the proposal that it was made for.
    pub(crate) digest: String,
}

/// A call of the forge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// Asks for the login of the token and, unless the configuration says it, for the branch to merge into.
    Login,
    /// Asks for a page of pull requests.
    List {
        /// Counts from 1.
        page: u32,
        /// ETag of the last response.
        etag: Option<String>,
    },
    /// Asks for the branches with names of ours.
    Branches,
    /// Carries out a step of a plan.
    Step(ForgeEffect),
}

impl Call {
    /// Returns how many requests a read takes, about.
    pub(super) fn reads(&self) -> u32 {
        match self {
            Call::Login => 2,
            Call::Step(ForgeEffect::Ask(ask)) => ask.weight(),
            Call::List { .. } | Call::Branches | Call::Step(ForgeEffect::Write(_)) => 1,
        }
    }

    /// Returns the weight of a write; 0 for a read.
    pub(super) fn write_weight(&self) -> u32 {
        match self {
            Call::Step(ForgeEffect::Write(write)) => write.weight(),
            _ => 0,
        }
    }

    /// Whether it goes to the cluster and not to the forge.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Call::Step(ForgeEffect::Ask(Ask::Findings | Ask::Gone | Ask::RequestReconcile)))
    }

    /// Whether a refusal of it concerns every request.
    pub(super) fn concerns_everything(&self) -> bool {
        matches!(self, Call::Login | Call::List { .. })
    }
}

/// Result of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Response {
    /// To [`Call::Login`].
    Identity {
        /// Login of the token.
        login: String,
        /// The branch to merge into.
        base: String,
    },
    /// To [`Call::List`].
    Page(Conditional<Page>),
    /// To [`Call::Branches`].
    Branches(Vec<String>),
    /// To [`Ask::Search`], and to [`Write::Open`](crate::pull_requests::plan::Write::Open) if there are some that were
    /// not known: then none was opened.
    Pulls(Vec<Pull>),
    /// To [`Ask::Branch`], and to the deletion of a branch that ends on another commit.
    Branch(Option<Branch>),
    /// To [`Ask::Tip`]: approvals by the path of their file.
    Tip(Vec<(String, FiledApproval)>),
    /// To [`Ask::Head`].
    Head(Option<FiledApproval>),
    /// To [`Ask::File`].
    File(FileContent),
    /// To [`Ask::Decider`]: a login.
    Decider(String),
    /// To [`Ask::Comments`].
    Comments(Vec<String>),
    /// To [`Ask::Folder`].
    Folder(Branch, Vec<File>),
    /// To [`Ask::Findings`].
    Findings(Vec<Finding>),
    /// To [`Ask::Gone`].
    Gone(bool),
    /// A branch was pushed; its commit.
    Pushed(String),
    /// A pull request was opened.
    Opened(Box<Pull>),
    /// A write was done.
    Done,
    /// The approval is another than the one that this was decided for: nothing was sent.
    Moved(Option<Box<Approval>>),
}

/// Figures for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Our pull requests that are open.
    pub open: usize,
    /// Approvals that want a pull request and have none.
    pub waiting: usize,
}
