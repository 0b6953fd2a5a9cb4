//! Carries out what the tracker says, one thing at a time, on any forge and any cluster.

use std::future::Future;

use autopilot_shared::error::chain;
use jiff::Timestamp;

use super::forge::{Forge, ForgeError};
use super::plan::{self, Ask, ClusterEffect, Finding, ForgeEffect, Write};
use super::text::branch::PREFIX;
use super::text::file::{self, FiledApproval};
use super::tracker::{Call, LeftoverFile, Next, Request, Response, Subject, Tracker};
use crate::act::{Failure, TIME_OUT};
use crate::decide::{Approval, Target};

/// Files of one approval that are read at one commit at most: more cannot come from us.
const FILES: usize = 5;

/// Reason why a request to the cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server said no, or nothing.
    #[error(transparent)]
    Request(#[from] kube::Error),
    /// The API server did not answer in time.
    #[error("no answer within {} s", TIME_OUT.as_secs())]
    TimedOut,
    /// The engine's actor did not carry it out.
    #[error(transparent)]
    Act(#[from] Failure),
    /// The patch cannot be written.
    #[error(transparent)]
    Patch(#[from] serde_json::Error),
}

/// The port to a cluster.
pub trait Cluster: Send + Sync {
    /// Reads an approval, past every cache; `None` if there is none.
    fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Approval>, ClusterError>> + Send;

    /// Carries out a write. Returns the approval as it is now, also if the write was refused because it is based on an
    /// older version; `None` if the approval is gone.
    fn perform(
        &self,
        effect: &ClusterEffect,
    ) -> impl Future<Output = Result<Option<Approval>, ClusterError>> + Send;

    /// Asks the GitOps tool to reconcile, if there is one; whether it does shows itself.
    fn request_reconcile(&self, asked: &Merged) -> impl Future<Output = ()> + Send;

    /// Returns what stands between a merge and the cluster, the most telling first.
    fn findings(&self, asked: &Merged) -> impl Future<Output = Vec<Finding>> + Send;
}

/// A merge that the cluster may not know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// `owner/name`.
    pub repository: String,
    /// The branch that was merged into.
    pub base: String,
    /// The folder of the file.
    pub folder: String,
    /// Namespace of the approval.
    pub namespace: String,
    /// Time of the change that is asked for: the merge, or what came after the decision.
    pub after: Option<Timestamp>,
}

/// Result of one unit of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// Something was done; there may be more to do.
    Did,
    /// Nothing is to be done before this time, unless something happens.
    Idle(Option<Timestamp>),
}

/// Tracker, forge and cluster.
#[derive(Debug)]
pub struct Worker<F, C> {
    /// Everything that is known.
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
            Next::Cluster { key, effect } => {
                match self.cluster.perform(&effect).await {
                    Ok(left) => self.tracker.written(clock(), &key, *effect, left),
                    Err(error) => {
                        tracing::warn!(
                            namespace = key.namespace,
                            approval = key.name,
                            why = chain(&error),
                            "an approval was not written"
                        );
                        self.tracker.write_failed(clock(), &key, *effect);
                    }
                }
                Worked::Did
            }
            Next::Forge(request) => {
                let response = self.perform(&request).await;
                if let Err(error) = &response {
                    tracing::warn!(what = what(&request), %error, "the forge did not do what was asked");
                } else if let Call::Step(ForgeEffect::Write(_)) = &request.call {
                    tracing::info!(what = what(&request), "done on the forge");
                }
                self.tracker.respond(clock(), *request, response);
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
        if let Subject::LeftoverFiles(files) = &request.subject
            && let Some(moved) = self.wanted(files).await?
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
                Ok(Response::Identity { login, base })
            }
            Call::List { page, etag } => Ok(Response::Page(self.forge.pulls(*page, etag.as_deref()).await?)),
            Call::Branches => Ok(Response::Branches(self.forge.branches(PREFIX).await?)),
            Call::Step(ForgeEffect::Ask(ask)) => self.ask(&request.subject, ask).await,
            Call::Step(ForgeEffect::Write(write)) => self.write(write.as_ref()).await,
        }
    }

    /// Returns the approval if it is another than the one that was decided about. A forge knows no precondition: what
    /// was read of it before this, this decision was made from.
    async fn moved(&self, basis: &Target) -> Result<Option<Response>, ForgeError> {
        let found = self.read(&basis.namespace, &basis.name).await?;
        let same = found.as_ref().is_some_and(|a| {
            let meta = &a.raw.metadata;
            meta.uid.as_deref() == Some(basis.uid.as_str())
                && meta.resource_version.as_deref() == Some(basis.version.as_str())
        });
        Ok((!same).then(|| Response::Moved(found.map(Box::new))))
    }

    /// Returns an approval that waits for one of these files after all.
    async fn wanted(&self, files: &[LeftoverFile]) -> Result<Option<Response>, ForgeError> {
        for file in files {
            let found = self.read(&file.key.namespace, &file.key.name).await?;
            let waits = |a: &Approval| plan::pending_proposal(a).is_some_and(|p| p.digest == file.digest);
            if let Some(found) = found.filter(waits) {
                return Ok(Some(Response::Moved(Some(Box::new(found)))));
            }
        }
        Ok(None)
    }

    async fn ask(&self, subject: &Subject, ask: &Ask) -> Result<Response, ForgeError> {
        let (settings, identity) = (self.tracker.settings(), self.tracker.identity());
        let (namespace, name) = match subject {
            Subject::Approval(key) => (key.namespace.as_str(), key.name.as_str()),
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
                let mut texts = Vec::new();
                for author in self.tracker.participants(*number) {
                    texts.extend(self.forge.comments(*number, author).await?);
                }
                Response::Comments(texts)
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
                let found = self.read(namespace, name).await?;
                let Subject::Orphan(_, marker) = subject else { return Ok(Response::Gone(false)) };
                Response::Gone(found.is_none_or(|a| a.raw.metadata.uid.as_ref() != Some(&marker.uid)))
            }
        })
    }

    /// Reads an approval for the forge's sake.
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Approval>, ForgeError> {
        let found = self.cluster.read(namespace, name).await;
        found.map_err(|error| ForgeError::Unavailable(format!("the cluster: {}", chain(&error))))
    }

    /// Reads the approval in a file at a branch or commit.
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
            after: self.tracker.settled_at(namespace, name),
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
                if there.iter().any(|pull| !self.tracker.knows_pull(pull.number)) {
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

/// Describes a request for the log.
fn what(request: &Request) -> String {
    let about = match &request.subject {
        Subject::Approval(key) => format!(" for {}/{}", key.namespace, key.name),
        Subject::Orphan(number, _) => format!(" for pull request {number}"),
        Subject::LeftoverBranch(_) | Subject::Unowned(_) | Subject::LeftoverFiles(_) | Subject::All => {
            String::new()
        }
    };
    match &request.call {
        Call::Login => "ask who we are".to_owned(),
        Call::List { page, .. } => format!("list pull requests, page {page}"),
        Call::Branches => "list our branches".to_owned(),
        Call::Step(effect) => format!("{}{about}", effect.key()),
    }
}
