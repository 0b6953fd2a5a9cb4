//! Branches that an approval left behind when it went before they did: its deletion has a bound.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::rate_limit::backoff;
use super::{Call, Key, Request, Response, Subject, Tracker, is_open};
use crate::pull_requests::forge::{Branch, ForgeError, Pull};
use crate::pull_requests::plan::{self, Ask, ForgeEffect, Write};

/// First pause after it did not work; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// A forge that says no so often in a row keeps it for now: then it is asked once in [`SELDOM`].
const PATIENCE: u32 = 5;
/// What may be kept for ever must cost next to nothing, however much of it there is.
const SELDOM: SignedDuration = SignedDuration::from_hours(24);

/// What is known of one.
#[derive(Debug, Default)]
pub(crate) struct Loose {
    /// The commits that it ended at while it was ours.
    ours: BTreeSet<String>,
    /// The branch, if it was asked: there or not.
    tip: Option<Option<Branch>>,
    attempts: u32,
    /// Left alone until then.
    pub(crate) until: Option<Timestamp>,
}

impl Loose {
    /// One of which only the commits are known that it ended at.
    fn of(ours: BTreeSet<String>) -> Self {
        Loose { ours, ..Loose::default() }
    }

    /// Nothing stands in the way of another attempt.
    pub(crate) fn again(&mut self) {
        (self.tip, self.until, self.attempts) = (None, None, 0);
    }
}

impl Tracker {
    /// A pull request without approval is closed; where its branch was refused to go, that is tried again.
    pub(crate) fn keep_loose(&mut self, now: Timestamp, number: u64) {
        let kept = self.orphans.get(&number).is_some_and(|orphan| orphan.kept);
        if let Some(pull) = self.pulls.get(&number).filter(|_| kept) {
            let loose = Loose::of(BTreeSet::from([pull.head.clone()]));
            self.loose.insert(pull.branch.clone(), Loose { until: Some(now + LONGEST), ..loose });
        }
    }

    /// What was found on a branch that no approval has: what is open is an orphan, and the branch of what ended is loose.
    pub(crate) fn surveyed(&mut self, now: Timestamp, name: &str, pulls: Vec<Pull>) {
        self.survey.looked_at(name, now + self.settings.poll);
        let ended = pulls.iter().filter(|pull| !is_open(pull) && plan::ours(&self.identity, pull).is_some());
        let ours: BTreeSet<String> = ended.map(|pull| pull.head.clone()).collect();
        if !ours.is_empty() && !self.loose.contains_key(name) {
            self.loose.insert(name.to_owned(), Loose::of(ours));
        }
        pulls.into_iter().for_each(|pull| self.take(pull));
    }

    /// An approval goes; what it knew of its branch is kept, unless the branch is known to be gone.
    pub(crate) fn loosen(&mut self, key: &Key, name: &str) {
        let Some(observed) = self.observed.get(key).filter(|observed| observed.branch != Some(None)) else {
            return;
        };
        let pushed =
            observed.tips.iter().filter(|(_, contents)| !contents.is_empty()).map(|(c, _)| c.clone());
        let numbers = self.by_branch.get(name).into_iter().flatten();
        let pulls = numbers.filter_map(|number| self.pulls.get(number));
        let heads =
            pulls.filter(|pull| plan::ours(&self.identity, pull).is_some()).map(|pull| pull.head.clone());
        let ours: BTreeSet<String> = pushed.chain(heads).collect();
        if !ours.is_empty() {
            self.loose.insert(name.to_owned(), Loose::of(ours));
        }
    }

    /// The next step about such a branch. One that belongs to an approval, or to an open pull request, is no concern here:
    /// without its branch anybody's is closed.
    pub(crate) fn untie(&mut self, now: Timestamp) -> Option<Request> {
        let taken = |name: &String| {
            let numbers = self.by_branch.get(name).into_iter().flatten();
            let mut pulls = numbers.filter_map(|number| self.pulls.get(number));
            self.branches.contains_key(name)
                || pulls.any(|pull| is_open(pull) && plan::in_repository(&self.identity, pull))
        };
        let over = |loose: &Loose| match &loose.tip {
            None => false,
            Some(tip) => tip.as_ref().is_none_or(|tip| !loose.ours.contains(&tip.commit)),
        };
        self.loose.retain(|name, loose| !self.branches.contains_key(name) && !over(loose));
        let due = |loose: &&Loose| loose.until.is_none_or(|until| until <= now);
        let (name, loose) = self.loose.iter().find(|(name, loose)| due(loose) && !taken(name))?;
        let effect = match &loose.tip {
            Some(Some(tip)) => ForgeEffect::Write(Box::new(Write::DeleteBranch {
                name: name.clone(),
                commit: tip.commit.clone(),
            })),
            _ => ForgeEffect::Ask(Ask::Branch { name: name.clone() }),
        };
        Some(Request {
            subject: Subject::LeftoverBranch(name.clone()),
            call: Call::Step(effect),
            basis: None,
        })
    }

    /// A step has its answer.
    pub(crate) fn untied(&mut self, now: Timestamp, name: &str, answer: Result<Response, &ForgeError>) {
        let Some(loose) = self.loose.get_mut(name) else { return };
        match answer {
            Ok(Response::Branch(tip)) => loose.tip = Some(tip),
            Ok(_) => drop(self.loose.remove(name)),
            Err(ForgeError::Refused(_) | ForgeError::Invalid(_)) if loose.attempts >= PATIENCE => {
                loose.tip = None;
                loose.until = Some(now + SELDOM);
            }
            Err(_) => {
                loose.tip = None;
                loose.until = Some(now + backoff(FIRST, loose.attempts, LONGEST));
                loose.attempts = loose.attempts.saturating_add(1);
            }
        }
    }
}
