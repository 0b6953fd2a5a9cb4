//! The actions of people (and other programs) on GitHub, for the tests.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ask::{Answer, Ask, bearer};
use super::pulls::path_of;
use crate::fetch::encode;

/// A pull request as GitHub tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    pub state: String,
    /// Whether it was merged.
    pub merged: bool,
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// The login of who opened it.
    pub author: String,
    /// `owner/name` of the head's repository.
    pub head_repo: String,
    /// The head's branch.
    pub head: String,
    /// The commit at the head.
    pub head_sha: String,
    /// The branch it is to be merged into.
    pub base: String,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Logins whose review is asked for.
    pub reviewers: Vec<String>,
    /// The login of who merged it; only [`Actor::pull`] tells.
    pub merged_by: Option<String>,
    /// When anything about it changed.
    pub updated_at: Timestamp,
}

/// A comment below a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The login of who wrote it.
    pub author: String,
    /// The text.
    pub body: String,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub sha: String,
    /// Its whole message.
    pub message: String,
    /// Author, `name <address>`.
    pub author: String,
    /// Committer, `name <address>`.
    pub committer: String,
    /// Hashes of its parents.
    pub parents: Vec<String>,
}

/// A person with a token, at one repository.
#[derive(Debug, Clone)]
pub struct Actor {
    ask: Ask,
    authorization: HeaderValue,
    owner: String,
    name: String,
}

impl Actor {
    pub(super) fn new(url: &str, token: &str, owner: &str, name: &str) -> Result<Self> {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        Ok(Self { ask: Ask::new(url), authorization: bearer(token)?, owner, name })
    }

    /// Returns the same person at another owner's repository of the same name, e.g. a fork.
    #[must_use]
    pub fn at(&self, owner: &str) -> Self {
        Self { owner: owner.to_owned(), ..self.clone() }
    }

