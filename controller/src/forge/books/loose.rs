//! Branches that an approval left behind when it went before they did: its deletion has a bound.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::pace::backoff;
use super::{Answer, Books, Call, Key, Request, Subject};
use crate::forge::flow::{self, Ask, ForgeEffect, Write};
use crate::forge::port::{Branch, ForgeError};

/// First pause after it did not work; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// A forge that says no so often in a row keeps it.
const PATIENCE: u32 = 5;

/// What is known of one.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// The commits that it ended at while it was ours.
    ours: BTreeSet<String>,
    /// The branch, if it was asked: there or not.
    tip: Option<Option<Branch>>,
    attempts: u32,
    /// Left alone until then.
    pub(super) until: Option<Timestamp>,
}

impl Books {
    /// An approval goes; what it knew of its branch is kept, unless the branch is known to be gone.
    pub(super) fn loosen(&mut self, key: &Key, name: &str) {
        let Some(facts) = self.facts.get(key).filter(|facts| facts.branch != Some(None)) else { return };
        let pushed = facts.tips.iter().filter(|(_, contents)| !contents.is_empty()).map(|(c, _)| c.clone());
        let numbers = self.by_branch.get(name).into_iter().flatten();
        let pulls = numbers.filter_map(|number| self.pulls.get(number));
        let heads = pulls.filter(|pull| flow::ours(&self.us, pull).is_some()).map(|pull| pull.head.clone());
        let ours: BTreeSet<String> = pushed.chain(heads).collect();
        if !ours.is_empty() {
            self.loose.insert(name.to_owned(), Loose { ours, ..Loose::default() });
        }
    }

    /// The next step about such a branch. One that belongs to an approval, or to an open pull request, is no concern here.
    pub(super) fn untie(&mut self, now: Timestamp) -> Option<Request> {
        let taken = |name: &String| {
            let numbers = self.by_branch.get(name).into_iter().flatten();
            self.branches.contains_key(name) || numbers.into_iter().any(|number| self.open.contains(number))
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
        Some(Request { subject: Subject::Loose(name.clone()), call: Call::Step(effect), basis: None })
    }

    /// A step has its answer.
    pub(super) fn untied(&mut self, now: Timestamp, name: &str, answer: Result<Answer, &ForgeError>) {
        let Some(loose) = self.loose.get_mut(name) else { return };
        match answer {
            Ok(Answer::Branch(tip)) => loose.tip = Some(tip),
            Ok(_) => drop(self.loose.remove(name)),
            Err(ForgeError::Refused(_) | ForgeError::Invalid(_)) if loose.attempts >= PATIENCE => {
                self.loose.remove(name);
            }
            Err(_) => {
                loose.tip = None;
                loose.until = Some(now + backoff(FIRST, loose.attempts, LONGEST));
                loose.attempts = loose.attempts.saturating_add(1);
            }
        }
    }
}
