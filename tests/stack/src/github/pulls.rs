//! Pull requests: refusals that GitHub makes and `emulate` does not, and fields that `emulate` leaves out.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ask::Answer;
use super::front::{Asked, Front, invalid, refusal};
use crate::fetch::{decode, encode, form_value};
use crate::lock::lock;

/// The fields that GitHub tells of one pull request, but not in a list.
const NOT_IN_LISTS: [&str; 13] = [
    "merged",
    "merged_by",
    "mergeable",
    "mergeable_state",
    "rebaseable",
    "comments",
    "review_comments",
    "maintainer_can_modify",
    "commits",
    "additions",
    "deletions",
    "changed_files",
    "status",
];

impl Front {
    pub(super) async fn list_pulls(&self, asked: &Asked) -> Result<Answer> {
        let mut answer = self.pass(&Asked { path: without_bare_head(&asked.path), ..asked.again() }).await?;
        let mut pulls = answer.json();
        for pull in pulls.as_array_mut().into_iter().flatten() {
            self.correct(asked, pull);
            if let Some(pull) = pull.as_object_mut() {
                NOT_IN_LISTS.iter().for_each(|field| drop(pull.remove(*field)));
            }
        }
        if answer.status == StatusCode::OK {
            answer.body = Bytes::from(pulls.to_string());
        }
        Ok(answer)
    }

    pub(super) async fn read_pull(&self, asked: &Asked, _: u64) -> Result<Answer> {
        let answer = self.pass(asked).await?;
        Ok(self.corrected(asked, answer))
    }

    /// Returns a pull request seen as an issue, which tells who closed it; `emulate` says 404.
    pub(super) async fn read_issue(&self, asked: &Asked, number: u64) -> Result<Answer> {
        let mut answer = self.pass(asked).await?;
        if answer.status != StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        let Some(pull) = self.find_pull(asked, number).await? else {
            return Ok(answer);
        };
        let closer = lock(&self.state).closers.get(&number).cloned().filter(|_| asked.repo == self.repo);
        let closed_by = match closer {
            Some(login) => self.get(asked, &format!("/users/{login}")).await?,
            None => Value::Null,
        };
        let url = pull.get("issue_url").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut issue = json!({
            "url": url,
            "repository_url": url.rsplit_once("/issues/").map(|(repository, _)| repository),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "state_reason": null,
            "active_lock_reason": null,
            "closed_by": closed_by,
            "pull_request": {},
        });
        for field in [
            "id",
            "node_id",
            "html_url",
            "number",
            "title",
            "user",
            "labels",
            "state",
            "locked",
            "assignee",
            "assignees",
            "milestone",
            "comments",
            "created_at",
            "updated_at",
            "closed_at",
            "body",
            "draft",
            "author_association",
        ] {
            issue[field] = pull.get(field).cloned().unwrap_or_default();
        }
        for field in ["url", "html_url", "diff_url", "patch_url", "merged_at"] {
            issue["pull_request"][field] = pull.get(field).cloned().unwrap_or_default();
        }
        answer.status = StatusCode::OK;
        answer.body = Bytes::from(issue.to_string());
        Ok(answer)
    }

    /// Returns the files that a pull request changes; `emulate` makes names up.
    pub(super) async fn pull_files(&self, asked: &Asked, number: u64) -> Result<Answer> {
        let pull = self.pull(asked, number).await?;
        let mut answer = self.pass(asked).await?;
        if answer.status == StatusCode::OK {
            answer.body = Bytes::from(Value::from(self.changes(asked, &pull).await?).to_string());
            answer.headers.remove(http::header::LINK);
        }
        Ok(answer)
    }

    /// Opens one, where GitHub would.
    pub(super) async fn open_pull(&self, asked: &Asked) -> Result<Answer> {
        let text = |field: &str| asked.json.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (head, base) = (text("head"), text("base"));
        let owner = asked.repo.split('/').next().unwrap_or_default();
        let (head_owner, branch) = head.split_once(':').unwrap_or((owner, &head));
        let name = asked.repo.rsplit('/').next().unwrap_or_default();
        let head_repo = format!("{head_owner}/{name}");
        let missing =
            |field: &str| invalid(&json!([{ "resource": "PullRequest", "field": field, "code": "invalid" }]));
        let Some(head_commit) = self.branch(asked, &head_repo, branch).await? else {
            return Ok(missing("head"));
        };
        if self.branch(asked, &asked.repo, &base).await?.is_none() {
            return Ok(missing("base"));
        }
        let custom = |message: String| {
            invalid(&json!([{ "resource": "PullRequest", "code": "custom", "message": message }]))
        };
        let label = format!("{head_owner}:{branch}");
        if self
            .open_pulls(asked, &label)
            .await?
            .iter()
            .any(|pull| pull.pointer("/base/ref") == Some(&json!(base)))
        {
            return Ok(custom(format!("A pull request already exists for {label}.")));
        }
        if head_repo == asked.repo {
            let path = format!("/repos/{}/compare/{}...{head_commit}", asked.repo, encode(&base));
            let compared = self.get(asked, &path).await?;
            if compared.get("ahead_by") == Some(&json!(0)) {
                return Ok(custom(format!("No commits between {base} and {branch}")));
            }
        }
        let answer = self.pass(asked).await?;
        Ok(self.corrected(asked, answer))
    }

