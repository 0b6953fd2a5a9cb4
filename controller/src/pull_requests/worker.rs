//! Carries out what the tracker say, one thing at a time, on any forge and any cluster.

use std::future::Future;

use jiff::Timestamp;

use super::forge::{Forge, ForgeError};
use super::plan::{self, Ask, ClusterEffect, Finding, ForgeEffect, Write};
use super::text::branch::PREFIX;
use super::text::file::{self, FiledApproval};
use super::tracker::{Call, LeftoverFile, Next, Request, Response, Subject, Tracker};
use crate::decide::{Approval, Target};

/// Files of one approval that are read at one commit at most: more cannot come from us.
const FILES: usize = 5;

/// What the flow needs of a cluster.
pub trait Cluster: Send + Sync {
    /// Reads an approval, past every cache; nothing when there is none.
    fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Approval>, String>> + Send;

    /// Carries out a write. What comes back is what is there now, also when the write was refused because it is based on
    /// an older version; nothing when the approval is gone.
    fn perform(
        &self,
        effect: &ClusterEffect,
    ) -> impl Future<Output = Result<Option<Approval>, String>> + Send;

    /// Asks the GitOps tool to look, if there is one; whether it does shows itself.
    fn request_reconcile(&self, asked: &Merged) -> impl Future<Output = ()> + Send;

    /// What stands between a merge and the cluster, the most telling first.
    fn findings(&self, asked: &Merged) -> impl Future<Output = Vec<Finding>> + Send;
}

/// A merge that the cluster does not know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// `owner/name`.
    pub repository: String,
    /// Branch that it was merged into.
    pub base: String,
    /// The folder of its file.
    pub folder: String,
    /// Namespace of the approval.
    pub namespace: String,
    /// What happened on that branch then is asked for: the merge, or what came after the decision.
    pub after: Option<Timestamp>,
}

/// What a turn brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// Something was done; there may be more.
    Did,
    /// Nothing is to be done before this time, unless something is seen.
    Idle(Option<Timestamp>),
}

/// Tracker, forge and cluster.
#[derive(Debug)]
pub struct Worker<F, C> {
    /// What is known.
    pub tracker: Tracker,
    /// The forge.
    pub forge: F,
    /// The cluster.
    pub cluster: C,
}

impl<F: Forge, C: Cluster> Worker<F, C> {
    /// Does one thing.
    pub async fn work_once(&mut self, clock: &(impl Fn() -> Timestamp + Sync)) -> Worked {
        match self.tracker.next(clock()) {
            Next::Idle(until) => Worked::Idle(until),
            Next::Cluster(key, effect) => {
                match self.cluster.perform(&effect).await {
                    Ok(left) => self.tracker.written(clock(), &key, *effect, left),
                    Err(why) => {
                        tracing::warn!(
                            namespace = key.0,
                            approval = key.1,
                            why,
                            "an approval was not written"
                        );
                        self.tracker.failed(clock(), &key, *effect);
                    }
                }
                Worked::Did
            }
            Next::Forge(request) => {
                let answer = self.perform(&request).await;
                if let Err(error) = &answer {
                    tracing::warn!(what = what(&request), %error, "the forge did not do what was asked");
                } else if let Call::Step(ForgeEffect::Write(_)) = &request.call {
                    tracing::info!(what = what(&request), "done on the forge");
                }
                self.tracker.respond(clock(), *request, answer);
                Worked::Did
            }
        }
    }

    async fn perform(&self, request: &Request) -> Result<Response, ForgeError> {
        if let Some(basis) = &request.basis
            && let Some(moved) = self.moved(basis).await?
        {
            return Ok(moved);
        }
        if let Subject::LeftoverFiles(strays) = &request.subject
            && let Some(moved) = self.wanted(strays).await?
        {
            return Ok(moved);
        }
        match &request.call {
            Call::Login => {
                let login = self.forge.login().await?;
                let base = match &self.tracker.settings().base {
                    Some(base) => base.clone(),
                    None => self.forge.default_branch().await?,
                };
                Ok(Response::Identity(login, base))
            }
            Call::List { page, etag } => Ok(Response::Page(self.forge.pulls(*page, etag.as_deref()).await?)),
            Call::Branches => Ok(Response::Branches(self.forge.branches(PREFIX).await?)),
            Call::Step(ForgeEffect::Ask(ask)) => self.ask(&request.subject, ask).await,
            Call::Step(ForgeEffect::Write(write)) => self.write(write.as_ref()).await,
        }
    }

    /// The approval, when it is another than the one that was decided about. A forge knows no precondition: what was
    /// read of it before this, this decision was made from.
    async fn moved(&self, basis: &Target) -> Result<Option<Response>, ForgeError> {
        let found = self.cluster.read(&basis.namespace, &basis.name).await;
        let found = found.map_err(|why| ForgeError::Unavailable(format!("the cluster: {why}")))?;
        let same = found.as_ref().is_some_and(|a| {
            let meta = &a.raw.metadata;
            meta.uid.as_deref() == Some(basis.uid.as_str())
                && meta.resource_version.as_deref() == Some(basis.version.as_str())
        });
        Ok((!same).then(|| Response::Moved(found.map(Box::new))))
    }

    /// An approval that waits for one of these files after all.
    async fn wanted(&self, strays: &[LeftoverFile]) -> Result<Option<Response>, ForgeError> {
        for stray in strays {
            let found = self.cluster.read(&stray.key.0, &stray.key.1).await;
            let found = found.map_err(|why| ForgeError::Unavailable(format!("the cluster: {why}")))?;
            let waits = |a: &Approval| plan::pending_proposal(a).is_some_and(|p| p.digest == stray.digest);
            if let Some(found) = found.filter(waits) {
                return Ok(Some(Response::Moved(Some(Box::new(found)))));
            }
        }
        Ok(None)
    }

