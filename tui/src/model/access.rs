//! Our permissions, as far as the server was asked. Unknown is not no: the server has the last word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::connection::{Answer, Verb};
use crate::text::Safe;

/// Time for which an answer is believed.
const BELIEVED: Duration = Duration::from_secs(300);
/// All answers are asked for anew by hand at most this often: the key may be held down.
const RENEWED: Duration = Duration::from_secs(1);

/// A question to the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    /// All namespaces if `None`.
    namespace: Option<Arc<str>>,
    verb: Verb,
}

/// All answers, by namespace; of all namespaces together under none.
#[derive(Clone, Debug, Default)]
pub struct Access {
    answers: BTreeMap<Question, Answer>,
    asked: BTreeMap<Option<Arc<str>>, Now>,
    round: u64,
    renewed: Option<Duration>,
}

impl Access {
    /// Returns the number of this round of questions: an answer from a former context, or about another user, is dropped.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Keeps an answer.
    pub(crate) fn answered(&mut self, namespace: Option<Arc<str>>, verb: Verb, answer: Answer) {
        self.answers.insert(Question { namespace, verb }, answer);
    }

    /// Returns why not; `None` if we may, or the server has not said no.
    pub(crate) fn denied(&self, namespace: &str, verb: Verb) -> Option<&Safe> {
        let answer = |namespace: Option<Arc<str>>| self.answers.get(&Question { namespace, verb });
        if answer(None).is_some_and(|a| a.allowed) {
            return None;
        }
        // A no for all namespaces says nothing of one.
        answer(Some(namespace.into())).filter(|a| !a.allowed).map(|a| &a.reason)
    }

    /// `true` if the server should be asked about a namespace (or all); notes that it is.
    pub fn should_ask(&mut self, namespace: Option<&Arc<str>>, now: Now) -> bool {
        let everywhere =
            |verb| self.answers.get(&Question { namespace: None, verb }).is_some_and(|a| a.allowed);
        if namespace.is_some() && everywhere(Verb::Patch) && everywhere(Verb::Delete) {
            return false;
        }
        let key = namespace.cloned();
        let fresh = self.asked.get(&key).is_some_and(|at| now.mono.saturating_sub(at.mono) < BELIEVED);
        if !fresh {
            self.asked.insert(key, now);
        }
        !fresh
    }

    /// Forgets all answers: after another context, other credentials, or a 403 they may be wrong.
    pub fn forget(&mut self) {
        *self = Access { round: self.round + 1, renewed: self.renewed, ..Access::default() };
    }

    /// Forgets all answers at a person's request, at most once a second.
    pub(crate) fn renew(&mut self, now: Now) {
        if self.renewed.is_none_or(|at| now.mono.saturating_sub(at) >= RENEWED) {
            self.renewed = Some(now.mono);
            self.forget();
        }
    }
}
