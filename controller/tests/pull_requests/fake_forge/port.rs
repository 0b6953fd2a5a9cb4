//! What the flow sees of it.

use autopilot_controller::pull_requests::{
    Branch, Change, Conditional, Decider, File, Forge, ForgeError, NewPull, Page, Pull, PullState,
    is_kustomization,
};
use autopilot_shared::digest;
use jiff::Timestamp;

use super::{BOT, Commit, FakeForge, REPOSITORY};

/// Pull requests on a page.
const PAGE: usize = 100;

impl Forge for FakeForge {
    fn repository(&self) -> String {
        REPOSITORY.to_owned()
    }

    async fn login(&self) -> Result<String, ForgeError> {
        let bot = self.state().bot.clone();
        self.state().known.clone_from(&bot);
        self.read_once("who are we").map(|_| bot)
    }

    async fn pulls(&self, page: u32, etag: Option<&str>) -> Result<Conditional<Page>, ForgeError> {
        let mut state = self.state();
        state.request()?;
        let tag = format!("{} {page}", state.revision);
        match etag {
            Some(_) => state.counts.conditional += 1,
            None => state.counts.lists += 1,
        }
        if etag == Some(tag.as_str()) {
            return Ok(Conditional::NotModified);
        }
        let mut pulls: Vec<&Pull> = state.pulls.values().collect();
        pulls.sort_by_key(|p| std::cmp::Reverse((p.updated, p.number)));
        let from = (page as usize - 1) * PAGE;
        let more = pulls.len() > from + PAGE;
        let pulls: Vec<Pull> = pulls.into_iter().skip(from).take(PAGE).cloned().collect();
        Ok(Conditional::Changed(Page { pulls, etag: Some(tag), more }))
    }

    async fn pulls_of(&self, branch: &str) -> Result<Vec<Pull>, ForgeError> {
        let state = self.read_once(&format!("search {branch}"))?;
        let own = |p: &&Pull| p.branch == branch && p.head_repo.as_deref() == Some(REPOSITORY);
        Ok(state.pulls.values().rev().filter(own).cloned().collect())
    }

    async fn decider(&self, number: u64) -> Result<Decider, ForgeError> {
        self.state().request()?;
        let state = self.read_once(&format!("who ended {number}"))?;
        Ok(Decider { login: state.deciders.get(&number).cloned().unwrap_or_default() })
    }

    async fn default_branch(&self) -> Result<String, ForgeError> {
        self.read_once("look at the repository").map(|state| state.default.clone())
    }

    async fn branch(&self, name: &str) -> Result<Option<Branch>, ForgeError> {
        let tip = self.read_once(&format!("look at {name}"))?.tip(name);
        if tip.is_some() {
            self.state().request()?;
        }
        Ok(tip)
    }

