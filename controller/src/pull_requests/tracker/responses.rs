//! What an answer of the forge means for what is known. An answer that did not come unsettles what it was about: whether
//! the write happened is asked before anything else is done about it.

use jiff::{SignedDuration, Timestamp};

use super::rate_limit::backoff;
use super::{Call, Key, Loose, Request, Response, Subject, Tracker, local, weight};
use crate::pull_requests::forge::{Branch, Change, File, ForgeError};
use crate::pull_requests::plan::{Ask, Folder, ForgeEffect, Orphan, Posted, Refusal, Write};
use crate::pull_requests::text::{file, marker};

/// First pause after a refusal; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(30);
/// First pause after no answer; doubles.
const FIRST_SILENT: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);
/// The same thing done so often in a row changes nothing.
const REPEATS: u32 = 5;

impl Tracker {
    /// A request has its answer.
    pub fn respond(&mut self, now: Timestamp, request: Request, answer: Result<Response, ForgeError>) {
        if let Err(error @ ForgeError::NewToken) = &answer {
            self.known = false;
            self.renewed = true;
            return self.bad(now, request, error);
        }
        if !local(&request.call) && !matches!(answer, Ok(Response::Moved(_))) {
            self.pace.done(now, weight(&request.call));
            let before = self.pace.outage().cloned();
            match &answer {
                Ok(_) => {
                    self.pace.well();
                }
                Err(ForgeError::Refused(_) | ForgeError::NotFound(_) | ForgeError::Invalid(_))
                    if !about_all(&request.call) =>
                {
                    self.pace.well();
                }
                Err(error) => self.pace.ill(now, error),
            }
            if self.pace.outage() != before.as_ref() {
                self.touch_all();
            }
        }
        match answer {
            Ok(answer) => self.good(now, request, answer),
            Err(error) => self.bad(now, request, &error),
        }
    }

    fn good(&mut self, now: Timestamp, request: Request, answer: Response) {
        if let (Subject::Approval(key), Call::Step(effect)) = (&request.subject, &request.call)
            && !matches!(answer, Response::Moved(_))
            && let Some(observed) = self.observed.get_mut(key)
        {
            observed.refusals.remove(&effect.mark());
        }
        if matches!(request, Request { subject: Subject::All, call: Call::Step(_), .. }) {
            self.folder_refused = 0;
        }
        match (request.subject, request.call, answer) {
            (_, Call::Login, Response::Identity(login, base)) => {
                if base != self.identity.base {
                    self.folder = None;
                    self.folder_due = Some(Timestamp::MIN);
                }
                self.identity.login = login;
                self.identity.base = base;
                self.known = true;
                if std::mem::take(&mut self.renewed) {
                    self.lift_refusals();
                }
                self.count_open();
                self.look_for_orphans();
                self.touch_all();
            }
            (_, Call::List { .. }, Response::Page(page)) => self.listed(now, page),
            (_, Call::Step(ForgeEffect::Ask(Ask::Folder)), Response::Folder(base, files)) => {
                self.folder_is(now, base, files);
            }
            (_, Call::Step(ForgeEffect::Ask(Ask::File { path, blob, .. })), Response::File(inside)) => {
                let file = File { path, blob };
                self.contents.insert(file.clone(), inside.clone());
                if let Some(folder) = &mut self.folder {
                    folder.contents.insert(file, inside);
                }
                self.touch_all();
            }
            (Subject::Approval(key), _, Response::Moved(left)) => match left {
                Some(approval) => self.apply(*approval),
                None => {
                    let uid = self.approvals.get(&key).and_then(|a| a.raw.metadata.uid.clone());
                    self.delete(&key.0, &key.1, &uid.unwrap_or_default());
                }
            },
            (Subject::Approval(key), Call::Step(effect), answer) => {
                self.repeated(now, &key, &effect);
                self.about_approval(now, &key, effect, answer);
                self.touch(&key);
            }
            (Subject::LeftoverFiles(_), _, Response::Moved(Some(waits))) => self.apply(*waits),
            (Subject::LeftoverFiles(_), _, _) => self.swept(now, None),
            (Subject::LeftoverBranch(name), _, answer) => self.untied(now, &name, Ok(answer)),
            (_, Call::Branches, Response::Branches(names)) => self.survey.is(names),
            (Subject::Unowned(name), _, Response::Pulls(pulls)) => self.surveyed(now, &name, pulls),
            (Subject::Orphan(number, _), Call::Step(effect), answer) => {
                self.about_orphan(now, number, effect, answer);
            }
            _ => {}
        }
    }

