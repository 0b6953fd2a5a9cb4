//! The second half of [`Tracker`]: it takes in what the forge says.

use jiff::{SignedDuration, Timestamp};

use super::Tracker;
use super::observations::{Consequences, Context};
use super::pauses;
use super::request::{ApprovalKey, Call, Request, Response, Subject};
use crate::pull_requests::forge::{Conditional, File, ForgeError, Page, Pull, PullState};
use crate::pull_requests::plan::{self, Ask, ForgeEffect, Write};

impl Tracker {
    /// Takes in the response to a request.
    pub(crate) fn respond(
        &mut self,
        now: Timestamp,
        request: Request,
        response: Result<Response, ForgeError>,
    ) {
        if let Err(error @ ForgeError::NewToken) = &response {
            self.identity_known = false;
            self.token_replaced = true;
            return self.failed(now, request, error);
        }
        if !request.call.is_local() && !matches!(response, Ok(Response::Moved(_))) {
            self.count(now, &request.call, response.as_ref().err());
        }
        match response {
            Ok(response) => self.succeeded(now, request, response),
            Err(error) => self.failed(now, request, &error),
        }
    }

    /// Counts an exchange with the forge. A refusal that is about the request alone is as good as a success.
    fn count(&mut self, now: Timestamp, call: &Call, error: Option<&ForgeError>) {
        self.rate_limit.finished(now, call.write_weight());
        let before = self.rate_limit.outage().cloned();
        match error {
            Some(error) if !error.is_definite() || call.concerns_everything() => {
                self.rate_limit.failed(now, error);
            }
            _ => self.rate_limit.succeeded(),
        }
        if self.rate_limit.outage() != before.as_ref() {
            self.touch_all();
        }
    }

    fn succeeded(&mut self, now: Timestamp, request: Request, response: Response) {
        if let (Subject::Approval(key), Call::Step(effect)) = (&request.subject, &request.call)
            && !matches!(response, Response::Moved(_))
        {
            self.observations.accepted(key, effect);
        }
        if let Subject::All = request.subject
            && let Call::Step(_) = request.call
        {
            self.folder.succeeded();
        }
        match (request.subject, request.call, response) {
            (_, Call::Login, Response::Identity { login, base }) => self.identified(login, base),
            (_, Call::List { .. }, Response::Page(page)) => self.listed(now, page),
            (_, Call::Step(ForgeEffect::Ask(Ask::Folder)), Response::Folder(base, files)) => {
                self.folder.listed(now, base, files);
                self.touch_all();
            }
            (_, Call::Step(ForgeEffect::Ask(Ask::File { path, blob, .. })), Response::File(content)) => {
                self.folder.file_read(File { path, blob }, content);
                self.touch_all();
            }
            (Subject::Approval(key), _, Response::Moved(left)) => match left {
                Some(approval) => self.apply(*approval),
                None => self.delete(&key.namespace, &key.name, &self.approvals.uid(&key)),
            },
            (Subject::Approval(key), Call::Step(effect), response) => {
                self.hold_if_repeated(now, &key, &effect);
                self.about_approval(now, &key, effect, response);
                self.touch(&key);
            }
            (Subject::LeftoverFiles(_), _, Response::Moved(Some(waits))) => self.apply(*waits),
            (Subject::LeftoverFiles(_), ..) => self.folder.swept(now),
            (Subject::LeftoverBranch(name), _, response) => self.leftover_branches.respond(&name, response),
            (_, Call::Branches, Response::Branches(names)) => self.branch_audit.listed(names),
            (Subject::Unowned(name), _, Response::Pulls(pulls)) => self.audited(now, &name, pulls),
            (Subject::Orphan(number, _), Call::Step(effect), response) => match effect.change() {
                Some(Write::Close { .. }) => {
                    self.keep_refused_branch(now, number);
                    self.closed(now, number);
                }
                _ => self.orphans.respond(number, effect, response),
            },
            _ => {}
        }
    }

