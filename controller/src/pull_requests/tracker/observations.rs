//! Observations on the forge about each approval. Nothing else writes an [`Observed`]; the plan only reads it. A
//! request without an answer makes doubtful what it was about: whether a write happened is asked before anything else.

use std::collections::BTreeMap;

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use super::pauses;
use super::request::{ApprovalKey, Response};
use crate::pull_requests::forge::{Branch, Change, ForgeError, Pull};
use crate::pull_requests::plan::{
    Ask, BranchState, EffectKey, FindingsAt, ForgeEffect, Observed, PostedComments, Refusal, Write,
};
use crate::pull_requests::text::file;

/// Observations by approval.
#[derive(Debug, Default)]
pub(super) struct Observations {
    observed: BTreeMap<ApprovalKey, Observed>,
}

/// Consequences of a response beyond the one approval that it is about.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Pull requests as they are now.
    pub(super) pulls: Vec<Pull>,
    /// The pull request that was opened.
    pub(super) opened: Option<Pull>,
    /// Number of the pull request that was closed.
    pub(super) closed: Option<u64>,
    /// The folder is not as it was read.
    pub(super) folder_changed: bool,
}

/// Circumstances of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) key: &'a ApprovalKey,
    /// UID of namespace `kube-system`.
    pub(super) cluster: &'a str,
    /// Number of the pull request that the approval records.
    pub(super) recorded: Option<u64>,
}

impl Observations {
    pub(super) fn get(&self, key: &ApprovalKey) -> Option<&Observed> {
        self.observed.get(key)
    }

    /// Begins anew with an approval.
    pub(super) fn reset(&mut self, key: &ApprovalKey) {
        self.observed.insert(key.clone(), Observed::default());
    }

    pub(super) fn remove(&mut self, key: &ApprovalKey) {
        self.observed.remove(key);
    }

    /// A pull request of these approvals is open, closed or merged now and was not before: people and the forge delete
    /// branches when one ends, and restore them to open it again.
    pub(super) fn pull_changed_state(&mut self, keys: &[ApprovalKey], number: u64) {
        for key in keys {
            if let Some(observed) = self.observed.get_mut(key) {
                observed.branch = BranchState::Unknown;
                observed.deciders.remove(&number);
            }
        }
    }

    /// Remembers who closed a pull request of these approvals.
    pub(super) fn closed_by(&mut self, keys: &[ApprovalKey], number: u64, login: &str) {
        for key in keys {
            if let Some(observed) = self.observed.get_mut(key) {
                observed.deciders.insert(number, login.to_owned());
            }
        }
    }

    /// Forgets a refusal: the forge did it.
    pub(super) fn accepted(&mut self, key: &ApprovalKey, effect: &ForgeEffect) {
        if let Some(observed) = self.observed.get_mut(key) {
            observed.refusals.remove(&effect.key());
        }
    }

    /// Takes in a response to a step about an approval.
    pub(super) fn respond(
        &mut self,
        context: Context<'_>,
        effect: ForgeEffect,
        response: Response,
    ) -> Consequences {
        let Some(observed) = self.observed.get_mut(context.key) else { return Consequences::default() };
        match effect {
            ForgeEffect::Ask(ask) => learned(observed, context, ask, response),
            ForgeEffect::Write(write) => written(observed, context.cluster, *write, response),
        }
    }

    /// Forgets what a failed write makes doubtful. Returns whether the folder is doubtful, too.
    pub(super) fn unsettle(&mut self, key: &ApprovalKey, effect: &ForgeEffect, error: &ForgeError) -> bool {
        let (Some(observed), Some(write)) = (self.observed.get_mut(key), effect.change()) else {
            return false;
        };
        match write {
            Write::Push { .. } => {
                observed.branch = BranchState::Unknown;
                return matches!(error, ForgeError::Invalid(_) | ForgeError::NotFound(_));
            }
            Write::Open(_) => {
                observed.searched = None;
                observed.branch = BranchState::Unknown;
            }
            Write::Comment { number, .. } => {
                if let Some(posted) = observed.posted.get_mut(number) {
                    posted.fresh = false;
                }
            }
            Write::DeleteBranch { .. } => observed.branch = BranchState::Unknown,
            Write::DeleteFiles { .. } => return true,
            Write::Label { .. } | Write::Review { .. } | Write::Close { .. } => {}
        }
        false
    }