    /// Edits, closes, reopens or retargets one.
    pub(super) async fn edit_pull(&self, asked: &Asked, number: u64) -> Result<Answer> {
        let Some(pull) = self.find_pull(asked, number).await? else {
            return self.pass(asked).await;
        };
        if pull.pointer("/user/login") != Some(&json!(asked.login)) && !self.pushes(asked).await? {
            return Ok(refusal(403, "Must have write access to the repository.", &Value::Null));
        }
        let wanted = asked.json.get("state").and_then(Value::as_str);
        let is_open = pull.get("state") == Some(&json!("open"));
        let custom = |message: &str| {
            Ok(invalid(&json!([{ "resource": "PullRequest", "code": "custom", "message": message }])))
        };
        if let Some(base) = asked.json.get("base").and_then(Value::as_str) {
            if !is_open {
                return custom("Cannot change the base branch of a closed pull request.");
            }
            if self.branch(asked, &asked.repo, base).await?.is_none() {
                return Ok(invalid(
                    &json!([{ "resource": "PullRequest", "field": "base", "code": "invalid" }]),
                ));
            }
        }
        let mut head = None;
        if wanted == Some("open") && !is_open {
            if pull.get("merged") == Some(&json!(true)) {
                return custom("state cannot be changed. The pull request cannot be reopened.");
            }
            let Head { repo, branch, label } = head_of(&pull);
            let Some(commit) = self.branch(asked, &repo, &branch).await? else {
                return custom(&format!("state cannot be changed. The {branch} branch has been deleted."));
            };
            let base = pull.pointer("/base/ref");
            if self.open_pulls(asked, &label).await?.iter().any(|open| open.pointer("/base/ref") == base) {
                return custom(&format!(
                    "state cannot be changed. There is already an open pull request from {label}."
                ));
            }
            head = Some(commit);
        }
        let answer = self.pass(asked).await?;
        if answer.status.is_success() {
            let mut state = lock(&self.state);
            if let Some(commit) = head {
                state.heads.insert(number, commit);
                state.closers.remove(&number);
            }
            if wanted == Some("closed") && is_open {
                state.closers.insert(number, asked.login.clone());
            }
        }
        Ok(self.corrected(asked, answer))
    }

    pub(super) async fn ask_reviewers(&self, asked: &Asked, number: u64) -> Result<Answer> {
        let Some(pull) = self.find_pull(asked, number).await? else {
            return self.pass(asked).await;
        };
        let author = pull.pointer("/user/login");
        let reviewers = asked.json.get("reviewers").and_then(Value::as_array).into_iter().flatten();
        if reviewers.into_iter().any(|login| Some(login) == author) {
            return Ok(refusal(422, "Review cannot be requested from pull request author.", &Value::Null));
        }
        let mut answer = self.pass(asked).await?;
        if answer.status == StatusCode::OK {
            answer.status = StatusCode::CREATED;
        }
        Ok(self.corrected(asked, answer))
    }

    /// Adds a comment, which changes when its pull request was updated.
    pub(super) async fn comment(&self, asked: &Asked, number: u64) -> Result<Answer> {
        let answer = self.pass(asked).await?;
        if answer.status.is_success() {
            self.touch(asked, number).await?;
        }
        Ok(answer)
    }

    /// Makes `updated_at` now.
    pub(super) async fn touch(&self, asked: &Asked, number: u64) -> Result<()> {
        let path = format!("/repos/{}/pulls/{number}", self.repo);
        // An issue has no pull request to be touched.
        self.ask(asked, Method::PATCH, &path, &json!({})).await.map(drop)
    }