    fn identified(&mut self, login: String, base: String) {
        if base != self.identity.base {
            self.folder.forget_and_read();
        }
        self.identity.login = login;
        self.identity.base = base;
        self.identity_known = true;
        if std::mem::take(&mut self.token_replaced) {
            self.lift_refusals();
        }
        self.pulls.recount_open(&self.identity);
        self.look_for_orphans();
        self.touch_all();
    }

    /// Lifts what the forge refused under another token.
    fn lift_refusals(&mut self) {
        self.observations.lift_refusals();
        self.orphans.lift_refusals();
        self.leftover_branches.lift_refusals();
        self.branch_audit.retry_now();
        self.folder.lift_refusals();
    }

    fn listed(&mut self, now: Timestamp, page: Conditional<Page>) {
        let poll = self.settings.poll;
        let page = match page {
            Conditional::NotModified => return self.listing.not_modified(now, poll),
            Conditional::Changed(page) => page,
        };
        for pull in &page.pulls {
            self.take(pull.clone());
        }
        let all_found = self.approvals.recorded_open_pulls().all(|number| self.pulls.get(number).is_some());
        let is_first = !self.listing.is_complete();
        if self.listing.read(now, poll, &page, all_found) && is_first {
            self.look_for_orphans();
            self.touch_all();
        }
    }

    fn about_approval(&mut self, now: Timestamp, key: &ApprovalKey, effect: ForgeEffect, response: Response) {
        let recorded = self.approvals.recorded_pull(key);
        let context = Context { now, key, cluster: &self.identity.cluster, recorded };
        let Consequences { pulls, opened, closed, folder_changed } =
            self.observations.respond(context, effect, response);
        if let Some(pull) = opened {
            // The account of the token may have another name now.
            self.identity_known &= pull.author.eq_ignore_ascii_case(&self.identity.login);
            self.take(pull);
        }
        pulls.into_iter().for_each(|pull| self.take(pull));
        if let Some(number) = closed {
            self.closed(now, number);
        }
        if folder_changed {
            self.folder.forget();
        }
    }

    /// Refuses a step that is done again and again, although it succeeds each time, as the forge would.
    fn hold_if_repeated(&mut self, now: Timestamp, key: &ApprovalKey, effect: &ForgeEffect) {
        // The folder and the findings are asked for with every poll.
        let usual = matches!(effect, ForgeEffect::Ask(Ask::Folder | Ask::Findings));
        if self.schedule.is_repeated(key, effect.key(), usual) {
            let why = "it was done several times and changes nothing";
            self.observations.refuse(now, key, effect.key(), why, true, pauses::LONGEST);
        }
    }

    fn failed(&mut self, now: Timestamp, request: Request, error: &ForgeError) {
        match (request.subject, request.call) {
            (_, Call::List { .. }) => self.listing.failed(),
            (Subject::LeftoverFiles(_), _) => self.folder.sweep_failed(now, error),
            (Subject::Unowned(_), _) | (_, Call::Branches) => self.branch_audit.failed(now),
            (Subject::All, Call::Step(_)) => {
                if matches!(error, ForgeError::NotFound(_)) {
                    self.doubt_base();
                }
                self.folder.failed(now, error);
            }
            (Subject::Approval(key), Call::Step(effect)) => {
                self.approval_step_failed(now, &key, effect, error);
            }
            (Subject::LeftoverBranch(name), _) => self.leftover_branches.failed(now, &name, error),
            (Subject::Orphan(number, _), Call::Step(effect)) => {
                self.orphans.failed(now, number, &effect, error);
            }
            _ => {}
        }
    }

    fn approval_step_failed(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        effect: ForgeEffect,
        error: &ForgeError,
    ) {
        if self.observations.unsettle(key, &effect, error) {
            self.folder.forget();
        }
        if matches!((&effect, error), (ForgeEffect::Ask(Ask::Folder), ForgeError::NotFound(_))) {
            self.doubt_base();
        }
        match (effect.change(), error) {
            // A label or a reviewer that the forge does not take must not hold up the pull request.
            (Some(Write::Label { .. }), error) if error.is_definite() => {
                self.about_approval(now, key, effect, Response::Done);
            }
            (Some(Write::Review { number, logins }), error) if error.is_definite() => {
                self.observations.reject_reviewers(key, *number, logins);
            }
            // Somebody else was faster with the next commit.
            (Some(Write::DeleteFiles { .. }), ForgeError::Invalid(_)) => {
                self.refuse(now, key, &effect, error, false, pauses::UNANSWERED);
            }
            // These hold up everything.
            (_, ForgeError::Limited { .. } | ForgeError::Unauthorized(_) | ForgeError::NewToken) => {}
            _ => self.refuse(now, key, &effect, error, error.is_definite(), pauses::LONGEST),
        }
        self.touch(key);
    }

