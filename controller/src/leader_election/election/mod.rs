//! The decision in the election: what to do next, given what was seen and the time. No IO, no clock.
//!
//! The rules are client-go's (`leaderelection.go`): a record has expired when *we* have seen it unchanged for
//! its duration, on *our* monotonic clock; nothing is concluded from a time that another machine wrote. A
//! holder that could not renew for the (shorter) renew deadline, counted from when it *sent* its last
//! successful write, has lost, although the record still names it: that is what keeps two holders apart in
//! time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::record::Record;

/// The three periods of the election; the defaults are client-go's.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    duration: Duration,
    renew_deadline: Duration,
    retry: Duration,
}

/// The three periods do not fit together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "leader election needs retry < renew deadline < duration, all above zero; \
     got {retry:?}, {renew_deadline:?}, {duration:?}"
)]
pub struct BadSettings {
    duration: Duration,
    renew_deadline: Duration,
    retry: Duration,
}

impl Settings {
    /// `duration`: how long others wait for a silent holder. `renew_deadline`: when a holder that cannot
    /// renew gives up. `retry`: between two renewals, or two looks at another's lease.
    ///
    /// # Errors
    /// When not `0 < retry < renew_deadline < duration`.
    pub fn new(
        duration: Duration,
        renew_deadline: Duration,
        retry: Duration,
    ) -> Result<Settings, BadSettings> {
        if retry.is_zero() || retry >= renew_deadline || renew_deadline >= duration {
            return Err(BadSettings { duration, renew_deadline, retry });
        }
        Ok(Settings { duration, renew_deadline, retry })
    }

    /// Between two renewals, or two looks at another's lease.
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// No call lasts longer: two of them fit into the renew deadline.
    pub fn call_limit(&self) -> Duration {
        self.renew_deadline / 2
    }
}

impl Default for Settings {
    /// 15 s, 10 s, 2 s.
    fn default() -> Self {
        Settings {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Why a holder is one no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The record names another.
    #[error("the lease was taken by {0}")]
    Taken(String),
    /// Not renewed in time: the API server did not answer, or refused.
    #[error("the lease could not be renewed for {0:?}")]
    NotRenewed(Duration),
    /// The task that renews has ended (the runtime is shutting down, or it was released).
    #[error("the lease is no longer renewed")]
    Ended,
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing before this time.
    Wait(Instant),
    /// Read the lease, then [`Election::saw`] or [`Election::failed`].
    Read {
        /// Time-out of the call.
        within: Duration,
    },
    /// Create the lease, then [`Election::wrote`], [`Election::refused`] (it exists) or [`Election::failed`].
    Create {
        /// The record to send.
        record: Box<Record>,
        /// Time-out of the call.
        within: Duration,
    },
    /// Replace the lease of the record's resourceVersion, then [`Election::wrote`], [`Election::refused`]
    /// (409, or it is gone) or [`Election::failed`].
    Replace {
        /// The record to send.
        record: Box<Record>,
        /// Time-out of the call.
        within: Duration,
    },
    /// Stop working, now. This candidate takes no further part.
    Lost(Loss),
}

/// One candidate's view of the election.
#[derive(Clone, Debug)]
pub struct Election {
    name: String,
    identity: String,
    settings: Settings,
    seen: Option<ObservedLease>,
    /// When the last write of ours that landed was sent; present while we hold the lease.
    renewed: Option<Instant>,
    /// No call before this time.
    not_before: Option<Instant>,
    /// `seen` is what the server has, as far as we know, so that it may be written on.
    fresh: bool,
    /// The last write was refused: the next refusal in a row has to wait.
    refused: bool,
}

#[derive(Clone, Debug)]
struct ObservedLease {
    /// `None`: there is no such object.
    record: Option<Record>,
    /// When this version was seen first.
    since: Instant,
}

impl Election {
    /// A candidate `identity` (unique to the process) for the lease called `name`.
    pub fn new(name: &str, identity: &str, settings: Settings) -> Election {
        Election {
            name: name.to_owned(),
            identity: identity.to_owned(),
            settings,
            seen: None,
            renewed: None,
            not_before: None,
            fresh: false,
            refused: false,
        }
    }

    /// Whether we hold the lease, as far as this candidate has been told.
    pub fn holds(&self) -> bool {
        self.renewed.is_some()
    }

    /// The holder when the lease was seen last, which may be ourselves.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.record.as_ref()?.holder()
    }

    /// The candidate's name in the lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns what to do at `now`. Asking twice changes nothing.
    pub fn next(&self, now: Instant) -> Step {
        let deadline = self.renewed.map(|sent| sent + self.settings.renew_deadline);
        if let Some(deadline) = deadline {
            if now >= deadline {
                return Step::Lost(Loss::NotRenewed(self.settings.renew_deadline));
            }
            if let Some(other) = self.holder().filter(|holder| *holder != self.identity) {
                return Step::Lost(Loss::Taken(other.to_owned()));
            }
        }
        if let Some(not_before) = self.not_before.filter(|not_before| now < *not_before) {
            return Step::Wait(deadline.map_or(not_before, |deadline| deadline.min(not_before)));
        }
        let limit = self.settings.call_limit();
        let within = deadline.map_or(limit, |deadline| limit.min(deadline - now));
        let Some(seen) = self.seen.as_ref().filter(|_| self.fresh) else {
            return Step::Read { within };
        };
        let old = seen.record.as_ref();
        let record = Box::new(Record::taken(
            old,
            &self.name,
            &self.identity,
            self.settings.duration,
            Timestamp::now(),
        ));
        match old {
            None => Step::Create { record, within },
            Some(_) => Step::Replace { record, within },
        }
    }

    /// The lease was read (`None`: there is none), the answer came at `now`.
    pub fn saw(&mut self, record: Option<Record>, now: Instant) {
        let since = match &self.seen {
            Some(seen) if same_version(seen.record.as_ref(), record.as_ref()) => seen.since,
            _ => now,
        };
        let free_at = record
            .as_ref()
            .filter(|record| record.holder().is_some_and(|holder| holder != self.identity))
            .map(|record| since + record.duration(self.settings.duration));
        self.seen = Some(ObservedLease { record, since });
        match free_at {
            Some(free_at) if now < free_at => {
                self.fresh = false;
                self.not_before = Some(free_at.min(now + self.settings.retry));
            }
            _ => {
                self.fresh = true;
                self.not_before = None;
            }
        }
    }

    /// A write of ours, sent at `sent`, was answered with `record`: the lease is ours from `sent` on.
    pub fn wrote(&mut self, record: Record, sent: Instant) {
        self.seen = Some(ObservedLease { record: Some(record), since: sent });
        self.renewed = Some(sent);
        self.fresh = true;
        self.refused = false;
        self.not_before = Some(sent + self.settings.retry);
    }

    /// A write was refused because the lease is not what we believed (409, or 404 on a replace). A holder
    /// looks at once what has happened: it may be its own write whose answer was lost, or somebody's label.
    /// Others follow.
    pub fn refused(&mut self, now: Instant) {
        let at_once = self.holds() && !self.refused;
        self.refused = true;
        self.fresh = false;
        self.not_before = (!at_once).then(|| now + self.settings.retry);
    }

    /// A call failed or timed out, so that nobody knows whether it landed: look again, after a while.
    pub fn failed(&mut self, now: Instant) {
        self.fresh = false;
        self.not_before = Some(now + self.settings.retry);
    }
}

/// Whether both say that there is no lease, or are the same version of it. A record without a version never
/// is.
fn same_version(one: Option<&Record>, other: Option<&Record>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.version().is_some() && one.version() == other.version(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
