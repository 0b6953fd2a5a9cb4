//! GitHub's objects, as far as they are read (pure). Anything that can be missing is: users are deleted, forks vanish.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde::Deserialize;

use crate::pull_requests::forge::{Pull, PullState};

/// Login that GitHub shows for a user who is gone.
const GHOST: &str = "ghost";

#[derive(Debug, Deserialize)]
pub(crate) struct WireUser {
    pub(crate) login: String,
}

#[derive(Debug, Deserialize)]
struct WireTeam {
    slug: String,
}

#[derive(Debug, Deserialize)]
struct WireLabel {
    name: String,
}

#[derive(Debug, Deserialize)]
struct WireSource {
    full_name: String,
}

#[derive(Debug, Deserialize)]
struct WireEnd {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    #[serde(default)]
    repo: Option<WireSource>,
}

/// A pull request, from a list or alone.
#[derive(Debug, Deserialize)]
pub(crate) struct WirePull {
    number: u64,
    #[serde(default)]
    html_url: String,
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<WireUser>,
    head: WireEnd,
    base: WireEnd,
    updated_at: Timestamp,
    #[serde(default)]
    closed_at: Option<Timestamp>,
    #[serde(default)]
    merged_at: Option<Timestamp>,
    /// Not in lists.
    #[serde(default)]
    pub(crate) merged_by: Option<WireUser>,
    #[serde(default)]
    labels: Option<Vec<WireLabel>>,
    #[serde(default)]
    requested_reviewers: Option<Vec<WireUser>>,
    #[serde(default)]
    requested_teams: Option<Vec<WireTeam>>,
}

impl WirePull {
    pub(crate) fn state(&self) -> PullState {
        match (&self.merged_at, self.state.as_str()) {
            (Some(_), _) => PullState::Merged,
            (None, "open") => PullState::Open,
            (None, _) => PullState::Closed,
        }
    }

    /// Translates it for the port. A head in `owner/name` has its repository's name written as it is there: GitHub's
    /// names do not differ by capitals.
    pub(crate) fn pull(self, owner: &str, name: &str) -> Pull {
        let state = self.state();
        let own = format!("{owner}/{name}");
        let head_repo = self
            .head
            .repo
            .map(|repo| if repo.full_name.eq_ignore_ascii_case(&own) { own.clone() } else { repo.full_name });
        let people = self.requested_reviewers.unwrap_or_default().into_iter().map(|user| user.login);
        let teams = self.requested_teams.unwrap_or_default().into_iter();
        Pull {
            number: self.number,
            url: self.html_url,
            branch: self.head.branch,
            head_repo,
            head: self.head.sha,
            base: self.base.branch,
            title: self.title,
            body: self.body.unwrap_or_default(),
            author: self.user.map_or_else(|| GHOST.to_owned(), |user| user.login),
            state,
            updated: self.updated_at,
            ended: self.merged_at.or(self.closed_at),
            labels: self.labels.unwrap_or_default().into_iter().map(|label| label.name).collect(),
            reviewers: people.chain(teams.map(|team| format!("{owner}/{}", team.slug))).collect(),
        }
    }
}

/// An issue, which every pull request is too: only it tells who closed it.
#[derive(Debug, Deserialize)]
pub(crate) struct WireIssue {
    #[serde(default)]
    pub(crate) closed_by: Option<WireUser>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireComment {
    #[serde(default)]
    pub user: Option<WireUser>,
    #[serde(default)]
    pub(crate) body: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireRepository {
    pub(crate) default_branch: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireRef {
    #[serde(rename = "ref")]
    pub(crate) name: String,
    pub(crate) object: WireHash,
}

/// An object of which only the hash matters.
#[derive(Debug, Deserialize)]
pub(crate) struct WireHash {
    pub(crate) sha: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireCommit {
    pub(crate) tree: WireHash,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) author: WireAuthor,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireAuthor {
    #[serde(default)]
    pub(crate) email: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireTree {
    #[serde(default)]
    pub(crate) tree: Vec<WireEntry>,
    #[serde(default)]
    pub(crate) truncated: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireEntry {
    pub(crate) path: String,
    pub(crate) mode: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Missing for entries that GitHub cannot show.
    #[serde(default)]
    pub(crate) sha: String,
}

impl WireEntry {
    /// Whether this is a file with text or bytes, and not a link, a folder or another repository.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == "blob" && self.mode.starts_with("100")
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireBlob {
    #[serde(default)]
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) encoding: String,
    #[serde(default)]
    pub(crate) size: u64,
}

impl WireBlob {
    /// Returns the text; `None` if it is none. The error says why the reply makes no sense.
    pub(crate) fn text(self) -> Result<Option<String>, &'static str> {
        if self.encoding == "utf-8" {
            return Ok(Some(self.content));
        }
        if self.encoding != "base64" {
            return Err("its content has an unknown encoding");
        }
        // GitHub breaks the lines.
        let dense: String = self.content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(&STANDARD, lenient).decode(dense);
        let bytes = bytes.map_err(|_| "its content is not base64")?;
        // git takes a file with a NUL for binary.
        Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
    }
}
