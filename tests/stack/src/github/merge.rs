//! Merging. `emulate` gives the base branch the tree of the head as it was when the pull request was opened: whatever was
//! committed to the base meanwhile would be undone, and what was pushed to the head meanwhile lost.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::ask::Answer;
use super::front::{Asked, Front, refusal};
use super::pulls::{Head, head_of, path_of};
use crate::lock::lock;

impl Front {
    /// Merges what the pull request changes into the base as it is now.
    pub(super) async fn merge_pull(&self, asked: &Asked, number: u64) -> Result<Answer> {
        if asked.repo != self.repo {
            return self.pass(asked).await;
        }
        if !self.pushes(asked).await? {
            return Ok(refusal(403, "Must have write access to the repository.", &Value::Null));
        }
        let pull = self.pull(asked, number).await?;
        if pull.get("state") != Some(&json!("open")) {
            return Ok(refusal(405, "Pull Request is not mergeable", &Value::Null));
        }
        let wanted = asked.json.get("sha").and_then(Value::as_str);
        if wanted.is_some_and(|sha| pull.pointer("/head/sha").and_then(Value::as_str) != Some(sha)) {
            let message = "Head branch was modified. Review and try the merge again.";
            return Ok(refusal(409, message, &Value::Null));
        }
        let Some(merge) = self.merge_commit(asked, &pull).await? else {
            return Ok(refusal(405, "Pull Request has merge conflicts", &Value::Null));
        };

        // Its own merge, for all but the commit: state, who, when, the refusals.
        let mut plain = asked.json.clone();
        if let Some(plain) = plain.as_object_mut() {
            plain.remove("sha");
        }
        let plain = if plain.is_null() { json!({}) } else { plain };
        let mut answer = self.ask(asked, Method::PUT, &asked.path, &plain).await?;
        if !answer.status.is_success() {
            return Ok(answer);
        }
        let base = pull.pointer("/base/ref").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = format!("/repos/{}/git/refs/heads/{}", self.repo, path_of(&base));
        let moved = json!({ "sha": merge, "force": true });
        self.ask(asked, Method::PATCH, &path, &moved).await?.ok(&format!("merge #{number}"))?;
        {
            let mut state = lock(&self.state);
            state.merges.insert(number, merge.clone());
            state.closers.insert(number, asked.login.clone());
        }
        self.moved(asked, &base, &merge).await?;
        let mut told = answer.json();
        told["sha"] = json!(merge);
        answer.body = Bytes::from(told.to_string());
        Ok(answer)
    }

    /// Returns the files that a pull request changes since its branch left the base.
    pub(super) async fn changes(&self, asked: &Asked, pull: &Value) -> Result<Vec<Value>> {
        let Head { repo, .. } = head_of(pull);
        let text = |path: &str| pull.pointer(path).and_then(Value::as_str).unwrap_or_default();
        // A fork of `emulate` begins anew, with a commit of its own.
        let base = if repo == self.repo { text("/base/ref") } else { text("/head/repo/default_branch") };
        self.compare(asked, &repo, base, text("/head/sha")).await
    }

    /// Makes the merge commit, not yet on the branch. `None` if both sides changed a file differently.
    async fn merge_commit(&self, asked: &Asked, pull: &Value) -> Result<Option<String>> {
        let text = |path: &str| pull.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Head { repo, branch, label } = head_of(pull);
        let (base, head) = (text("/base/ref"), text("/head/sha"));
        let tip = self.branch(asked, &self.repo, &base).await?.context("the base branch is gone")?;
        let theirs = self.changes(asked, pull).await?;
        let forked = repo != self.repo;
        let ours = if forked { Vec::new() } else { self.compare(asked, &repo, &head, &tip).await? };

        let mut tree = Vec::new();
        for change in &theirs {
            let file = describe(change);
            let FileChange { path, sha, gone } = file;
            let twin = ours.iter().map(describe).find(|one| one.path == path);
            match twin {
                Some(twin) if twin == file => continue,
                Some(_) => return Ok(None),
                None => {}
            }
            let previous = change.get("previous_filename").and_then(Value::as_str);
            for path in previous.into_iter().chain(gone.then_some(path)) {
                tree.push(json!({ "path": path, "mode": "100644", "type": "blob", "sha": null }));
            }
            if !gone {
                let sha = if forked { self.copy_blob(asked, &repo, sha).await? } else { sha.to_owned() };
                tree.push(json!({ "path": path, "mode": "100644", "type": "blob", "sha": sha }));
            }
        }
        let repository = format!("/repos/{}", self.repo);
        let commit = self.get(asked, &format!("{repository}/git/commits/{tip}")).await?;
        let base_tree = commit.pointer("/tree/sha").cloned().unwrap_or_default();
        let tree = if tree.is_empty() {
            base_tree
        } else {
            let body = json!({ "base_tree": base_tree, "tree": tree });
            let path = format!("{repository}/git/trees");
            let made = self.ask(asked, Method::POST, &path, &body).await?.ok("merge: tree")?;
            made.get("sha").cloned().unwrap_or_default()
        };
        let title = asked.json.get("commit_title").and_then(Value::as_str).map_or_else(
            || format!("Merge pull request #{} from {}", pull["number"], label.replacen(':', "/", 1)),
            str::to_owned,
        );
        let squashed =
            matches!(asked.json.get("merge_method").and_then(Value::as_str), Some("squash" | "rebase"));
        let parents = if squashed || forked { vec![tip] } else { vec![tip, head] };
        let body = json!({ "message": title, "tree": tree, "parents": parents });
        let path = format!("{repository}/git/commits");
        let made = self.ask(asked, Method::POST, &path, &body).await?.ok(&format!("merge {branch}"))?;
        Ok(made.get("sha").and_then(Value::as_str).map(str::to_owned))
    }

    async fn compare(&self, asked: &Asked, repo: &str, base: &str, head: &str) -> Result<Vec<Value>> {
        let path = format!("/repos/{repo}/compare/{}...{head}", path_of(base));
        let compared = self.get(asked, &path).await?;
        Ok(compared.get("files").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    async fn copy_blob(&self, asked: &Asked, from: &str, sha: &str) -> Result<String> {
        let blob = self.get(asked, &format!("/repos/{from}/git/blobs/{sha}")).await?;
        let body = json!({ "content": blob["content"], "encoding": "base64" });
        let path = format!("/repos/{}/git/blobs", self.repo);
        let made = self.ask(asked, Method::POST, &path, &body).await?.ok("merge: blob")?;
        made.get("sha").and_then(Value::as_str).map(str::to_owned).context("a blob has a sha")
    }
}

/// A file that one side changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileChange<'a> {
    path: &'a str,
    /// The hash of its content.
    sha: &'a str,
    /// `true` if the file is removed.
    gone: bool,
}

fn describe(change: &Value) -> FileChange<'_> {
    let text = |field: &str| change.get(field).and_then(Value::as_str).unwrap_or_default();
    FileChange { path: text("filename"), sha: text("sha"), gone: text("status") == "removed" }
}
