//! The rate of requests to the forge: below what GitHub documents (80 creations a minute, 500 an hour, one write a
//! second, 900 points a minute, 5,000 requests an hour), because others share the token.

use std::collections::VecDeque;

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use crate::pull_requests::forge::ForgeError;
use crate::pull_requests::plan::{Class, ForgeOutage};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Writes a minute.
const WRITES_A_MINUTE: u32 = 60;
/// Writes an hour that new pull requests leave to everything else.
const RESERVED: u32 = 80;
/// Writes an hour.
const WRITES_AN_HOUR: u32 = 450;
/// Reads a minute.
const READS_A_MINUTE: u32 = 300;
/// Reads an hour that new pull requests leave to everything else.
const READS_RESERVED: u32 = 500;
/// Reads an hour.
const READS_AN_HOUR: u32 = 3_500;
/// First pause after a failure; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// Longest pause that a server can ask for.
const FARTHEST: SignedDuration = SignedDuration::from_hours(2);

/// Use within a span of time.
#[derive(Debug)]
struct Window {
    span: SignedDuration,
    used: VecDeque<(Timestamp, u32)>,
    sum: u32,
}

impl Window {
    fn new(span: SignedDuration) -> Self {
        Window { span, used: VecDeque::new(), sum: 0 }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, weight)) = self.used.front().copied()
            && at + self.span <= now
        {
            self.used.pop_front();
            self.sum -= weight;
        }
    }

    fn take(&mut self, now: Timestamp, weight: u32) {
        self.used.push_back((now, weight));
        self.sum += weight;
    }

    /// When so much more fits below a limit; `now` if it does now.
    fn free(&self, now: Timestamp, weight: u32, limit: u32) -> Timestamp {
        let mut sum = self.sum;
        for (at, used) in &self.used {
            if sum + weight <= limit {
                break;
            }
            sum -= used;
            if sum + weight <= limit {
                return (*at + self.span).max(now);
            }
        }
        now
    }
}

/// Use of the forge's limits, which says when the next request may go out.
#[derive(Debug)]
pub(super) struct RateLimit {
    next_write: Timestamp,
    /// When the last write began.
    began: Timestamp,
    writes: [Window; 2],
    reads: [Window; 2],
    blocked: Option<Timestamp>,
    attempts: u32,
    outage: Option<ForgeOutage>,
}

impl RateLimit {
    pub(super) fn new() -> Self {
        RateLimit {
            next_write: Timestamp::MIN,
            began: Timestamp::MIN,
            writes: [Window::new(MINUTE), Window::new(HOUR)],
            reads: [Window::new(MINUTE), Window::new(HOUR)],
            blocked: None,
            attempts: 0,
            outage: None,
        }
    }

    /// When a request may go out. `weight` is the weight of a write and 0 for a read, `reads` the
    /// number of requests that a read takes.
    pub(super) fn due(&mut self, now: Timestamp, weight: u32, reads: u32, class: Class) -> Timestamp {
        for window in self.writes.iter_mut().chain(&mut self.reads) {
            window.forget(now);
        }
        let creating = class == Class::Creating;
        let due = if weight == 0 {
            let hourly = if creating { READS_AN_HOUR - READS_RESERVED } else { READS_AN_HOUR };
            self.reads[0].free(now, reads, READS_A_MINUTE).max(self.reads[1].free(now, reads, hourly))
        } else {
            let hourly = if creating { WRITES_AN_HOUR - RESERVED } else { WRITES_AN_HOUR };
            self.next_write
                .max(self.writes[0].free(now, weight, WRITES_A_MINUTE))
                .max(self.writes[1].free(now, weight, hourly))
        };
        due.max(self.blocked.unwrap_or(now)).max(now)
    }

    /// Counts a request that goes out.
    pub(super) fn started(&mut self, now: Timestamp, weight: u32, reads: u32) {
        if weight == 0 {
            self.reads.iter_mut().for_each(|w| w.take(now, reads));
        } else {
            self.began = now;
            self.writes.iter_mut().for_each(|w| w.take(now, weight));
        }
    }

    /// A request has its response. Writes that take several requests take as many seconds, from their beginning.
    pub(super) fn finished(&mut self, now: Timestamp, weight: u32) {
        if weight > 0 {
            let all = SECOND.saturating_mul(i32::try_from(weight).unwrap_or(i32::MAX));
            self.next_write = (self.began + all).max(now + SECOND);
        }
    }

    /// The forge did what was asked, or had a reason not to that is about the request alone.
    pub(super) fn succeeded(&mut self) {
        self.attempts = 0;
        self.blocked = None;
        self.outage = None;
    }

    /// The forge does not do what is asked, whatever it is.
    pub(super) fn failed(&mut self, now: Timestamp, error: &ForgeError) {
        let pause = backoff(self.attempts, FIRST, LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let (reason, until) = match error {
            ForgeError::Limited { until, .. } => ("Limited", (*until).clamp(now + SECOND, now + FARTHEST)),
            // Somebody replaces the token and looks at what happens.
            ForgeError::Unauthorized(_) => ("Unauthorized", now + pause.min(MINUTE)),
            ForgeError::Unavailable(_) | ForgeError::NewToken => ("Unavailable", now + pause),
            ForgeError::Refused(_) | ForgeError::NotFound(_) | ForgeError::Invalid(_) => {
                ("Refused", now + pause)
            }
        };
        self.blocked = Some(until);
        let since = self.outage.as_ref().map_or(now, |t| t.since);
        self.outage = Some(ForgeOutage { since, reason, text: stable(error) });
    }

    pub(super) fn outage(&self) -> Option<&ForgeOutage> {
        self.outage.as_ref()
    }
}

/// Returns the error without what changes with each attempt, since conditions repeat it.
fn stable(error: &ForgeError) -> String {
    match error {
        ForgeError::Limited { why, .. } => format!("the forge asks for a pause: {why}"),
        other => other.to_string(),
    }
}
