//! The port to a forge, implemented with GitHub's API.

use http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::GitHub;
use super::api::{Call, Reply, USER};
use super::problem::Problem;
use super::route::{path, segment, with_query};
use super::wire::{
    WireBlob, WireComment, WireCommit, WireHash, WireIssue, WirePull, WireRef, WireRepository, WireTree,
    WireUser,
};
use crate::pull_requests::forge::{
    Branch, Change, Conditional, Decider, File, Forge, ForgeError, NewPull, Page, Pull, PullState,
    is_kustomization,
};

/// Entries per page, the most that GitHub gives.
const PER_PAGE: usize = 100;
/// Most pages of a list that is read whole. The thousandth entry changes nothing.
const PAGES: u32 = 10;
/// Files from this size on are not read: GitHub leaves their content out, and nobody writes such an approval.
const MOST_TEXT: u64 = 1024 * 1024;

impl GitHub {
    /// Returns the route of a path below the repository.
    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", segment(&self.owner), segment(&self.name))
    }

    fn call(&self, method: Method, rest: &str, doing: &str) -> Call<'static> {
        Call::new(method, self.route(rest), format!("{doing} {}", self.repository()))
    }

    async fn get(&self, rest: &str, doing: &str) -> Result<Reply, Problem> {
        self.api.exchange(self.call(Method::GET, rest, doing)).await
    }

    async fn get_as<T: DeserializeOwned>(&self, rest: &str, doing: &str) -> Result<T, Problem> {
        self.get(rest, doing).await?.json()
    }

    async fn send(&self, method: Method, rest: &str, doing: &str, body: Value) -> Result<Reply, Problem> {
        self.api.exchange(self.call(method, rest, doing).body(body)).await
    }

    /// Reads all entries of a list, page by page.
    async fn all<T: DeserializeOwned>(
        &self,
        rest: &str,
        query: &[(&str, &str)],
        doing: &str,
    ) -> Result<Vec<T>, Problem> {
        let mut entries = Vec::new();
        let per_page = PER_PAGE.to_string();
        for page in 1..=PAGES {
            let page = page.to_string();
            let pairs = [query, &[("per_page", &per_page), ("page", &page)]].concat();
            let reply = self.get(&with_query(rest, &pairs), doing).await?;
            let some: Vec<T> = reply.json()?;
            let more = more(&reply, some.len());
            entries.extend(some);
            if !more {
                break;
            }
        }
        Ok(entries)
    }

    /// Fails unless a 404 is about the thing itself: the repository is there and may be read at `at`.
    async fn check_readable(&self, at: &str) -> Result<(), Problem> {
        self.get(&format!("/git/trees/{}", segment(at)), &format!("look at {at} in")).await.map(drop)
    }

    async fn tree(&self, at: &str, folder: &str) -> Result<WireTree, Problem> {
        self.get_as(&format!("/git/trees/{}", segment(at)), &format!("list the files in {folder}/ of")).await
    }
}

/// Whether a list goes on. Its header says so; without one a full page may not be the last.
fn more(reply: &Reply, entries: usize) -> bool {
    reply.next.unwrap_or(entries >= PER_PAGE)
}

