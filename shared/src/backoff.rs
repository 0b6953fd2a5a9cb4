//! Pauses that grow with each attempt. The values are the callers': each knows whom it must not press.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Returns the pause before attempt number `attempt`, counted from zero: `first`, doubled with each further attempt, at
/// most `cap`. For [`Duration`] and [`jiff::SignedDuration`]; no number of attempts overflows.
///
/// A caller that counts the failure before it asks passes one less than the count.
pub fn backoff<D>(attempt: u32, first: D, cap: D) -> D
where
    D: Copy + PartialOrd + Add<Output = D> + Sub<Output = D>,
{
    if first >= cap {
        return cap;
    }
    let mut pause = first;
    // From a nanosecond, 64 doublings reach further than any pause.
    for _ in 0..attempt.min(64) {
        if pause >= cap - pause {
            return cap;
        }
        pause = pause + pause;
    }
    pause
}

/// Growth of a pause from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Twice as long.
    Double,
    /// Half as long again.
    Half,
}

/// Returns the pause after `pause`, at most `cap`: for loops that keep the pause itself, whose cap may change on the way.
pub fn longer(pause: Duration, growth: Growth, cap: Duration) -> Duration {
    match growth {
        Growth::Double => pause.saturating_mul(2),
        Growth::Half => pause.saturating_add(pause / 2),
    }
    .min(cap)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// Every way in which the program pauses, beside the arithmetic that it used before there was this function.
    #[test]
    fn every_series_of_pauses_is_the_one_it_was() {
        let seconds = SignedDuration::from_secs;
        for attempts in (0..100).chain([1 << 20, u32::MAX - 1, u32::MAX]) {
            // Writes of the engine: counted before.
            let engine =
                SignedDuration::from_millis(100_i64.saturating_mul(1 << attempts.saturating_sub(1).min(7)))
                    .min(seconds(10));
            assert_eq!(
                backoff(attempts.saturating_sub(1), SignedDuration::from_millis(100), seconds(10)),
                engine
            );
            // The forge: counted afterwards.
            for (first, longest) in [(1, 300), (5, 300), (5, 1_800), (30, 1_800), (30, 3_600), (5, 5)] {
                let (first, longest) = (seconds(first), seconds(longest));
                let forge = first.saturating_mul(2_i32.saturating_pow(attempts.min(20))).min(longest);
                assert_eq!(backoff(attempts, first, longest), forge);
            }
            // A refused resize: counted before.
            let factor = 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
            let resize = seconds(5).saturating_mul(factor).min(seconds(3600));
            assert_eq!(backoff(attempts.saturating_sub(1), seconds(5), seconds(3600)), resize);
            // A stale approval: counted afterwards.
            let reset = seconds(2).saturating_mul(2_i32.saturating_pow(attempts.min(10))).min(seconds(300));
            assert_eq!(backoff(attempts, seconds(2), seconds(300)), reset);
        }
    }

    #[test]
    fn loops_that_keep_the_pause_make_the_same_series() {
        let (first, cap) = (Duration::from_millis(100), Duration::from_secs(10));
        let mut pause = first;
        for attempt in 0..20 {
            assert_eq!(pause, backoff(attempt, first, cap));
            assert_eq!(longer(pause, Growth::Double, cap), (pause * 2).min(cap));
            pause = longer(pause, Growth::Double, cap);
        }
        // The console, whose cap is another while a plugin of credentials fails.
        let mut pause = Duration::from_millis(1_100);
        for attempt in 0..20 {
            let cap = Duration::from_secs(if attempt % 3 == 0 { 2 } else { 30 });
            assert_eq!(longer(pause, Growth::Half, cap), (pause * 3 / 2).min(cap));
            pause = longer(pause, Growth::Half, cap);
        }
        let odd = Duration::from_nanos(7);
        assert_eq!(longer(odd, Growth::Half, cap), odd * 3 / 2);
    }

    #[test]
    fn nothing_overflows() {
        assert_eq!(
            backoff(u32::MAX, Duration::from_nanos(1), Duration::MAX),
            Duration::from_nanos(1 << 63) * 2
        );
        assert_eq!(backoff(u32::MAX, Duration::MAX / 3, Duration::MAX), Duration::MAX);
        assert_eq!(backoff(u32::MAX, Duration::ZERO, Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(backoff(3, Duration::from_secs(9), Duration::from_secs(5)), Duration::from_secs(5));
        assert_eq!(longer(Duration::MAX, Growth::Double, Duration::MAX), Duration::MAX);
        assert_eq!(longer(Duration::MAX, Growth::Half, Duration::MAX), Duration::MAX);
    }
}
