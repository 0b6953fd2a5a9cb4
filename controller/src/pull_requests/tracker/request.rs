//! What the tracker ask for, and what they are told.

use jiff::Timestamp;

use crate::decide::{Approval, Target};
use crate::pull_requests::forge::{Branch, Conditional, File, Page, Pull};
use crate::pull_requests::plan::{ClusterEffect, Finding, ForgeEffect};
use crate::pull_requests::text::file::{FileContent, FiledApproval};
use crate::pull_requests::text::marker::Marker;

/// Namespace and name of an approval.
pub type Key = (String, String);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write to the cluster.
    Cluster(Key, Box<ClusterEffect>),
    /// Ask the forge, or the cluster for the forge's sake.
    Forge(Box<Request>),
    /// Nothing before this time, unless something is seen.
    Idle(Option<Timestamp>),
}

/// A request to the forge.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it is about.
    pub subject: Subject,
    /// What is asked.
    pub call: Call,
    /// The approval as it was when this was decided. A write is not sent when it is another by now.
    pub basis: Option<Target>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An approval.
    Approval(Key),
    /// A pull request without one.
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
pub struct LeftoverFile {
    /// Its path.
    pub path: String,
    /// The approval that it is of.
    pub key: Key,
    /// Digest of its proposal.
    pub digest: String,
}

/// What is asked of a forge.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Who we are, and, where the configuration does not say it, what to merge into.
    Login,
    /// A page of pull requests.
    List {
        /// Counts from 1.
        page: u32,
        /// Of the last answer.
        etag: Option<String>,
    },
    /// Which branches have a name of ours.
    Branches,
    /// A step of the flow.
    Step(ForgeEffect),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To [`Call::Login`]: login, and the branch to merge into.
    Identity(String, String),
    /// To [`Call::List`].
    Page(Conditional<Page>),
    /// To [`Call::Branches`].
    Branches(Vec<String>),
    /// To [`Ask::Search`], and to [`Write::Open`] when there are some that were not known: then none was opened.
    Pulls(Vec<Pull>),
    /// To [`Ask::Branch`].
    Branch(Option<Branch>),
    /// To [`Ask::Tip`]: paths and what is there.
    Tip(Vec<(String, FiledApproval)>),
    /// To [`Ask::Head`].
    Head(Option<FiledApproval>),
    /// To [`Ask::File`].
    File(FileContent),
    /// To [`Ask::Decider`].
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
    /// Approvals that want one and have none.
    pub waiting: usize,
    /// The forge does not do what is asked.
    pub outage: bool,
}