    /// Takes in that the forge does not take some login as a reviewer. It then takes none of several: asking one by one
    /// shows who it is.
    pub(super) fn reject_reviewers(&mut self, key: &ApprovalKey, number: u64, logins: &[String]) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        let reviews = observed.reviews.entry(number).or_default();
        match logins {
            [login] => {
                reviews.asked.insert(login.clone());
                reviews.rejected.insert(login.clone());
            }
            _ => reviews.one_by_one = true,
        }
    }

    /// Remembers that a step was refused, so that it is tried again only after a pause of at most `longest`.
    pub(super) fn refuse(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        effect: EffectKey,
        why: &str,
        definite: bool,
        longest: SignedDuration,
    ) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        let before = observed.refusals.get(&effect);
        let attempts = before.map_or(0, |refusal| refusal.attempts + 1);
        let since = before.map_or(now, |refusal| refusal.since);
        let until = now + backoff(attempts, pauses::first(definite), longest);
        let refusal = Refusal { since, until, attempts, why: why.to_owned(), definite };
        observed.refusals.insert(effect, refusal);
    }

    /// Lifts what the forge refused under another token.
    pub(super) fn lift_refusals(&mut self) {
        for observed in self.observed.values_mut() {
            observed.refusals.clear();
        }
    }

    pub(super) fn clock_went_back(&mut self) {
        for observed in self.observed.values_mut() {
            observed.refusals.clear();
            observed.branch_asked = None;
            observed.searched = None;
            observed.findings = None;
        }
    }
}

/// Takes in what was asked for.
fn learned(observed: &mut Observed, context: Context<'_>, ask: Ask, response: Response) -> Consequences {
    let now = context.now;
    match (ask, response) {
        (Ask::Search { .. }, Response::Pulls(pulls)) => {
            observed.searched = Some(now);
            return Consequences { pulls, ..Consequences::default() };
        }
        (Ask::Branch { .. }, Response::Branch(branch)) => {
            observed.branch = branch.into();
            observed.branch_asked = Some(now);
        }
        (Ask::Tip { commit }, Response::Tip(found)) => {
            // The name of a file of ours follows from its digest and this cluster.
            let made_here = |path: &str, digest: &str| {
                file::any_uuid(path).is_some_and(|u| u == file::uuid(context.cluster, digest))
            };
            let own = found.into_iter().filter(|(path, c)| made_here(path, &c.digest)).map(|(_, c)| c);
            observed.tips.insert(commit, own.collect());
        }
        (Ask::Head { commit, .. }, Response::Head(content)) => {
            observed.heads.insert(commit, content);
        }
        (Ask::Decider { number }, Response::Decider(login)) => {
            observed.deciders.insert(number, login);
        }
        (Ask::Comments { number }, Response::Comments(texts)) => {
            observed.posted.insert(number, PostedComments::read(&texts));
        }
        (Ask::Findings, Response::Findings(findings)) => {
            observed.findings = Some(FindingsAt { at: now, findings });
        }
        (Ask::RequestReconcile, _) => {
            observed.reconcile_requested.extend(context.recorded.map(|number| (number, now)));
        }
        _ => {}
    }
    Consequences::default()
}

/// Takes in what was written.
fn written(observed: &mut Observed, cluster: &str, write: Write, response: Response) -> Consequences {
    let mut consequences = Consequences::default();
    match (write, response) {
        (Write::Push { branch, change, .. }, Response::Pushed(commit)) => {
            let Change { message, author, add, .. } = change;
            let contents = add.iter().filter_map(|(path, text)| file::read(path, cluster, text)).collect();
            observed.tips.insert(commit.clone(), contents);
            let tip = Branch { name: branch, commit, tree: String::new(), message, email: author.email };
            observed.branch = BranchState::Present(tip);
        }
        (Write::Open(_), Response::Opened(pull)) => consequences.opened = Some(*pull),
        (Write::Open(_), Response::Pulls(pulls)) => consequences.pulls = pulls,
        (Write::Label { number, .. }, _) => {
            observed.labelled.insert(number);
        }
        (Write::Review { number, logins }, _) => {
            observed.reviews.entry(number).or_default().asked.extend(logins);
        }
        (Write::Comment { number, outcome, .. }, _) => {
            let posted = observed.posted.entry(number).or_default();
            posted.outcomes.insert(outcome);
            posted.fresh = false;
        }
        (Write::Close { number }, _) => consequences.closed = Some(number),
        (Write::DeleteBranch { .. }, Response::Branch(branch)) => observed.branch = branch.into(),
        (Write::DeleteBranch { .. }, _) => observed.branch = BranchState::Absent,
        (Write::DeleteFiles { .. }, _) => consequences.folder_changed = true,
        _ => {}
    }
    consequences
}
