//! Limits how often the console connects: freely at first, once a second when something is the matter.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use autopilot_shared::backoff::{self, Growth};
use tokio::time::Instant;

/// Timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Between two probes of a healthy server: four a minute.
    pub probe: Duration,
    /// Time that a small question may take.
    pub patience: Duration,
    /// Time that a page of a list may take.
    pub page: Duration,
    /// Time for which a watch with bookmarks may be silent: there is one about once a minute.
    pub quiet: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Times { probe: seconds(16), patience: seconds(8), page: seconds(30), quiet: seconds(130) }
    }
}

/// Between the first two attempts.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(1100);
/// Between two attempts, at most. What is new must show five seconds after the server is back: most of them are for it to
/// answer in.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// At most, where each attempt runs a credential plugin whose credentials are not taken, or that fails: it may be a
/// browser's window, or a lock after so many wrong passwords.
const PLUGIN: Duration = Duration::from_secs(30);

/// Returns the pause after this one.
pub(super) fn longer(pause: Duration, plugin: bool) -> Duration {
    backoff::longer(pause, Growth::Half, if plugin { PLUGIN } else { LONGEST_PAUSE })
}

/// Connections that may be made at once.
const BURST: u32 = 12;
/// And when the server is back.
const RETURN: u32 = 5;
/// Not more than this often.
const RETURN_EVERY: Duration = Duration::from_secs(5);
/// One more after this.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Tokens {
    count: u32,
    since: Instant,
    returned: Option<Instant>,
}

/// Tokens: one for each request that may need a connection.
#[derive(Debug)]
pub(crate) struct Throttle {
    tokens: Mutex<Tokens>,
}

impl Default for Throttle {
    fn default() -> Self {
        let now = Instant::now();
        Throttle { tokens: Mutex::new(Tokens { count: BURST, since: now, returned: None }) }
    }
}

impl Throttle {
    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        while let Some(wait) = self.take() {
            tokio::time::sleep(wait).await;
        }
    }

    fn take(&self) -> Option<Duration> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let more = now.duration_since(tokens.since).as_secs().min(u64::from(BURST));
        if more > 0 {
            tokens.count = (tokens.count + u32::try_from(more).unwrap_or(BURST)).min(BURST);
            tokens.since = now;
        }
        if tokens.count > 0 {
            tokens.count -= 1;
            return None;
        }
        Some(EVERY.saturating_sub(now.duration_since(tokens.since)).max(Duration::from_millis(10)))
    }

    /// Slows down, since something is the matter: from now on once a second.
    pub(crate) fn slow(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.count = 0;
        tokens.since = Instant::now();
    }

    /// Lets all watches start, since the server is back.
    pub(crate) fn back(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if tokens.returned.is_none_or(|at| now.duration_since(at) >= RETURN_EVERY) {
            tokens.count = RETURN;
            tokens.returned = Some(now);
            tokens.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_is_refused_is_run_seldom_and_a_server_that_is_away_asked_often() {
        let pauses = |plugin| {
            std::iter::successors(Some(FIRST_PAUSE), move |pause| Some(longer(*pause, plugin))).take(20)
        };
        assert!(pauses(false).all(|pause| pause <= Duration::from_secs(2)));
        let first_minutes: Duration = pauses(true).take(10).sum();
        assert!(first_minutes > Duration::from_secs(80), "{first_minutes:?}");
        assert_eq!(pauses(true).last(), Some(PLUGIN));
        assert_eq!(longer(PLUGIN, false), LONGEST_PAUSE, "what is another trouble is asked often again");
    }
}
