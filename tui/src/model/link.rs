//! State of the connection to the cluster, and since when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Now, age, seconds_since};
use crate::connection::{KindName, Trouble};
use crate::text::Safe;

/// The connection, in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No contact yet.
    Connecting,
    /// Lists are being read: kind and how many objects so far.
    Loading(usize),
    /// The server answers, and changes do not come in yet.
    Behind,
    /// Rows are complete, and changes come in.
    Live,
    /// It was, and is not any more.
    Lost(Trouble),
}

/// The server was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Kind of trouble.
    pub trouble: Trouble,
    /// Since the last contact, not since it was noticed.
    pub since: Now,
    /// The server's words, or the client's.
    pub text: Safe,
}

/// A kind that cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The kind.
    pub kind: KindName,
    /// Kind of trouble.
    pub trouble: Trouble,
    /// Time at which this was noticed first.
    pub since: Now,
    /// The server's words.
    pub text: Safe,
}

/// The connection.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Time of the server's last answer.
    pub contact: Option<Now>,
    /// Set as long as the server is not reached.
    pub outage: Option<Outage>,
    /// Attempts since.
    pub tries: u32,
    /// Time of the first attempt.
    pub started: Option<Now>,
    /// Kinds whose list is complete.
    pub synced: Vec<KindName>,
    /// Kinds whose changes do not come in, though the server answers.
    pub behind: Vec<KindName>,
    /// Kinds that cannot be listed.
    pub denied: Vec<Denial>,
    /// Objects of lists that are being read.
    pub loading: BTreeMap<KindName, usize>,
    /// Since when changes of approvals do not come in though the server answers.
    gap: Option<Duration>,
    /// `true` if the connection was lost and is not live again.
    broken: bool,
}

/// As long as this, a watch that ended and is taken up again is no lost connection: what is written meanwhile is tested on
/// the server.
const GAP: Duration = Duration::from_secs(5);

impl Link {
    /// Returns a connection that is about to be made.
    pub(crate) fn starting(now: Now) -> Link {
        Link { started: Some(now), ..Link::default() }
    }

    /// Notes an answer of the server; `true` if that is news.
    pub(crate) fn contacted(&mut self, now: Now) -> bool {
        let news = self.outage.take().is_some() || self.contact.is_none();
        self.contact = Some(now);
        self.tries = 0;
        news
    }

    /// Notes that the server was not reached.
    pub(crate) fn troubled(&mut self, trouble: Trouble, text: Safe, now: Now) {
        let since = match &self.outage {
            Some(outage) => outage.since,
            None => self.contact.unwrap_or(now),
        };
        self.outage = Some(Outage { trouble, since, text });
        self.tries += 1;
    }

    /// Notes that a kind cannot be listed.
    pub(crate) fn deny(&mut self, kind: KindName, trouble: Trouble, text: Safe, now: Now) {
        let since = self.denial(kind).filter(|d| d.trouble == trouble).map_or(now, |d| d.since);
        self.denied.retain(|d| d.kind != kind);
        self.denied.push(Denial { kind, trouble, since, text });
        self.synced.retain(|k| *k != kind);
    }

    fn denial(&self, kind: KindName) -> Option<&Denial> {
        self.denied.iter().find(|d| d.kind == kind)
    }

    /// Returns the state of one kind.
    pub(crate) fn state_of(&self, kind: KindName) -> LinkState {
        match &self.outage {
            Some(outage) => LinkState::Lost(outage.trouble),
            None if self.contact.is_none() => LinkState::Connecting,
            None => match self.denial(kind) {
                Some(denial) => LinkState::Lost(denial.trouble),
                None if self.behind.contains(&kind) => LinkState::Behind,
                None if self.synced.contains(&kind) => LinkState::Live,
                None => LinkState::Loading(self.loading.get(&kind).copied().unwrap_or(0)),
            },
        }
    }

    /// Returns the state of the approvals.
    pub(crate) fn state(&self) -> LinkState {
        self.state_of(KindName::Approvals)
    }

    /// `true` if the approvals that are shown are those that are there.
    pub fn is_live(&self) -> bool {
        self.state() == LinkState::Live
    }

    /// Notes since when changes do not come in. Whenever something of the connection changed.
    pub(crate) fn noted(&mut self, now: Now) {
        match self.state() {
            LinkState::Live => (self.gap, self.broken) = (None, false),
            LinkState::Behind | LinkState::Loading(_) => drop(self.gap.get_or_insert(now.mono)),
            LinkState::Connecting | LinkState::Lost(_) => self.broken = true,
        }
    }

    /// Returns when the connection will count as lost, if changes do not come in until then.
    pub(crate) fn lost_at(&self) -> Option<Duration> {
        self.gap.filter(|_| !self.broken).map(|since| since + GAP)
    }

    /// `true` if what is shown may be old: a moment in which a watch is taken up again is none.
    pub(crate) fn is_lost(&self, now: Now) -> bool {
        match self.state() {
            LinkState::Live => false,
            LinkState::Connecting | LinkState::Lost(_) => true,
            LinkState::Behind | LinkState::Loading(_) => {
                self.broken || self.lost_at().is_none_or(|end| end <= now.mono)
            }
        }
    }

    /// Returns which other kinds are not live, and how they are, where approvals are: `events: denied`.
    pub(crate) fn others(&self, now: Now) -> String {
        let others =
            KindName::ALL.into_iter().filter(|k| self.is_live() && self.state_of(*k) != LinkState::Live);
        let others: Vec<String> =
            others.map(|k| format!("{}: {}", k.name(), self.words_of(k, now).0)).collect();
        others.join(", ")
    }

    /// Returns words for people: `live`, `stale for 41s`; and why.
    pub(crate) fn words_of(&self, kind: KindName, now: Now) -> (String, String) {
        let since = |at: Now| age(seconds_since(at.wall, now.wall));
        match self.state_of(kind) {
            LinkState::Connecting => {
                let waited = self.started.map(since).unwrap_or_default();
                ("connecting".to_owned(), format!("for {waited}"))
            }
            LinkState::Loading(n) => (format!("loading {n}"), String::new()),
            LinkState::Behind => ("catching up".to_owned(), String::new()),
            LinkState::Live => ("live".to_owned(), String::new()),
            LinkState::Lost(trouble) => {
                let (at, text) = match &self.outage {
                    Some(outage) => (Some(outage.since), outage.text.to_string()),
                    None => {
                        let denial = self.denial(kind);
                        (denial.map(|d| d.since), denial.map(|d| d.text.to_string()).unwrap_or_default())
                    }
                };
                let had = self.contact.is_some();
                let word = match trouble {
                    Trouble::NoCluster => "no cluster",
                    Trouble::Silent if had => "stale",
                    Trouble::Silent => "no answer",
                    Trouble::Unauthorized => "not authenticated",
                    Trouble::Forbidden => "denied",
                    Trouble::NoKinds => "no Autopilot here",
                    Trouble::Refused => "refused",
                };
                let since = at.map(|a| format!(" for {}", since(a))).unwrap_or_default();
                (format!("{word}{since}"), text)
            }
        }
    }

    /// Returns the moment that the youngest shown age counts from.
    pub(crate) fn ages_from(&self) -> Option<Now> {
        match &self.outage {
            Some(outage) => Some(outage.since),
            None if self.contact.is_none() => self.started,
            None => self.denied.iter().map(|d| d.since).max_by_key(|since| since.wall),
        }
    }
}
