//! The port to a forge: everything that is needed of one.

use std::future::Future;

use jiff::Timestamp;

/// A pull request, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Where people see it.
    pub url: String,
    /// Name of the branch that it asks to merge.
    pub branch: String,
    /// `owner/name` of the repository that the branch is in; `None` if that is gone.
    pub head_repo: Option<String>,
    /// Commit at the head of that branch.
    pub head: String,
    /// Name of the branch that it asks to merge into.
    pub base: String,
    /// Title.
    pub title: String,
    /// Text, in Markdown.
    pub body: String,
    /// Login of the account that opened it.
    pub author: String,
    /// Open, closed or merged.
    pub state: PullState,
    /// When anything about it changed.
    pub updated: Timestamp,
    /// When it was closed or merged.
    pub ended: Option<Timestamp>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Logins whose review is asked for.
    pub reviewers: Vec<String>,
}

impl Pull {
    /// Whether it was neither closed nor merged.
    pub fn is_open(&self) -> bool {
        self.state == PullState::Open
    }
}

/// State of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullState {
    /// Neither closed nor merged.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged,
}

/// A page of pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Changed last comes first.
    pub pulls: Vec<Pull>,
    /// For the next conditional request.
    pub etag: Option<String>,
    /// Whether there is another page.
    pub more: bool,
}

/// The answer to a conditional request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conditional<T> {
    /// Nothing changed since the ETag.
    NotModified,
    /// The present state.
    Changed(T),
}

/// The account that ended a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decider {
    /// Login; empty if the forge does not say.
    pub login: String,
}

/// A branch and the commit at its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Name, without `refs/heads/`.
    pub name: String,
    /// Commit.
    pub commit: String,
    /// Tree of that commit.
    pub tree: String,
    /// Message of that commit.
    pub message: String,
    /// Address of its author.
    pub email: String,
}

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Path from the root of the repository.
    pub path: String,
    /// Hash of its content.
    pub blob: String,
}

/// Whether a file lists the files that a GitOps tool reads.
pub fn is_kustomization(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

/// Author of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

/// One commit: files that are added, and files that are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Message.
    pub message: String,
    /// Author and committer.
    pub author: Author,
    /// Date of the commit: the same change on the same parent is the same commit, however often it is made.
    pub at: Timestamp,
    /// Path and content.
    pub add: Vec<(String, String)>,
    /// Paths.
    pub remove: Vec<String>,
}

/// A pull request to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull {
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// Branch to merge.
    pub branch: String,
    /// Branch to merge into.
    pub base: String,
}

/// Reason why a request to the forge failed. Texts are for people and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// 401, or there is no token.
    #[error("the forge does not accept the token: {0}")]
    Unauthorized(String),
    /// The token is another one than the forge was last asked about: whose it is comes first. Nothing was sent.
    #[error("the token was replaced; whose it is must be asked first")]
    NewToken,
    /// 403 that is no rate limit, 409: protected branch, missing permission, empty repository.
    #[error("the forge refuses: {0}")]
    Refused(String),
    /// 404, 410. GitHub also says so where the token may not look.
    #[error("the forge does not find it: {0}")]
    NotFound(String),
    /// 422: the request makes no sense to the forge, or what it asks for is there already.
    #[error("the forge does not understand: {0}")]
    Invalid(String),
    /// A rate limit: nothing may be asked before.
    #[error("the forge asks for a pause until {until}: {why}")]
    Limited {
        /// Time from which it may be asked again.
        until: Timestamp,
        /// In its words.
        why: String,
    },
    /// 5xx, a time-out, no connection, an answer that cannot be read: whether a write happened is not known.
    #[error("the forge does not answer: {0}")]
    Unavailable(String),
}

impl ForgeError {
    /// Whether the forge said no to this request; otherwise it said nothing, or no to everything.
    pub fn is_definite(&self) -> bool {
        matches!(self, ForgeError::Refused(_) | ForgeError::NotFound(_) | ForgeError::Invalid(_))
    }
}

/// One repository on a forge. No call retries: the plan is level-triggered and comes again.
pub trait Forge: Send + Sync {
    /// `owner/name`.
    fn repository(&self) -> String;

    /// Returns the login that the token belongs to. Everything else fails with [`ForgeError::NewToken`] once the
    /// token is another one, until this is asked again.
    fn login(&self) -> impl Future<Output = Result<String, ForgeError>> + Send;

    /// Returns one page of all pull requests, open or not, changed last first; pages count from 1.
    fn pulls(
        &self,
        page: u32,
        etag: Option<&str>,
    ) -> impl Future<Output = Result<Conditional<Page>, ForgeError>> + Send;

    /// Returns all pull requests of a branch of this repository, newest first: asked before one is opened.
    fn pulls_of(&self, branch: &str) -> impl Future<Output = Result<Vec<Pull>, ForgeError>> + Send;

    /// Returns the account that merged or closed a pull request.
    fn decider(&self, number: u64) -> impl Future<Output = Result<Decider, ForgeError>> + Send;

    /// Returns the branch to merge into if the configuration names none.
    fn default_branch(&self) -> impl Future<Output = Result<String, ForgeError>> + Send;

    /// Returns a branch; `None` if there is none of that name.
    fn branch(&self, name: &str) -> impl Future<Output = Result<Option<Branch>, ForgeError>> + Send;

    /// Returns the names of all branches that begin with a prefix.
    fn branches(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, ForgeError>> + Send;

    /// Returns the files directly in a folder (empty for the root) at a branch or commit; none if there is no such
    /// folder. The files for which [`is_kustomization`] holds in the folders above come first: these are read anyway.
    fn files(&self, folder: &str, at: &str) -> impl Future<Output = Result<Vec<File>, ForgeError>> + Send;

    /// Returns the content of a file at a branch or commit; `None` if there is none, or it is no text.
    fn read(&self, path: &str, at: &str) -> impl Future<Output = Result<Option<String>, ForgeError>> + Send;

    /// Makes a commit on top of a parent, in no branch yet. Returns its hash.
    fn commit(
        &self,
        parent: &Branch,
        change: &Change,
    ) -> impl Future<Output = Result<String, ForgeError>> + Send;

    /// Creates a branch; [`ForgeError::Invalid`] if there is one of that name.
    fn create_branch(&self, name: &str, commit: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Moves a branch forward to a commit; [`ForgeError::Invalid`] if that is not a step forward.
    fn advance(&self, name: &str, commit: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Deletes a branch; succeeds if there is none.
    fn delete_branch(&self, name: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Opens a pull request; [`ForgeError::Invalid`] if that branch has an open one.
    fn open(&self, pull: &NewPull) -> impl Future<Output = Result<Pull, ForgeError>> + Send;

    /// Closes a pull request without a merge.
    fn close(&self, number: u64) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Returns the texts of the comments that `author` made on a pull request, oldest first.
    fn comments(
        &self,
        number: u64,
        author: &str,
    ) -> impl Future<Output = Result<Vec<String>, ForgeError>> + Send;

    /// Adds a comment.
    fn comment(&self, number: u64, text: &str) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Adds labels.
    fn label(&self, number: u64, labels: &[String]) -> impl Future<Output = Result<(), ForgeError>> + Send;

    /// Asks for reviews.
    fn ask_review(
        &self,
        number: u64,
        logins: &[String],
    ) -> impl Future<Output = Result<(), ForgeError>> + Send;
}