    async fn ask(&self, subject: &Subject, ask: &Ask) -> Result<Response, ForgeError> {
        let (settings, identity) = (self.tracker.settings(), self.tracker.identity());
        let (namespace, name) = match subject {
            Subject::Approval(key) => (key.0.as_str(), key.1.as_str()),
            Subject::Orphan(_, marker) => (marker.namespace.as_str(), marker.name.as_str()),
            Subject::LeftoverBranch(_) | Subject::Unowned(_) | Subject::LeftoverFiles(_) | Subject::All => {
                ("", "")
            }
        };
        Ok(match ask {
            Ask::Search { branch } => Response::Pulls(self.forge.pulls_of(branch).await?),
            Ask::Branch { name } => Response::Branch(self.forge.branch(name).await?),
            Ask::Tip { commit } => {
                let files = self.forge.files(&settings.folder, commit).await?;
                let own = files.iter().filter(|f| file::uuid_of(&f.path, name).is_some()).take(FILES);
                let mut found = Vec::new();
                for own in own {
                    let content = self.content(&own.path, commit).await?;
                    found.extend(content.map(|content| (own.path.clone(), content)));
                }
                Response::Tip(found)
            }
            Ask::Head { commit, path } => Response::Head(self.content(path, commit).await?),
            Ask::File { path, at, .. } => {
                let text = self.forge.read(path, at).await?;
                let look = |text: String| file::look(path, &identity.cluster, &text);
                Response::File(text.map(look).unwrap_or_default())
            }
            Ask::Decider { number } => Response::Decider(self.forge.decider(*number).await?.login),
            Ask::Comments { number } => {
                let mut said = Vec::new();
                for author in self.tracker.participants(*number) {
                    said.extend(self.forge.comments(*number, author).await?);
                }
                Response::Comments(said)
            }
            Ask::Folder => {
                let Some(base) = self.forge.branch(&identity.base).await? else {
                    return Err(ForgeError::NotFound(format!("branch {}", identity.base)));
                };
                let files = self.forge.files(&settings.folder, &base.commit).await?;
                Response::Folder(base, files)
            }
            Ask::Findings => Response::Findings(self.cluster.findings(&self.merged(namespace, name)).await),
            Ask::RequestReconcile => {
                self.cluster.request_reconcile(&self.merged(namespace, name)).await;
                Response::Done
            }
            Ask::Gone => {
                let found = self.cluster.read(namespace, name).await;
                let found = found.map_err(|why| ForgeError::Unavailable(format!("the cluster: {why}")))?;
                let Subject::Orphan(_, marker) = subject else { return Ok(Response::Gone(false)) };
                Response::Gone(found.is_none_or(|a| a.raw.metadata.uid.as_ref() != Some(&marker.uid)))
            }
        })
    }

    async fn content(&self, path: &str, at: &str) -> Result<Option<FiledApproval>, ForgeError> {
        let text = self.forge.read(path, at).await?;
        Ok(text.and_then(|text| file::read(path, &self.tracker.identity().cluster, &text)))
    }

    fn merged(&self, namespace: &str, name: &str) -> Merged {
        let identity = self.tracker.identity();
        Merged {
            repository: identity.repository.clone(),
            base: identity.base.clone(),
            folder: self.tracker.settings().folder.clone(),
            namespace: namespace.to_owned(),
            after: self.tracker.begun(namespace, name),
        }
    }

    async fn write(&self, write: &Write) -> Result<Response, ForgeError> {
        match write {
            Write::Push { branch, parent, change } => {
                let commit = self.forge.commit(parent, change).await?;
                self.forge.create_branch(branch, &commit).await?;
                return Ok(Response::Pushed(commit));
            }
            Write::Open(new) => {
                // Another controller may have opened one, and somebody ended it, since the branch was searched: the
                // forge would take a second one.
                let there = self.forge.pulls_of(&new.branch).await?;
                if there.iter().any(|pull| !self.tracker.knows(pull.number)) {
                    return Ok(Response::Pulls(there));
                }
                return Ok(Response::Opened(Box::new(self.forge.open(new).await?)));
            }
            Write::Label { number, labels } => self.forge.label(*number, labels).await?,
            Write::Review { number, logins } => self.forge.ask_review(*number, logins).await?,
            Write::Comment { number, text, .. } => self.forge.comment(*number, text).await?,
            Write::Close { number } => self.forge.close(*number).await?,
            Write::DeleteBranch { name, commit } => {
                // A forge deletes whatever is there: somebody may have pushed since the branch was asked for.
                let there = self.forge.branch(name).await?;
                if there.as_ref().is_none_or(|tip| tip.commit != *commit) {
                    return Ok(Response::Branch(there));
                }
                self.forge.delete_branch(name).await?;
            }
            Write::DeleteFiles { parent, change } => {
                let commit = self.forge.commit(parent, change).await?;
                self.forge.advance(&parent.name, &commit).await?;
            }
        }
        Ok(Response::Done)
    }
}

/// For the log: what, about what.
fn what(request: &Request) -> String {
    let about = match &request.subject {
        Subject::Approval((namespace, name)) => format!(" for {namespace}/{name}"),
        Subject::Orphan(number, _) => format!(" for pull request {number}"),
        Subject::LeftoverBranch(_) | Subject::Unowned(_) | Subject::LeftoverFiles(_) | Subject::All => {
            String::new()
        }
    };
    match &request.call {
        Call::Login => "ask who we are".to_owned(),
        Call::List { page, .. } => format!("list pull requests, page {page}"),
        Call::Branches => "list our branches".to_owned(),
        Call::Step(effect) => format!("{}{about}", effect.mark()),
    }
}