    fn folder_is(&mut self, now: Timestamp, base: Branch, files: Vec<File>) {
        self.folder_due = None;
        self.contents.retain(|file, _| files.contains(file));
        self.folder = Some(Folder { base, at: now, files, contents: self.contents.clone() });
        self.touch_all();
    }

    fn about_approval(&mut self, now: Timestamp, key: &Key, effect: ForgeEffect, answer: Response) {
        let cluster = self.identity.cluster.clone();
        let noted = self.approvals.get(key).and_then(|a| a.raw.status.as_ref()?.pull_request.as_ref());
        let approval_pull = noted.map(|r| r.number);
        let Some(observed) = self.observed.get_mut(key) else { return };
        match (effect, answer) {
            (ForgeEffect::Ask(Ask::Search { .. }), Response::Pulls(pulls)) => {
                observed.searched = Some(now);
                for pull in pulls {
                    self.take(pull);
                }
            }
            (ForgeEffect::Ask(Ask::Branch { .. }), Response::Branch(branch)) => {
                observed.branch = Some(branch);
                observed.asked = Some(now);
            }
            (ForgeEffect::Ask(Ask::Tip { commit }), Response::Tip(found)) => {
                // The name of a file of ours follows from its digest and this cluster.
                let made_here = |path: &str, digest: &str| {
                    file::any_uuid(path).is_some_and(|u| u == file::uuid(&cluster, digest))
                };
                let own = found.into_iter().filter(|(path, c)| made_here(path, &c.digest)).map(|(_, c)| c);
                observed.tips.insert(commit, own.collect());
            }
            (ForgeEffect::Ask(Ask::Head { commit, .. }), Response::Head(content)) => {
                observed.heads.insert(commit, content);
            }
            (ForgeEffect::Ask(Ask::Decider { number }), Response::Decider(login)) => {
                observed.deciders.insert(number, login);
            }
            (ForgeEffect::Ask(Ask::Comments { number }), Response::Comments(texts)) => {
                observed.posted.insert(number, said(&texts));
            }
            (ForgeEffect::Ask(Ask::Findings), Response::Findings(findings)) => {
                observed.findings = Some((now, findings))
            }
            (ForgeEffect::Ask(Ask::RequestReconcile), _) => {
                observed.reconcile_requested.extend(approval_pull.map(|number| (number, now)));
            }
            (ForgeEffect::Write(write), answer) => self.wrote(now, key, *write, answer),
            _ => {}
        }
    }

