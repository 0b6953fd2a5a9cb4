//! Rate limits: the budget of an hour, and the limit on writes that come too fast.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

/// The budget of an account without one of its own, as on github.com.
const DEFAULT: u32 = 5_000;

/// The requests that are left of an hour.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Requests per hour.
    pub limit: u32,
    /// Requests left.
    pub remaining: u32,
    /// The time until the account has all of them again.
    pub resets_in: Duration,
}

/// Writes that come too fast are refused with `retry-after`.
#[derive(Debug, Clone, Copy)]
pub struct SecondaryLimit {
    /// The number of writes that an account may send ...
    pub writes: usize,
    /// ... in this time.
    pub per: Duration,
    /// The value of `retry-after`.
    pub retry_after: Duration,
    /// 403 or 429; GitHub documents both.
    pub status: u16,
}

struct Left {
    limit: u32,
    remaining: u32,
    reset: Timestamp,
}

/// The budgets of the accounts.
#[derive(Default)]
pub(super) struct Limits {
    left: HashMap<String, Left>,
    pub(super) secondary: Option<SecondaryLimit>,
    writes: HashMap<String, VecDeque<Instant>>,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Limited {
    Primary,
    Secondary(SecondaryLimit),
}

impl Limits {
    pub(super) fn set(&mut self, login: &str, budget: Budget) {
        let reset = Timestamp::now().saturating_add(budget.resets_in).unwrap_or(Timestamp::MAX);
        let left = Left { limit: budget.limit, remaining: budget.remaining, reset };
        self.left.insert(login.to_owned(), left);
    }

    pub(super) fn remaining(&self, login: &str) -> u32 {
        self.left.get(login).map_or(DEFAULT, |left| left.remaining)
    }

    /// Checks that a request may go on. Takes nothing from the budget yet.
    pub(super) fn admit(&mut self, login: &str, write: bool) -> Result<(), Limited> {
        if self.current(login).remaining == 0 {
            return Err(Limited::Primary);
        }
        let Some(limit) = self.secondary.filter(|_| write) else {
            return Ok(());
        };
        let now = Instant::now();
        let writes = self.writes.entry(login.to_owned()).or_default();
        while writes.front().is_some_and(|at| now.duration_since(*at) >= limit.per) {
            writes.pop_front();
        }
        if writes.len() >= limit.writes {
            return Err(Limited::Secondary(limit));
        }
        writes.push_back(now);
        Ok(())
    }

    /// Takes an answered request from the budget; a 304 costs nothing.
    pub(super) fn spend(&mut self, login: &str) {
        let left = self.current(login);
        left.remaining = left.remaining.saturating_sub(1);
    }

    /// Adds the headers that tell the budget.
    pub(super) fn tell(&mut self, login: &str, headers: &mut HeaderMap) {
        let left = self.current(login);
        let used = left.limit.saturating_sub(left.remaining);
        for (name, value) in [
            ("x-ratelimit-limit", i64::from(left.limit)),
            ("x-ratelimit-remaining", i64::from(left.remaining)),
            ("x-ratelimit-used", i64::from(used)),
            ("x-ratelimit-reset", left.reset.as_second()),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    }

    fn current(&mut self, login: &str) -> &mut Left {
        let now = Timestamp::now();
        let full = |limit| Left {
            limit,
            remaining: limit,
            reset: now.saturating_add(Duration::from_secs(3600)).unwrap_or(Timestamp::MAX),
        };
        let left = self.left.entry(login.to_owned()).or_insert_with(|| full(DEFAULT));
        if left.reset <= now {
            *left = full(left.limit);
        }
        left
    }
}
