//! What follows from writes that fail: a pause, and for events that are denied, an end.

use std::time::Duration;

use jiff::SignedDuration;
use tracing::warn;

use crate::act::Failure;

/// Pause after the first failure; doubles.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_millis(100);
/// Longest pause that we choose.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// An event that was denied so often in a row, which takes half a minute, is given up: it must hold up nothing.
const DENIALS: u32 = 10;

/// Returns the pause after so many failures in a row, unless the server asked for a longer one.
pub(crate) fn backoff(failures: u32, asked: Option<Duration>) -> SignedDuration {
    let own = autopilot_shared::backoff::backoff(failures.saturating_sub(1), FIRST_BACKOFF, LONGEST_BACKOFF);
    asked.and_then(|d| SignedDuration::try_from(d).ok()).map_or(own, |asked| asked.max(own))
}

/// Counts a denied event. Returns the transitions that count as announced although they are not, if the event is given up.
pub(crate) fn given_up(denials: &mut u32, failure: &Failure) -> Option<u64> {
    let announced = failure.denied?;
    *denials += 1;
    (*denials >= DENIALS).then(|| {
        warn!(%failure, "the event is given up; see deploy/rbac for the permissions that are needed");
        announced
    })
}
