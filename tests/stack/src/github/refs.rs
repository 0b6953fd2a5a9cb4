//! Branches: what moves them, whom a protected one refuses, and what their pull requests learn of it.

use anyhow::Result;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ask::Answer;
use super::front::{Asked, Front, refusal};
use crate::fetch::form_value;
use crate::lock::lock;

const PROTECTED: &str =
    "Repository rule violations found\n\nChanges must be made through a pull request.\n\n";

impl Front {
    pub(super) async fn create_ref(&self, asked: &Asked) -> Result<Answer> {
        let answer = self.pass(asked).await?;
        self.follow(asked, &answer).await?;
        Ok(answer)
    }

    pub(super) async fn move_ref(&self, asked: &Asked, name: &str) -> Result<Answer> {
        if self.protects(asked, name) {
            return Ok(refusal(422, PROTECTED, &Value::Null));
        }
        let answer = self.pass(asked).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(refusal(422, "Reference does not exist", &Value::Null));
        }
        self.follow(asked, &answer).await?;
        Ok(answer)
    }

    /// Deletes a branch, and closes the pull requests from it.
    pub(super) async fn delete_ref(&self, asked: &Asked, name: &str) -> Result<Answer> {
        if self.protects(asked, name) {
            return Ok(refusal(422, "Cannot delete this protected branch", &Value::Null));
        }
        let answer = self.pass(asked).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(refusal(422, "Reference does not exist", &Value::Null));
        }
        if answer.status.is_success()
            && let Some(branch) = name.strip_prefix("heads/")
        {
            for pull in self.open_pulls(asked, &self.label(asked, branch)).await? {
                let number = pull.get("number").and_then(Value::as_u64).unwrap_or_default();
                let path = format!("/repos/{}/pulls/{number}", self.repo);
                let closed = self.ask(asked, Method::PATCH, &path, &json!({ "state": "closed" })).await?;
                closed.ok(&format!("close #{number}"))?;
                lock(&self.state).closers.insert(number, asked.login.clone());
            }
        }
        Ok(answer)
    }

    /// Writes or deletes a file by the contents API.
    pub(super) async fn write_file(&self, asked: &Asked) -> Result<Answer> {
        let query = asked.path.split_once('?').map_or("", |(_, query)| query);
        let branch = asked.json.get("branch").and_then(Value::as_str).map(str::to_owned);
        let branch = match branch.or_else(|| form_value(query, "branch")) {
            Some(branch) => branch,
            None => self.default_branch(asked).await?,
        };
        if self.protects(asked, &format!("heads/{branch}")) {
            return Ok(refusal(409, PROTECTED, &Value::Null));
        }
        let answer = self.pass(asked).await?;
        let commit = answer.json().pointer("/commit/sha").and_then(Value::as_str).map(str::to_owned);
        if let Some(commit) = commit.filter(|_| answer.status.is_success()) {
            self.moved(asked, &branch, &commit).await?;
        }
        Ok(answer)
    }

    /// Gives the open pull requests of a branch its new head.
    pub(super) async fn moved(&self, asked: &Asked, branch: &str, commit: &str) -> Result<()> {
        self.moves.send_modify(|moves| *moves += 1);
        for pull in self.open_pulls(asked, &self.label(asked, branch)).await? {
            let number = pull.get("number").and_then(Value::as_u64).unwrap_or_default();
            lock(&self.state).heads.insert(number, commit.to_owned());
            self.touch(asked, number).await?;
        }
        Ok(())
    }

    async fn follow(&self, asked: &Asked, answer: &Answer) -> Result<()> {
        let written = answer.json();
        let text = |path: &str| written.pointer(path).and_then(Value::as_str).unwrap_or_default();
        match text("/ref").strip_prefix("refs/heads/") {
            Some(branch) if answer.status.is_success() => {
                self.moved(asked, branch, text("/object/sha")).await
            }
            _ => Ok(()),
        }
    }

    fn protects(&self, asked: &Asked, name: &str) -> bool {
        let owner = asked.repo.split('/').next().unwrap_or_default();
        asked.repo == self.repo
            && asked.login != owner
            && name.strip_prefix("heads/").is_some_and(|branch| lock(&self.state).protected.contains(branch))
    }

    /// Returns `owner:branch` of a branch of the request's repository.
    fn label(&self, asked: &Asked, branch: &str) -> String {
        format!("{}:{branch}", asked.repo.split('/').next().unwrap_or_default())
    }

    async fn default_branch(&self, asked: &Asked) -> Result<String> {
        let repo = self.get(asked, &format!("/repos/{}", asked.repo)).await?;
        Ok(repo.get("default_branch").and_then(Value::as_str).unwrap_or("main").to_owned())
    }
}