    /// Returns the open pull requests of a head, `owner:branch`.
    pub(super) async fn open_pulls(&self, asked: &Asked, label: &str) -> Result<Vec<Value>> {
        let path = format!("/repos/{}/pulls?state=open&head={}", self.repo, encode(label));
        self.upstream.list(&path, asked.authorization.as_ref()).await
    }

    /// Returns a pull request, corrected. An error if there is none.
    pub(super) async fn pull(&self, asked: &Asked, number: u64) -> Result<Value> {
        self.find_pull(asked, number).await?.with_context(|| format!("no pull request {number}"))
    }

    async fn find_pull(&self, asked: &Asked, number: u64) -> Result<Option<Value>> {
        let path = format!("/repos/{}/pulls/{number}", asked.repo);
        let answer = self.ask(asked, Method::GET, &path, &Value::Null).await?;
        let mut pull = answer.json();
        self.correct(asked, &mut pull);
        Ok((answer.status == StatusCode::OK).then_some(pull))
    }

    /// Returns whether the requester may push to the repository of the request.
    pub(super) async fn pushes(&self, asked: &Asked) -> Result<bool> {
        let path = format!("/repos/{}/collaborators/{}/permission", asked.repo, asked.login);
        let answer = self.ask(asked, Method::GET, &path, &Value::Null).await?;
        Ok(matches!(
            answer.json().get("permission").and_then(Value::as_str),
            Some("admin" | "write" | "push" | "maintain")
        ))
    }

    /// Returns the commit at the head of a branch.
    pub(super) async fn branch(&self, asked: &Asked, repo: &str, name: &str) -> Result<Option<String>> {
        let path = format!("/repos/{repo}/git/ref/heads/{}", path_of(name));
        let answer = self.ask(asked, Method::GET, &path, &Value::Null).await?;
        let sha = answer.json().pointer("/object/sha").and_then(Value::as_str).map(str::to_owned);
        Ok(sha.filter(|_| answer.status == StatusCode::OK))
    }

    fn corrected(&self, asked: &Asked, mut answer: Answer) -> Answer {
        if answer.status.is_success() {
            let mut pull = answer.json();
            self.correct(asked, &mut pull);
            answer.body = Bytes::from(pull.to_string());
        }
        answer
    }

    /// Corrects head, merge commit and times to those that GitHub would tell.
    fn correct(&self, asked: &Asked, pull: &mut Value) {
        let Some(number) = pull.get("number").and_then(Value::as_u64).filter(|_| asked.repo == self.repo)
        else {
            return;
        };
        let state = lock(&self.state);
        if let (Some(head), Some(place)) = (state.heads.get(&number), pull.pointer_mut("/head/sha")) {
            *place = json!(head);
        }
        if let (Some(merge), Some(place)) = (state.merges.get(&number), pull.pointer_mut("/merge_commit_sha"))
        {
            *place = json!(merge);
        }
        for field in ["created_at", "updated_at", "closed_at", "merged_at"] {
            if let Some(time) = pull.get_mut(field)
                && let Some(whole) =
                    time.as_str().and_then(|text| text.split_once('.')).map(|(whole, _)| whole)
            {
                *time = json!(format!("{whole}Z"));
            }
        }
    }
}

impl Asked {
    /// Returns the same request, e.g. to change its path.
    fn again(&self) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            repo: self.repo.clone(),
            headers: self.headers.clone(),
            authorization: self.authorization.clone(),
            login: self.login.clone(),
            body: self.body.clone(),
            json: self.json.clone(),
        }
    }
}

/// The head of a pull request.
pub(super) struct Head {
    /// `owner/name`.
    pub(super) repo: String,
    pub(super) branch: String,
    /// `owner:branch`.
    pub(super) label: String,
}

/// Returns the head of a pull request.
pub(super) fn head_of(pull: &Value) -> Head {
    let text = |path: &str| pull.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    Head { repo: text("/head/repo/full_name"), branch: text("/head/ref"), label: text("/head/label") }
}

/// Returns a branch's name for a path: its slashes stay.
pub(super) fn path_of(name: &str) -> String {
    encode(name).replace("%2F", "/")
}

/// Removes a `head` without an owner, at which GitHub does not look.
fn without_bare_head(path: &str) -> String {
    let (resource, query) = path.split_once('?').unwrap_or((path, ""));
    match form_value(query, "head") {
        Some(head) if !head.contains(':') => {
            let kept: Vec<&str> = query
                .split('&')
                .filter(|pair| decode(pair.split('=').next().unwrap_or("")) != "head")
                .collect();
            format!("{resource}?{}", kept.join("&"))
        }
        _ => path.to_owned(),
    }
}