/// Writes the date of a commit: in whole seconds, since git has no others.
fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Forge for GitHub {
    fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    async fn login(&self) -> Result<String, ForgeError> {
        let call = Call::new(Method::GET, USER, "learn whose the token is");
        match self.api.exchange(call).await {
            Ok(reply) => Ok(reply.json::<WireUser>()?.login),
            // Tokens of an App's installation have no user: without one, our pull requests look like anybody's.
            Err(Problem { error: ForgeError::Refused(why), .. }) => Err(ForgeError::Refused(format!(
                "{why}; whose pull requests are ours follows from the token's user: use a token of a user account"
            ))),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn pulls(&self, page: u32, etag: Option<&str>) -> Result<Conditional<Page>, ForgeError> {
        let rest = with_query(
            "/pulls",
            &[
                ("state", "all"),
                ("sort", "updated"),
                ("direction", "desc"),
                ("per_page", &PER_PAGE.to_string()),
                ("page", &page.max(1).to_string()),
            ],
        );
        let call = self.call(Method::GET, &rest, "list the pull requests of").unless(etag);
        let reply = self.api.exchange(call).await?;
        if reply.not_modified {
            return Ok(Conditional::NotModified);
        }
        let pulls: Vec<WirePull> = reply.json()?;
        Ok(Conditional::Changed(Page {
            more: more(&reply, pulls.len()),
            etag: reply.etag,
            pulls: pulls.into_iter().map(|pull| pull.pull(&self.owner, &self.name)).collect(),
        }))
    }

    async fn pulls_of(&self, branch: &str) -> Result<Vec<Pull>, ForgeError> {
        let head = format!("{}:{branch}", self.owner);
        let query = [("head", head.as_str()), ("state", "all"), ("sort", "created"), ("direction", "desc")];
        let pulls: Vec<WirePull> =
            self.all("/pulls", &query, &format!("list the pull requests of branch {branch} in")).await?;
        let own = self.repository();
        let pulls = pulls.into_iter().map(|pull| pull.pull(&self.owner, &self.name));
        // A filter that GitHub does not understand filters nothing.
        Ok(pulls.filter(|p| p.branch == branch && p.head_repo.as_ref().is_none_or(|r| *r == own)).collect())
    }

    async fn decider(&self, number: u64) -> Result<Decider, ForgeError> {
        let doing = format!("learn who ended pull request {number} of");
        let pull: WirePull = self.get_as(&format!("/pulls/{number}"), &doing).await?;
        let user = match pull.state() {
            PullState::Open => None,
            PullState::Merged => pull.merged_by,
            PullState::Closed => {
                let issue = self.get_as::<WireIssue>(&format!("/issues/{number}"), &doing).await;
                match issue {
                    Ok(issue) => issue.closed_by,
                    // A fine-grained token may see pull requests and no issues: who it was is less than that it was.
                    Err(Problem { error: ForgeError::Refused(_) | ForgeError::NotFound(_), .. }) => None,
                    Err(problem) => return Err(problem.into()),
                }
            }
        };
        Ok(Decider { login: user.map(|user| user.login).unwrap_or_default() })
    }

    async fn default_branch(&self) -> Result<String, ForgeError> {
        let repository: WireRepository = self.get_as("", "look at").await?;
        Ok(repository.default_branch)
    }

    async fn branch(&self, name: &str) -> Result<Option<Branch>, ForgeError> {
        let doing = format!("look at branch {name} of");
        // Asking for the branch itself would be answered with 404 also where the token may not look at all.
        let refs: Vec<WireRef> =
            self.get_as(&format!("/git/matching-refs/heads/{}", path(name)), &doing).await?;
        let full = format!("refs/heads/{name}");
        let Some(found) = refs.into_iter().find(|r| r.name == full) else { return Ok(None) };
        let commit = found.object.sha;
        let head: WireCommit = self.get_as(&format!("/git/commits/{}", segment(&commit)), &doing).await?;
        Ok(Some(Branch {
            name: name.to_owned(),
            commit,
            tree: head.tree.sha,
            message: head.message,
            email: head.author.email,
        }))
    }

    async fn branches(&self, prefix: &str) -> Result<Vec<String>, ForgeError> {
        let refs: Vec<WireRef> = self
            .get_as(&format!("/git/matching-refs/heads/{}", path(prefix)), "list our branches of")
            .await?;
        Ok(refs.iter().filter_map(|r| r.name.strip_prefix("refs/heads/")).map(str::to_owned).collect())
    }

    async fn files(&self, folder: &str, at: &str) -> Result<Vec<File>, ForgeError> {
        // Trees know no limit of 1,000 entries, as the listing of contents does.
        let mut tree = self.tree(at, folder).await?;
        let (mut above, mut below) = (Vec::new(), String::new());
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let next = tree.tree.iter().find(|entry| entry.path == part);
            let sha = match next {
                Some(entry) if entry.kind == "tree" => entry.sha.clone(),
                None if tree.truncated => break,
                Some(_) | None => return Ok(Vec::new()),
            };
            let lists =
                tree.tree.into_iter().filter(|entry| entry.is_file() && is_kustomization(&entry.path));
            above.extend(lists.map(|entry| File { path: format!("{below}{}", entry.path), blob: entry.sha }));
            below = format!("{below}{part}/");
            tree = self.tree(&sha, folder).await?;
        }
        if tree.truncated {
            let what = "there are more than GitHub lists; choose a folder of fewer files".to_owned();
            let text = format!("cannot list the files in {folder}/ of {}: {what}", self.repository());
            return Err(ForgeError::Refused(text));
        }
        let prefix = folder.trim_matches('/');
        let files = tree.tree.into_iter().filter(|entry| entry.is_file()).map(|entry| File {
            path: if prefix.is_empty() { entry.path } else { format!("{prefix}/{}", entry.path) },
            blob: entry.sha,
        });
        Ok(above.into_iter().chain(files).collect())
    }

    async fn read(&self, file: &str, at: &str) -> Result<Option<String>, ForgeError> {
        let doing = format!("read {file} at {at} in");
        let rest = with_query(&format!("/contents/{}", path(file)), &[("ref", at)]);
        let reply = match self.get(&rest, &doing).await {
            Ok(reply) => reply,
            Err(Problem { error: ForgeError::NotFound(_), .. }) => {
                self.check_readable(at).await?;
                return Ok(None);
            }
            Err(problem) => return Err(problem.into()),
        };
        let content: Value = reply.json()?;
        // A folder is answered with a list; a link and another repository have a type of their own.
        if content.get("type").and_then(Value::as_str) != Some("file") {
            return Ok(None);
        }
        let blob: WireBlob = reply.json()?;
        if blob.size > MOST_TEXT {
            return Ok(None);
        }
        let text = blob.text().map_err(|what| {
            Problem::unavailable(&format!("{doing} {}", self.repository()), &format!("the answer: {what}"))
        })?;
        Ok(text)
    }

    async fn commit(&self, parent: &Branch, change: &Change) -> Result<String, ForgeError> {
        let doing = format!("make a commit on {} in", parent.name);
        let added = change.add.iter().map(
            |(path, content)| json!({"path": path, "mode": "100644", "type": "blob", "content": content}),
        );
        let removed = change
            .remove
            .iter()
            .map(|path| json!({"path": path, "mode": "100644", "type": "blob", "sha": null}));
        let tree = json!({"base_tree": parent.tree, "tree": added.chain(removed).collect::<Vec<_>>()});
        let tree: WireHash = self.send(Method::POST, "/git/trees", &doing, tree).await?.json()?;
        let who = json!({
            "name": change.author.name,
            "email": change.author.email,
            "date": date(change.at),
        });
        let commit = json!({
            "message": change.message,
            "tree": tree.sha,
            "parents": [parent.commit],
            "author": who,
            "committer": who,
        });
        let commit: WireHash = self.send(Method::POST, "/git/commits", &doing, commit).await?.json()?;
        Ok(commit.sha)
    }

    async fn create_branch(&self, name: &str, commit: &str) -> Result<(), ForgeError> {
        let body = json!({"ref": format!("refs/heads/{name}"), "sha": commit});
        let doing = format!("create branch {name} in");
        match self.send(Method::POST, "/git/refs", &doing, body).await {
            Ok(_) => Ok(()),
            Err(problem) if problem.says(StatusCode::UNPROCESSABLE_ENTITY, "already exists") => {
                Err(problem.renamed(ForgeError::Invalid))
            }
            Err(problem) if problem.says(StatusCode::UNPROCESSABLE_ENTITY, "object does not exist") => {
                Err(problem.renamed(ForgeError::NotFound))
            }
            // `Invalid` means that there is one of that name, and nothing else here.
            Err(problem) if problem.status == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                Err(problem.renamed(ForgeError::Refused))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn advance(&self, name: &str, commit: &str) -> Result<(), ForgeError> {
        let body = json!({"sha": commit, "force": false});
        let doing = format!("move branch {name} forward in");
        match self.send(Method::PATCH, &format!("/git/refs/heads/{}", path(name)), &doing, body).await {
            Ok(_) => Ok(()),
            // The second is said when two move it at once.
            Err(problem)
                if problem.says(StatusCode::UNPROCESSABLE_ENTITY, "fast forward")
                    || problem.says(StatusCode::UNPROCESSABLE_ENTITY, "fast-forward")
                    || problem.says(StatusCode::UNPROCESSABLE_ENTITY, "cannot be updated") =>
            {
                Err(problem.renamed(ForgeError::Invalid))
            }
            Err(problem) if problem.says(StatusCode::UNPROCESSABLE_ENTITY, "does not exist") => {
                Err(problem.renamed(ForgeError::NotFound))
            }
            Err(problem) if problem.status == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                Err(problem.renamed(ForgeError::Refused))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn delete_branch(&self, name: &str) -> Result<(), ForgeError> {
        let call = self.call(
            Method::DELETE,
            &format!("/git/refs/heads/{}", path(name)),
            &format!("delete branch {name} of"),
        );
        match self.api.exchange(call).await {
            Ok(_) => Ok(()),
            Err(problem) if problem.says(StatusCode::UNPROCESSABLE_ENTITY, "does not exist") => Ok(()),
            Err(problem) if problem.status == Some(StatusCode::NOT_FOUND) => {
                // Gone, or the token may not see the repository, or may only read it.
                match self.branch(name).await? {
                    None => Ok(()),
                    Some(_) => Err(problem.renamed(ForgeError::Refused)),
                }
            }
            Err(problem) if problem.status == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                Err(problem.renamed(ForgeError::Refused))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn open(&self, pull: &NewPull) -> Result<Pull, ForgeError> {
        let body = json!({
            "title": pull.title,
            "body": pull.body,
            "head": pull.branch,
            "base": pull.base,
        });
        let doing = format!("open a pull request of branch {} in", pull.branch);
        let opened: WirePull = self.send(Method::POST, "/pulls", &doing, body).await?.json()?;
        Ok(opened.pull(&self.owner, &self.name))
    }

    async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let doing = format!("close pull request {number} of");
        let body = json!({"state": "closed"});
        self.send(Method::PATCH, &format!("/pulls/{number}"), &doing, body).await?;
        Ok(())
    }

    async fn comments(&self, number: u64, author: &str) -> Result<Vec<String>, ForgeError> {
        let doing = format!("read the comments on pull request {number} of");
        let comments: Vec<WireComment> = self.all(&format!("/issues/{number}/comments"), &[], &doing).await?;
        let own = |comment: &WireComment| {
            comment.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(author))
        };
        Ok(comments.into_iter().filter(own).map(|comment| comment.body.unwrap_or_default()).collect())
    }

    async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let doing = format!("comment on pull request {number} of");
        let rest = format!("/issues/{number}/comments");
        self.send(Method::POST, &rest, &doing, json!({"body": text})).await?;
        Ok(())
    }

    async fn label(&self, number: u64, labels: &[String]) -> Result<(), ForgeError> {
        let doing = format!("label pull request {number} of");
        let rest = format!("/issues/{number}/labels");
        self.send(Method::POST, &rest, &doing, json!({"labels": labels})).await?;
        Ok(())
    }

    async fn ask_review(&self, number: u64, logins: &[String]) -> Result<(), ForgeError> {
        let doing = format!("ask for a review of pull request {number} of");
        // `organisation/team` is a team, as people write it in a mention.
        let (teams, people): (Vec<_>, Vec<_>) = logins.iter().partition(|login| login.contains('/'));
        let teams: Vec<&str> =
            teams.into_iter().filter_map(|team| team.rsplit_once('/')).map(|(_, slug)| slug).collect();
        let mut body = json!({"reviewers": people});
        if !teams.is_empty() {
            body["team_reviewers"] = json!(teams);
        }
        let rest = format!("/pulls/{number}/requested_reviewers");
        self.send(Method::POST, &rest, &doing, body).await?;
        Ok(())
    }
}