    async fn branches(&self, prefix: &str) -> Result<Vec<String>, ForgeError> {
        let state = self.read_once("list branches")?;
        Ok(state.refs.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn files(&self, folder: &str, at: &str) -> Result<Vec<File>, ForgeError> {
        for _ in folder.split('/').filter(|part| !part.is_empty()) {
            self.state().request()?;
        }
        let state = self.read_once("list files")?;
        let Some(commit) = state.at(at) else { return Ok(Vec::new()) };
        let inside = |path: &str| path.rsplit_once('/').map_or("", |(f, _)| f) == folder;
        let above = |path: &str| {
            let at = path.rsplit_once('/').map_or("", |(f, _)| f);
            is_kustomization(path) && (at.is_empty() || folder.starts_with(&format!("{at}/")))
        };
        let files = commit.tree.iter().filter(|(path, _)| inside(path) || above(path));
        Ok(files
            .map(|(path, text)| File { path: path.clone(), blob: digest::hex(text.as_bytes(), 40) })
            .collect())
    }

    async fn read(&self, path: &str, at: &str) -> Result<Option<String>, ForgeError> {
        let state = self.read_once(&format!("read {path}"))?;
        Ok(state.at(at).and_then(|commit| commit.tree.get(path).cloned()))
    }

    async fn commit(&self, parent: &Branch, change: &Change) -> Result<String, ForgeError> {
        self.write_once(3, &format!("commit {}", change.message), |state| {
            let Some(before) = state.commits.get(&parent.commit) else {
                return Err(ForgeError::NotFound(parent.commit.clone()));
            };
            let mut tree = before.tree.clone();
            for path in &change.remove {
                if tree.remove(path).is_none() {
                    return Err(ForgeError::Invalid(format!("no {path}")));
                }
            }
            tree.extend(change.add.iter().cloned());
            Ok(state.add(Commit {
                parent: Some(parent.commit.clone()),
                tree,
                message: change.message.clone(),
                email: change.author.email.clone(),
            }))
        })
    }

    async fn create_branch(&self, name: &str, commit: &str) -> Result<(), ForgeError> {
        // The client spaces the requests of one call itself.
        self.state().last_write = None;
        self.write_once(1, &format!("branch {name}"), |state| {
            if state.refs.contains_key(name) {
                return Err(ForgeError::Invalid("Reference already exists".to_owned()));
            }
            state.refs.insert(name.to_owned(), commit.to_owned());
            Ok(())
        })
    }

    async fn advance(&self, name: &str, commit: &str) -> Result<(), ForgeError> {
        self.state().last_write = None;
        self.write_once(1, &format!("advance {name}"), |state| {
            if state.protected.contains(name) {
                return Err(ForgeError::Refused("protected branch".to_owned()));
            }
            if !state.is_ancestor(&state.refs[name], commit) {
                return Err(ForgeError::Invalid("Update is not a fast forward".to_owned()));
            }
            state.refs.insert(name.to_owned(), commit.to_owned());
            Ok(())
        })
    }

    async fn delete_branch(&self, name: &str) -> Result<(), ForgeError> {
        self.write_once(1, &format!("delete branch {name}"), |state| {
            if state.kept.contains(name) {
                return Err(ForgeError::Refused("a rule keeps it".to_owned()));
            }
            state.delete_branch(name, BOT);
            Ok(())
        })
    }

    async fn open(&self, new: &NewPull) -> Result<Pull, ForgeError> {
        self.write_once(1, &format!("open {}", new.branch), |state| {
            let Some(head) = state.refs.get(&new.branch).cloned() else {
                return Err(ForgeError::Invalid("head".to_owned()));
            };
            let same = |p: &Pull| {
                p.branch == new.branch
                    && p.state == PullState::Open
                    && p.base == new.base
                    && p.head_repo.as_deref() == Some(REPOSITORY)
            };
            if !state.duplicates && state.pulls.values().any(same) {
                return Err(ForgeError::Invalid("A pull request already exists".to_owned()));
            }
            let number = state.next_number();
            let pull = Pull {
                number,
                url: format!("https://forge.test/{REPOSITORY}/pull/{number}"),
                branch: new.branch.clone(),
                head_repo: Some(REPOSITORY.to_owned()),
                head,
                base: new.base.clone(),
                title: new.title.clone(),
                body: new.body.clone(),
                author: state.bot.clone(),
                state: PullState::Open,
                updated: Timestamp::from_second(state.now.as_second()).unwrap(),
                ended: None,
                labels: Vec::new(),
                reviewers: Vec::new(),
            };
            state.pulls.insert(number, pull.clone());
            Ok(pull)
        })
    }

    async fn close(&self, number: u64) -> Result<(), ForgeError> {
        self.write_once(1, &format!("close {number}"), |state| {
            if state.pulls[&number].state == PullState::Open {
                state.end(number, PullState::Closed, BOT);
            }
            Ok(())
        })
    }

    async fn comments(&self, number: u64, author: &str) -> Result<Vec<String>, ForgeError> {
        let state = self.read_once(&format!("read comments {number}"))?;
        let said = state.comments.get(&number).into_iter().flatten();
        Ok(said.filter(|(by, _)| by == author).map(|(_, text)| text.clone()).collect())
    }

    async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        self.write_once(1, &format!("comment {number}"), |state| {
            let by = state.bot.clone();
            state.comments.entry(number).or_default().push((by, text.to_owned()));
            state.change(number, |_| {});
            Ok(())
        })
    }

    async fn label(&self, number: u64, labels: &[String]) -> Result<(), ForgeError> {
        self.write_once(1, &format!("label {number}"), |state| {
            state.change(number, |pull| pull.labels.extend(labels.iter().cloned()));
            Ok(())
        })
    }

    async fn ask_review(&self, number: u64, logins: &[String]) -> Result<(), ForgeError> {
        self.write_once(1, &format!("review {number}"), |state| {
            if logins.iter().any(|login| state.strangers.contains(login)) {
                return Err(ForgeError::Invalid(
                    "Reviews may only be requested from collaborators".to_owned(),
                ));
            }
            state.change(number, |pull| pull.reviewers.extend(logins.iter().cloned()));
            Ok(())
        })
    }
}