    fn wrote(&mut self, now: Timestamp, key: &Key, write: Write, answer: Response) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        match (write, answer) {
            (Write::Push { branch, change, .. }, Response::Pushed(commit)) => {
                let Change { message, author, add, .. } = change;
                let contents = add
                    .iter()
                    .filter_map(|(path, text)| file::read(path, &self.identity.cluster, text))
                    .collect();
                observed.tips.insert(commit.clone(), contents);
                let tree = String::new();
                observed.branch =
                    Some(Some(Branch { name: branch, commit, tree, message, email: author.email }));
            }
            (Write::Open(_), Response::Opened(pull)) => {
                // The account of the token has another name by now.
                self.known &= pull.author.eq_ignore_ascii_case(&self.identity.login);
                self.take(*pull);
            }
            (Write::Open(_), Response::Pulls(pulls)) => pulls.into_iter().for_each(|pull| self.take(pull)),
            (Write::Label { number, .. }, _) => {
                observed.labelled.insert(number);
            }
            (Write::Review { number, logins }, _) => {
                observed.reviewed.extend(logins.into_iter().map(|login| (number, login)));
            }
            (Write::Comment { number, outcome, .. }, _) => {
                let said = observed.posted.entry(number).or_default();
                said.outcomes.insert(outcome);
                said.fresh = false;
            }
            (Write::Close { number }, _) => self.closed(now, number),
            (Write::DeleteBranch { .. }, Response::Branch(branch)) => observed.branch = Some(branch),
            (Write::DeleteBranch { .. }, _) => observed.branch = Some(None),
            (Write::DeleteFiles { .. }, _) => {
                self.folder = None;
            }
            _ => {}
        }
    }

    fn about_orphan(&mut self, now: Timestamp, number: u64, effect: ForgeEffect, answer: Response) {
        if let (ForgeEffect::Ask(Ask::Gone), Response::Gone(false)) = (&effect, &answer) {
            // The watch is late, and will bring it.
            self.orphans.remove(&number);
            return;
        }
        if let Some(Write::Close { .. }) = effect.change() {
            self.keep_loose(now, number);
            return self.closed(now, number);
        }
        let Some(orphan): Option<&mut Orphan> = self.orphans.get_mut(&number) else { return };
        match (effect, answer) {
            (ForgeEffect::Ask(Ask::Gone), _) => orphan.gone = true,
            (ForgeEffect::Ask(Ask::Comments { .. }), Response::Comments(texts)) => {
                orphan.posted = said(&texts)
            }
            (ForgeEffect::Ask(Ask::Branch { .. }), Response::Branch(branch)) => orphan.branch = Some(branch),
            (ForgeEffect::Write(_), Response::Branch(branch)) => orphan.branch = Some(branch),
            (ForgeEffect::Write(write), _) => match *write {
                Write::Comment { outcome, .. } => {
                    orphan.posted.outcomes.insert(outcome);
                }
                Write::DeleteBranch { .. } => orphan.branch = Some(None),
                _ => {}
            },
            _ => {}
        }
    }

    /// The same thing again and again, although it is done each time, is held like a refusal.
    fn repeated(&mut self, now: Timestamp, key: &Key, effect: &ForgeEffect) {
        let mark = effect.mark();
        let entry = self.repeats.entry(key.clone()).or_default();
        if entry.0 == mark {
            entry.1 += 1;
        } else {
            *entry = (mark, 1);
        }
        let often = entry.1;
        // The folder is asked for with every poll.
        let usual = matches!(effect, ForgeEffect::Ask(Ask::Folder | Ask::Findings));
        if often >= REPEATS && !usual {
            self.repeats.remove(key);
            self.hold(now, key, effect, "it was done several times and changes nothing", true);
        }
    }

    fn bad(&mut self, now: Timestamp, request: Request, error: &ForgeError) {
        let definite =
            matches!(error, ForgeError::Refused(_) | ForgeError::NotFound(_) | ForgeError::Invalid(_));
        match (request.subject, request.call) {
            (_, Call::List { .. }) => self.listing.failed(),
            (Subject::LeftoverFiles(_), _) => self.swept(now, Some(error)),
            (Subject::Unowned(_), _) | (_, Call::Branches) => self.survey.failed(now),
            (Subject::All, Call::Step(_)) => {
                if matches!(error, ForgeError::NotFound(_)) {
                    self.base_is_doubtful();
                }
                let due = now + backoff(FIRST, self.folder_refused, LONGEST);
                // Silence has a pause of its own.
                self.folder_refused = if definite { self.folder_refused.saturating_add(1) } else { 0 };
                self.folder_due = Some(due);
                self.sweep_due = due;
            }
            (Subject::Approval(key), Call::Step(effect)) => {
                self.unsettle(&key, &effect, error);
                if matches!((&effect, error), (ForgeEffect::Ask(Ask::Folder), ForgeError::NotFound(_))) {
                    self.base_is_doubtful();
                }
                // A label or a reviewer that the forge does not take must not hold up the question.
                if definite && matches!(effect.change(), Some(Write::Label { .. })) {
                    self.about_approval(now, &key, effect, Response::Done);
                } else if definite && let Some(Write::Review { number, logins }) = effect.change() {
                    self.unwelcome(&key, *number, logins);
                } else if matches!(effect.change(), Some(Write::DeleteFiles { .. }))
                    && matches!(error, ForgeError::Invalid(_))
                {
                    // Somebody else was faster with the next commit.
                    self.hold_for(now, &key, &effect, &error.to_string(), false, FIRST_SILENT);
                } else if !matches!(
                    error,
                    ForgeError::Limited { .. } | ForgeError::Unauthorized(_) | ForgeError::NewToken
                ) {
                    self.hold(now, &key, &effect, &error.to_string(), definite);
                }
                self.touch(&key);
            }
            (Subject::LeftoverBranch(name), _) => self.untied(now, &name, Err(error)),
            (Subject::Orphan(number, _), Call::Step(effect)) => {
                let Some(orphan) = self.orphans.get_mut(&number) else { return };
                if definite && matches!(effect.change(), Some(Write::DeleteBranch { .. })) {
                    orphan.kept = true;
                    return;
                }
                let first = if definite { FIRST } else { FIRST_SILENT };
                let until = now + backoff(first, orphan.attempts, LONGEST);
                let (gone, kept, attempts) = (orphan.gone, orphan.kept, orphan.attempts.saturating_add(1));
                *orphan = Orphan { gone, kept, attempts, until: Some(until), ..Orphan::default() };
            }
            _ => {}
        }
    }

    /// A forge that does not take one of them takes none: who it is shows when they are asked for one by one.
    fn unwelcome(&mut self, key: &Key, number: u64, logins: &[String]) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        match logins {
            [login] => {
                observed.reviewed.insert((number, login.clone()));
                observed.reviewers_rejected.insert((number, login.clone()));
            }
            _ => drop(observed.ask_one_by_one.insert(number)),
        }
    }

    /// What the forge refused under another token may be asked again.
    fn lift_refusals(&mut self) {
        for observed in self.observed.values_mut() {
            observed.refusals.clear();
        }
        for orphan in self.orphans.values_mut() {
            (orphan.until, orphan.kept, orphan.attempts) = (None, false, 0);
        }
        self.loose.values_mut().for_each(Loose::again);
        self.survey.again();
        self.folder_refused = 0;
        self.sweep_due = Timestamp::MIN;
        if self.folder.is_none() {
            self.folder_due = Some(Timestamp::MIN);
        }
    }

    /// Forgets what a failed request makes doubtful.
    fn unsettle(&mut self, key: &Key, effect: &ForgeEffect, error: &ForgeError) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        let Some(write) = effect.change() else { return };
        match write {
            Write::Push { .. } => {
                observed.branch = None;
                if matches!(error, ForgeError::Invalid(_) | ForgeError::NotFound(_)) {
                    self.folder = None;
                }
            }
            Write::Open(_) => {
                observed.searched = None;
                observed.branch = None;
            }
            Write::Comment { number, .. } => {
                if let Some(said) = observed.posted.get_mut(number) {
                    said.fresh = false;
                }
            }
            Write::DeleteBranch { .. } => observed.branch = None,
            Write::DeleteFiles { .. } => self.folder = None,
            Write::Label { .. } | Write::Review { .. } | Write::Close { .. } => {}
        }
    }

    fn hold(&mut self, now: Timestamp, key: &Key, effect: &ForgeEffect, why: &str, definite: bool) {
        self.hold_for(now, key, effect, why, definite, LONGEST);
    }

    fn hold_for(
        &mut self,
        now: Timestamp,
        key: &Key,
        effect: &ForgeEffect,
        why: &str,
        definite: bool,
        longest: SignedDuration,
    ) {
        let Some(observed) = self.observed.get_mut(key) else { return };
        let mark = effect.mark();
        let before = observed.refusals.get(&mark);
        let attempts = before.map_or(0, |h| h.attempts + 1);
        let since = before.map_or(now, |h| h.since);
        let first = if definite { FIRST } else { FIRST_SILENT };
        let until = now + backoff(first, attempts, longest);
        observed.refusals.insert(mark, Refusal { since, until, attempts, why: why.to_owned(), definite });
    }
}

/// Whether a no to this is a no to everything.
fn about_all(call: &Call) -> bool {
    matches!(call, Call::Login | Call::List { .. })
}

fn said(comments: &[String]) -> Posted {
    let outcomes = comments.iter().flat_map(|text| marker::outcomes(text)).map(str::to_owned).collect();
    Posted { outcomes, fresh: true }
}