    /// Sends any request; the path begins after `/repos/OWNER/NAME`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let answer = self.send(method, path, body).await?;
        Ok((answer.status, answer.json()))
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        let path = format!("/repos/{}/{}{path}", self.owner, self.name);
        self.ask.json(method, &path, Some(&self.authorization), body).await
    }

    async fn must(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let asked = format!("{method} {path}");
        self.send(method, path, body).await?.ok(&asked)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.must(Method::GET, path, &Value::Null).await
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let path = format!("/repos/{}/{}{path}", self.owner, self.name);
        self.ask.list(&path, Some(&self.authorization)).await
    }

    /// Returns all pull requests of a state (`open`, `closed`, `all`), oldest first.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn pulls(&self, state: &str) -> Result<Vec<PullRequest>> {
        let list = self.list(&format!("/pulls?state={state}&sort=created&direction=asc")).await?;
        list.iter().map(pull_request).collect()
    }

    /// Returns a pull request.
    ///
    /// # Errors
    /// When there is none.
    pub async fn pull(&self, number: u64) -> Result<PullRequest> {
        pull_request(&self.get(&format!("/pulls/{number}")).await?)
    }

    /// Returns the login of who closed (or merged) it.
    ///
    /// # Errors
    /// When there is no such pull request.
    pub async fn closed_by(&self, number: u64) -> Result<Option<String>> {
        let issue = self.get(&format!("/issues/{number}")).await?;
        Ok(issue.pointer("/closed_by/login").and_then(Value::as_str).map(str::to_owned))
    }

    /// Opens a pull request; `head` is a branch, or `owner:branch` of a fork.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn open(&self, head: &str, base: &str, title: &str, body: &str) -> Result<u64> {
        let new = json!({ "head": head, "base": base, "title": title, "body": body });
        Ok(pull_request(&self.must(Method::POST, "/pulls", &new).await?)?.number)
    }

    /// Merges it; the merge commit comes back.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn merge(&self, number: u64) -> Result<String> {
        let merged = self.must(Method::PUT, &format!("/pulls/{number}/merge"), &json!({})).await?;
        string(&merged, "/sha")
    }

    /// Closes it.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn close(&self, number: u64) -> Result<()> {
        self.edit(number, &json!({ "state": "closed" })).await
    }

    /// Opens it again.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn reopen(&self, number: u64) -> Result<()> {
        self.edit(number, &json!({ "state": "open" })).await
    }

    /// Makes it go to another base.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn retarget(&self, number: u64, base: &str) -> Result<()> {
        self.edit(number, &json!({ "base": base })).await
    }

    /// Changes `title`, `body`, `state` or `base`.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn edit(&self, number: u64, changes: &Value) -> Result<()> {
        self.must(Method::PATCH, &format!("/pulls/{number}"), changes).await.map(drop)
    }

    /// Writes below it.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn comment(&self, number: u64, body: &str) -> Result<()> {
        let path = format!("/issues/{number}/comments");
        self.must(Method::POST, &path, &json!({ "body": body })).await.map(drop)
    }

    /// Returns the comments below it, oldest first.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn comments(&self, number: u64) -> Result<Vec<Comment>> {
        let list = self.list(&format!("/issues/{number}/comments?sort=created")).await?;
        list.iter()
            .map(|one| Ok(Comment { author: string(one, "/user/login")?, body: string(one, "/body")? }))
            .collect()
    }

    /// Adds labels.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn label(&self, number: u64, labels: &[&str]) -> Result<()> {
        let path = format!("/issues/{number}/labels");
        self.must(Method::POST, &path, &json!({ "labels": labels })).await.map(drop)
    }

    /// Returns the branches and their commits.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn branches(&self) -> Result<BTreeMap<String, String>> {
        let list = self.list("/branches?").await?;
        list.iter().map(|one| Ok((string(one, "/name")?, string(one, "/commit/sha")?))).collect()
    }

    /// Returns the commit of a branch. `None` if there is no such branch.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn branch(&self, name: &str) -> Result<Option<String>> {
        Ok(self.branches().await?.remove(name))
    }

    /// Creates a branch.
    ///
    /// # Errors
    /// When it exists, or GitHub refuses.
    pub async fn create_branch(&self, name: &str, commit: &str) -> Result<()> {
        let new = json!({ "ref": format!("refs/heads/{name}"), "sha": commit });
        self.must(Method::POST, "/git/refs", &new).await.map(drop)
    }

    /// Puts a branch elsewhere, as a force push does.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn force(&self, name: &str, commit: &str) -> Result<()> {
        let moved = json!({ "sha": commit, "force": true });
        self.must(Method::PATCH, &format!("/git/refs/heads/{}", path_of(name)), &moved).await.map(drop)
    }

    /// Deletes a branch; pull requests from it are closed.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn delete_branch(&self, name: &str) -> Result<()> {
        self.must(Method::DELETE, &format!("/git/refs/heads/{}", path_of(name)), &Value::Null).await.map(drop)
    }

    /// Returns the paths of all files at a branch or commit, sorted.
    ///
    /// # Errors
    /// When there is no such thing.
    pub async fn files(&self, at: &str) -> Result<Vec<String>> {
        let tree = self.get(&format!("/git/trees/{}?recursive=1", path_of(at))).await?;
        let entries = tree.get("tree").and_then(Value::as_array).context("a tree has entries")?;
        let blobs = entries.iter().filter(|entry| entry["type"] == json!("blob"));
        let mut paths = blobs.map(|entry| string(entry, "/path")).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    /// Returns the text of a file at a branch or commit. `None` if it is not there.
    ///
    /// # Errors
    /// When GitHub does not answer as it should.
    pub async fn read(&self, at: &str, path: &str) -> Result<Option<String>> {
        let path = format!("/contents/{}?ref={}", path_of(path), encode(at));
        let answer = self.send(Method::GET, &path, &Value::Null).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let content = string(&answer.ok(&format!("GET {path}"))?, "/content")?;
        let bytes = STANDARD.decode(content.replace('\n', ""))?;
        Ok(Some(String::from_utf8(bytes)?))
    }

    /// Creates or changes a file on a branch, in a commit of its own, whose hash comes back.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put(&self, branch: &str, path: &str, content: &str) -> Result<String> {
        let mut change = json!({
            "message": format!("Change {path}"), "branch": branch, "content": STANDARD.encode(content),
        });
        if let Some(sha) = self.blob(branch, path).await? {
            change["sha"] = json!(sha);
        }
        let written = self.must(Method::PUT, &format!("/contents/{}", path_of(path)), &change).await?;
        string(&written, "/commit/sha")
    }

    /// Deletes a file on a branch; the commit comes back.
    ///
    /// # Errors
    /// When it is not there, or GitHub refuses.
    pub async fn remove(&self, branch: &str, path: &str) -> Result<String> {
        let sha = self.blob(branch, path).await?.with_context(|| format!("no {path} on {branch}"))?;
        let change = json!({ "message": format!("Delete {path}"), "branch": branch, "sha": sha });
        let written = self.must(Method::DELETE, &format!("/contents/{}", path_of(path)), &change).await?;
        string(&written, "/commit/sha")
    }

    async fn blob(&self, branch: &str, path: &str) -> Result<Option<String>> {
        let path = format!("/contents/{}?ref={}", path_of(path), encode(branch));
        let (status, file) = self.request(Method::GET, &path, &Value::Null).await?;
        Ok(if status == StatusCode::NOT_FOUND { None } else { Some(string(&file, "/sha")?) })
    }

    /// Returns the last 100 commits of a branch, newest first.
    ///
    /// # Errors
    /// When there is no such branch.
    pub async fn commits(&self, branch: &str) -> Result<Vec<Commit>> {
        let list = self.get(&format!("/commits?sha={}&per_page=100", encode(branch))).await?;
        let list = list.as_array().context("a list of commits")?;
        let who = |one: &Value, role: &str| {
            let name = string(one, &format!("/commit/{role}/name"))?;
            anyhow::Ok(format!("{name} <{}>", string(one, &format!("/commit/{role}/email"))?))
        };
        list.iter()
            .map(|one| {
                let parents = one["parents"].as_array().into_iter().flatten();
                Ok(Commit {
                    sha: string(one, "/sha")?,
                    message: string(one, "/commit/message")?,
                    author: who(one, "author")?,
                    committer: who(one, "committer")?,
                    parents: parents.map(|parent| string(parent, "/sha")).collect::<Result<_>>()?,
                })
            })
            .collect()
    }

    /// Makes a fork of one's own and returns the person at it.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn fork(&self) -> Result<Self> {
        let fork = self.must(Method::POST, "/forks", &json!({})).await?;
        Ok(self.at(&string(&fork, "/owner/login")?))
    }
}

fn string(value: &Value, path: &str) -> Result<String> {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no {path} in {value}"))
}

fn names(value: &Value, list: &str, field: &str) -> Vec<String> {
    let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.get(field)?.as_str().map(str::to_owned)).collect()
}

fn pull_request(value: &Value) -> Result<PullRequest> {
    let optional = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Ok(PullRequest {
        number: value
            .get("number")
            .and_then(Value::as_u64)
            .with_context(|| format!("no number in {value}"))?,
        state: string(value, "/state")?,
        merged: optional("/merged_at").is_some(),
        title: string(value, "/title")?,
        body: optional("/body").unwrap_or_default(),
        author: string(value, "/user/login")?,
        head_repo: optional("/head/repo/full_name").unwrap_or_default(),
        head: string(value, "/head/ref")?,
        head_sha: string(value, "/head/sha")?,
        base: string(value, "/base/ref")?,
        labels: names(value, "labels", "name"),
        reviewers: names(value, "requested_reviewers", "login"),
        merged_by: optional("/merged_by/login"),
        updated_at: string(value, "/updated_at")?.parse()?,
    })
}
