//! Rules: the requests that meet a fault, and the fault.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::sync::watch as signal;

use super::refusal::Refusal;
use crate::lock::lock;

/// A request as a rule sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The number among the counted writes, from 1.
    pub write: Option<usize>,
    /// Whether it is a watch.
    pub watch: bool,
    /// The `user-agent` header.
    pub user_agent: String,
    /// The body.
    pub body: Bytes,
}

type Predicate = Arc<dyn Fn(&Seen) -> bool + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Write,
    Read,
    Watch,
}

/// The requests that a rule is for. All conditions must hold.
#[derive(Clone)]
pub struct Match {
    kind: Kind,
    method: Option<String>,
    path: Option<String>,
    write: Option<usize>,
    predicate: Option<Predicate>,
    first: usize,
    times: Option<usize>,
}

impl Match {
    fn of(kind: Kind) -> Self {
        Self { kind, method: None, path: None, write: None, predicate: None, first: 1, times: None }
    }

    /// Matches all requests.
    #[must_use]
    pub fn any() -> Self {
        Self::of(Kind::Any)
    }

    /// Matches the counted writes.
    #[must_use]
    pub fn writes() -> Self {
        Self::of(Kind::Write)
    }

    /// Matches GET requests that are no watches.
    #[must_use]
    pub fn reads() -> Self {
        Self::of(Kind::Read)
    }

    /// Requests that open a watch.
    #[must_use]
    pub fn watches() -> Self {
        Self::of(Kind::Watch)
    }

    /// Requires this method (`"PATCH"`).
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Requires that path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Requires this number among the counted writes, from 1.
    #[must_use]
    pub fn write(mut self, n: usize) -> Self {
        self.write = Some(n);
        self
    }

    /// Requires that this is true.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Leaves out all before the `n`-th match (from 1, counted since the rule was added).
    #[must_use]
    pub fn from(mut self, n: usize) -> Self {
        self.first = n;
        self
    }

    /// Leaves out all but the `n`-th match (from 1, counted since the rule was added).
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        self.from(n).times(1)
    }

    /// Leaves out all after this many.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    fn holds(&self, seen: &Seen) -> bool {
        let kind = match self.kind {
            Kind::Any => true,
            Kind::Write => seen.write.is_some(),
            Kind::Read => seen.method == Method::GET && !seen.watch,
            Kind::Watch => seen.watch,
        };
        kind && self.method.as_deref().is_none_or(|method| seen.method == method)
            && self.path.as_deref().is_none_or(|part| seen.path.contains(part))
            && self.write.is_none_or(|write| seen.write == Some(write))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(seen))
    }
}

/// A fault.
#[derive(Debug, Clone)]
pub enum Action {
    /// It waits, and goes on (to the next rule that matches, or to the server).
    Delay(Duration),
    /// The connection is closed; the server never sees it.
    DropRequest,
    /// The server answers, then the client's connection is closed without that answer.
    DropAnswer,
    /// The connection stays open, and nothing comes until the rules are cleared. The server never sees it.
    Freeze,
    /// The proxy refuses it in the server's name.
    Refuse(Refusal),
    /// A watch is answered, and its only event says 410 Expired.
    ExpireWatch,
    /// A hook, which [`super::FaultProxy::kill_at`] adds.
    Kill(Arc<Hook>),
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillWhen {
    /// The server never sees the write.
    BeforeForward,
    /// The server has done and answered it.
    AfterForward,
}

/// Runs once.
pub struct Hook {
    pub(super) when: KillWhen,
    callback: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    fired: signal::Sender<bool>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("when", &self.when).finish_non_exhaustive()
    }
}

impl Hook {
    pub(super) fn new(
        when: KillWhen,
        callback: impl FnOnce() + Send + 'static,
        fired: signal::Sender<bool>,
    ) -> Self {
        Self { when, callback: Mutex::new(Some(Box::new(callback))), fired }
    }

    /// Runs the callback, and blocks while it does.
    pub(super) fn run(&self) {
        let callback = lock(&self.callback).take();
        if let Some(callback) = callback {
            callback();
            self.fired.send_replace(true);
        }
    }
}

/// Names a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId(u64);

struct Entry {
    id: RuleId,
    when: Match,
    action: Action,
    matched: usize,
    applied: usize,
}

#[derive(Default)]
pub(super) struct Rules {
    entries: Vec<Entry>,
    next: u64,
}

impl Rules {
    pub(super) fn add(&mut self, when: Match, action: Action) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.entries.push(Entry { id, when, action, matched: 0, applied: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.entries.retain(|entry| entry.id != id);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn applied(&self, id: RuleId) -> usize {
        self.entries.iter().find(|entry| entry.id == id).map_or(0, |entry| entry.applied)
    }

    /// Returns how long the request waits, and what happens to it then.
    pub(super) fn decide(&mut self, seen: &Seen) -> (Duration, Option<Action>) {
        let mut delay = Duration::ZERO;
        for entry in &mut self.entries {
            if !entry.when.holds(seen) {
                continue;
            }
            entry.matched += 1;
            let last = entry.when.times.map(|times| entry.when.first + times);
            if entry.matched < entry.when.first || last.is_some_and(|last| entry.matched >= last) {
                continue;
            }
            entry.applied += 1;
            match &entry.action {
                Action::Delay(time) => delay += *time,
                action => return (delay, Some(action.clone())),
            }
        }
        (delay, None)
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Match, Refusal, Rules, Seen};
    use bytes::Bytes;
    use http::Method;
    use std::time::Duration;

    #[test]
    fn the_first_rule_decides_and_delays_add_up() {
        let seen = |method: Method, path: &str, write| Seen {
            method,
            path: path.into(),
            write,
            watch: path.contains("watch=true"),
            user_agent: String::new(),
            body: Bytes::new(),
        };
        let mut rules = Rules::default();
        rules.add(Match::any().path("/pods"), Action::Delay(Duration::from_secs(1)));
        rules.add(Match::writes().nth(2), Action::DropAnswer);
        rules.add(Match::watches(), Action::ExpireWatch);
        rules.add(Match::any().path("/pods"), Action::Refuse(Refusal::internal()));

        let describe = |rules: &mut Rules, request: &Seen| {
            let (delay, action) = rules.decide(request);
            format!("{}s {}", delay.as_secs(), action.map_or("-".into(), |action| format!("{action:.0?}")))
        };
        let starts = |text: String, expected: &str| assert!(text.starts_with(expected), "{text}: {expected}");
        starts(describe(&mut rules, &seen(Method::POST, "/pods", Some(1))), "1s Refuse");
        starts(describe(&mut rules, &seen(Method::POST, "/pods", Some(2))), "1s DropAnswer");
        starts(describe(&mut rules, &seen(Method::POST, "/pods", Some(3))), "1s Refuse");
        starts(describe(&mut rules, &seen(Method::GET, "/nodes?watch=true", None)), "0s ExpireWatch");
        starts(describe(&mut rules, &seen(Method::GET, "/nodes", None)), "0s -");
    }
}