    fn refuse(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        effect: &ForgeEffect,
        error: &ForgeError,
        definite: bool,
        longest: SignedDuration,
    ) {
        self.observations.refuse(now, key, effect.key(), &error.to_string(), definite, longest);
    }

    /// Takes in a pull request; an older one than the known one is passed over.
    fn take(&mut self, pull: Pull) {
        let keys = self.approvals.of_branch(&pull.branch);
        let Some(applied) = self.pulls.apply(&self.identity, pull, !keys.is_empty()) else { return };
        if applied.state_changed && applied.merged {
            // The folder was read before the merge, and nobody may wait for the merged file now.
            self.folder.forget_and_read();
        }
        if applied.state_changed && applied.was_known {
            self.observations.pull_changed_state(&keys, applied.number);
        }
        if applied.dropped {
            return self.orphans.remove(applied.number);
        }
        if applied.retargeted {
            self.doubt_base();
        }
        if !applied.is_open_and_ours {
            self.orphans.remove(applied.number);
        }
        keys.iter().for_each(|key| self.touch(key));
        if self.listing.is_complete() {
            self.check_orphan(applied.number);
        }
    }

    /// We closed a pull request. A list from before that shows it open is passed over: it is older by a hair.
    fn closed(&mut self, now: Timestamp, number: u64) {
        let Some(pull) = self.pulls.get(number).cloned() else { return };
        let keys = self.approvals.of_branch(&pull.branch);
        let updated = pull.updated + SignedDuration::from_millis(1);
        self.take(Pull { state: PullState::Closed, ended: Some(now), updated, ..pull });
        self.observations.closed_by(&keys, number, &self.identity.login);
    }

    /// Asks again what to merge into. A default branch can be renamed, which also turns every open pull request to
    /// it; one that the configuration names is what it says.
    fn doubt_base(&mut self) {
        if self.settings.base.is_none() {
            self.identity_known = false;
        }
    }

    /// Takes in what was found on a branch that no approval has: what is open is an orphan, the branch of what ended
    /// is left over.
    fn audited(&mut self, now: Timestamp, name: &str, pulls: Vec<Pull>) {
        self.branch_audit.searched(name, now + self.settings.poll);
        let ended = pulls.iter().filter(|pull| !pull.is_open() && plan::ours(&self.identity, pull).is_some());
        self.leftover_branches.add_unknown(name, ended.map(|pull| pull.head.clone()).collect());
        pulls.into_iter().for_each(|pull| self.take(pull));
    }

    /// A pull request without approval is closed; if the forge did not let its branch go, that is tried again.
    fn keep_refused_branch(&mut self, now: Timestamp, number: u64) {
        if let Some(pull) = self.pulls.get(number).filter(|_| self.orphans.keeps_branch(number)) {
            self.leftover_branches.add_refused(now, &pull.branch, &pull.head);
        }
    }

    pub(super) fn look_for_orphans(&mut self) {
        if self.approvals.is_synced() && self.listing.is_complete() {
            for number in self.pulls.open().clone() {
                self.check_orphan(number);
            }
        }
    }

    fn check_orphan(&mut self, number: u64) {
        let Some(pull) = self.pulls.get(number).filter(|pull| pull.is_open()) else { return };
        let Some(marker) = plan::ours(&self.identity, pull) else { return };
        if self.approvals.has_approval_of(&marker) {
            self.orphans.remove(number);
        } else if self.approvals.is_synced() {
            self.orphans.add(number);
        }
    }
}
