//! The speed of the walk-through.

use std::time::Duration;

/// The times of the rule and of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Seconds between two queries: `pollInterval`.
    pub poll: u64,
    /// Seconds that the conditions must hold: `for`.
    pub hold: u64,
    /// Seconds of the cool-down: `actionsCoolDownPeriod`.
    pub cool_down: u64,
    /// Seconds between two steps of the engine: `min_poll_interval`.
    pub step: u64,
}

impl Pace {
    /// The defaults of a rule: the guide's times.
    pub const GUIDE: Pace = Pace { poll: 10, hold: 30, cool_down: 300, step: 5 };
    /// For people who wait for the end of the walk-through.
    pub const SECONDS: Pace = Pace { poll: 1, hold: 3, cool_down: 8, step: 1 };
    /// For the tests.
    pub const TEST: Pace = Pace { poll: 1, hold: 1, cool_down: 2, step: 1 };

    /// For the tests with Flux, which looks every two seconds: it waits for the health of what it applied, so that an
    /// approval must outlive its next look.
    pub const FLUX: Pace = Pace { poll: 1, hold: 1, cool_down: 15, step: 1 };

    /// Returns the pace that `REAL_TIME` asks for: `1` leaves the guide's rule untouched.
    pub fn from_environment() -> Pace {
        match std::env::var("REAL_TIME").as_deref() {
            Ok("" | "0" | "false") | Err(_) => Pace::SECONDS,
            Ok(_) => Pace::GUIDE,
        }
    }

    /// Returns how long a step may take that waits for some polls and this time.
    pub(super) fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(40 + 4 * self.poll + 2 * self.step + seconds)
    }
}
