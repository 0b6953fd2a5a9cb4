//! Time as the console sees it: handed in with every message, never asked for.

use std::time::Duration;

use jiff::Timestamp;

/// A moment: `mono` for dialogs and countdowns, which a stepped clock must not shorten; `wall` for ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the console started.
    pub mono: Duration,
    /// Of the day.
    pub wall: Timestamp,
}

impl Now {
    /// Returns the moment so much later, by both clocks.
    pub fn after(self, by: Duration) -> Now {
        Now { mono: self.mono + by, wall: self.wall + by }
    }
}

impl Default for Now {
    fn default() -> Self {
        Now { mono: Duration::ZERO, wall: Timestamp::UNIX_EPOCH }
    }
}

/// Returns whole seconds since a moment; 0 before it.
pub(crate) fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.as_second().saturating_sub(then.as_second())).unwrap_or(0)
}

/// Returns an age as people say it: `41s`, `12m`, `3h05m`, `2d4h`, `31d`.
pub(crate) fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if seconds < 60 {
        format!("{seconds}s")
    } else if minutes < 60 {
        format!("{minutes}m")
    } else if hours < 24 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if days < 10 {
        format!("{days}d{}h", hours % 24)
    } else {
        format!("{days}d")
    }
}

/// Returns after how many seconds the text of an age changes.
pub(crate) fn age_changes_in(seconds: u64) -> u64 {
    let unit = match seconds {
        0..60 => 1,
        60..86_400 => 60,
        86_400..864_000 => 3600,
        _ => 86_400,
    };
    unit - seconds % unit
}

/// Reads `90`, `90s`, `15m`, `2h`, `3d`, `1w` as seconds.
pub(crate) fn parse_age(text: &str) -> Option<f64> {
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last()? {
        (_, c) if c.is_ascii_digit() => (text, 1.0),
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        (at, 'w') => (&text[..at], 604_800.0),
        _ => return None,
    };
    digits.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n * unit)
}

/// Returns the day and time, UTC, to the second.
pub(crate) fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    let short = text.get(..19).unwrap_or(&text).replace('T', " ");
    format!("{short}Z")
}
