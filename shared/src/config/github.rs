//! The folder on GitHub where approvals become pull requests.

use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::field::{self, address, field, number, seconds};
use super::raw::RawGithub;

/// A folder of a repository on GitHub. The token is not here: it is in a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Github {
    /// User or organisation that the repository belongs to.
    pub user: String,
    /// Name of the repository, without its owner.
    pub repo: String,
    /// The folder that the GitOps tool syncs, without slashes at either end; empty for the root (written
    /// `.`).
    pub folder: String,
    /// Name of author and committer.
    pub author: String,
    /// Email address of author and committer.
    pub email: String,
    /// Ours: the API of another server, `https://git.example.com/api/v3`. `None` for github.com.
    pub base_url: Option<String>,
    /// Ours: the branch to merge into. `None` for the repository's default branch.
    pub branch: Option<String>,
    /// Ours: labels of the pull requests.
    pub labels: Vec<String>,
    /// Ours: who is asked for a review.
    pub reviewers: Vec<String>,
    /// Ours: time between two looks at the pull requests. Default 30 s.
    pub poll_interval: Duration,
    /// Ours: name of this cluster in pull requests.
    pub cluster_name: Option<String>,
    /// Ours: most pull requests that are open at once; the other approvals wait. Default 50.
    pub max_open: usize,
    /// Ours: time after a merge in which the cluster must come to know of it; later, that it does not is reported.
    /// Default 600 s.
    pub sync_limit: Duration,
    /// Ours: longest time that an approval that is being deleted waits for a forge that does not answer. Default
    /// 120 s.
    pub deletion_limit: Duration,
    /// Ours: after a merge, ask Flux to fetch and apply at once. Needs more permissions; default no.
    pub request_sync: bool,
    /// Ours: file with the token. `None` for the Secret `aut-github`.
    pub token_file: Option<PathBuf>,
}

impl Github {
    pub(super) fn parse(raw: &RawGithub, at: &str) -> Result<Self, ConfigError> {
        let path = |key: &str| format!("{at}.{key}");
        let required = |value: &Option<String>, key: &str| -> Result<String, ConfigError> {
            let value = field::required(value.as_deref(), at, key)?;
            one_line(value, &path(key))?;
            Ok(value.to_owned())
        };
        let optional = |value: &Option<String>, key: &str| -> Result<Option<String>, ConfigError> {
            let value = value.as_deref().map(str::trim).filter(|v| !v.is_empty());
            value.map(|v| one_line(v, &path(key)).map(|()| v.to_owned())).transpose()
        };
        let list = |values: &Option<Vec<String>>, key: &str| -> Result<Vec<String>, ConfigError> {
            let values = values.as_deref().unwrap_or_default();
            let entries = values.iter().enumerate().map(|(i, value)| {
                let value = field::required(Some(value), at, &format!("{key}[{i}]"))?;
                one_line(value, &format!("{at}.{key}[{i}]"))?;
                Ok(value.to_owned())
            });
            entries.collect()
        };

        let user = required(&raw.user, "user")?;
        let repo = required(&raw.repo, "repo")?;
        for (key, value) in [("user", &user), ("repo", &repo)] {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !value.chars().all(fits) || value.chars().all(|c| c == '.') {
                let problem =
                    "give the bare name: letters, digits, '-', '_' and '.', no address and no slash";
                return Err(field(path(key), problem));
            }
        }
        let author = required(&raw.author, "author")?;
        let email = required(&raw.email, "email")?;
        if author.contains(['<', '>']) {
            return Err(field(path("author"), "give the name only; the address is email"));
        }
        if !email.contains('@') || email.contains(|c: char| c.is_whitespace() || c == '<' || c == '>') {
            return Err(field(path("email"), "give an address such as bot@example.com"));
        }
        let branch = optional(&raw.branch, "branch")?;
        if branch.as_deref().is_some_and(|branch| !is_branch(branch)) {
            return Err(field(path("branch"), "is no name of a branch"));
        }
        Ok(Github {
            folder: folder(&required(&raw.folder, "folder")?, &path("folder"))?,
            base_url: optional(&raw.base_url, "baseUrl")?
                .map(|url| address(&url, &path("baseUrl")))
                .transpose()?,
            labels: list(&raw.labels, "labels")?,
            reviewers: list(&raw.reviewers, "reviewers")?,
            poll_interval: match &raw.poll_interval {
                Some(text) => seconds(text, &path("pollInterval"), 1, 3600)?,
                None => Duration::from_secs(30),
            },
            cluster_name: optional(&raw.cluster_name, "clusterName")?,
            max_open: match &raw.max_open {
                Some(text) => {
                    let number = number(text, &path("maxOpen"), 1, 1000, "pull requests")?;
                    usize::try_from(number).unwrap_or(usize::MAX)
                }
                None => 50,
            },
            sync_limit: limit(&raw.sync_limit, 600, &path("syncLimit"))?,
            deletion_limit: limit(&raw.deletion_limit, 120, &path("deletionLimit"))?,
            request_sync: match raw.request_sync.as_deref().map(str::trim) {
                None | Some("false") => false,
                Some("true") => true,
                Some(_) => return Err(field(path("requestSync"), "is true or false")),
            },
            token_file: optional(&raw.token_file, "tokenFile")?.map(PathBuf::from),
            user,
            repo,
            author,
            email,
            branch,
        })
    }
}

fn limit(text: &Option<String>, default: u64, at: &str) -> Result<Duration, ConfigError> {
    text.as_deref().map_or(Ok(Duration::from_secs(default)), |text| seconds(text, at, 1, 86_400))
}

fn one_line(value: &str, at: &str) -> Result<(), ConfigError> {
    if value.contains(char::is_control) {
        return Err(field(at, "must be one line without control characters"));
    }
    Ok(())
}

/// Returns the folder without empty parts and dots. It must not leave the repository: the file's path is made from it.
fn folder(text: &str, at: &str) -> Result<String, ConfigError> {
    if text.starts_with('/') || text.contains('\\') {
        return Err(field(at, "must be relative to the repository, with '/' between folders"));
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(field(at, "must not contain '..'"));
    }
    if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(field(at, "must not be inside .git"));
    }
    Ok(parts.join("/"))
}

/// Returns whether the text is a name that `git check-ref-format --branch` accepts, or a little less.
fn is_branch(text: &str) -> bool {
    let strange = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    !text.contains(strange)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.starts_with('-')
        && text != "@"
        && text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock")
        })
}
