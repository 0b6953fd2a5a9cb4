//! Times from rules, configuration and clocks as durations that arithmetic with timestamps survives.

use std::time::Duration;

use jiff::SignedDuration;

/// Longest time that is taken from a rule: about a thousand years, which a timestamp of our days can be moved by.
const LONGEST_SECONDS: i64 = 1 << 35;

/// Returns so many seconds, at most 2^35 of them: added to a timestamp of our days they do not overflow.
pub fn bounded_seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX).min(LONGEST_SECONDS))
}

/// Returns the same time as a signed duration; [`SignedDuration::MAX`] if it does not fit.
pub fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Returns the same time as an unsigned duration, zero if it is negative: how long to sleep, or how long something took
/// by a clock that may have been set back.
pub fn unsigned(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_longest_time_of_a_rule_can_be_added_to_a_timestamp() {
        assert_eq!(bounded_seconds(0), SignedDuration::ZERO);
        assert_eq!(bounded_seconds(300), SignedDuration::from_secs(300));
        for seconds in [1 << 35, (1 << 35) + 1, u64::MAX] {
            assert_eq!(bounded_seconds(seconds), SignedDuration::from_secs(1 << 35));
        }
        let today: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(today.checked_add(bounded_seconds(u64::MAX)).is_ok());
    }

    #[test]
    fn what_does_not_fit_becomes_the_nearest_that_does() {
        assert_eq!(signed(Duration::from_millis(1_500)), SignedDuration::from_millis(1_500));
        assert_eq!(signed(Duration::MAX), SignedDuration::MAX);
        assert_eq!(unsigned(SignedDuration::from_millis(1_500)), Duration::from_millis(1_500));
        assert_eq!(unsigned(SignedDuration::from_millis(-1)), Duration::ZERO);
    }
}
