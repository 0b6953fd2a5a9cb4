//! Times in rules, configurations and journals.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Returns seconds of a rule or of a configuration as a duration, bounded so that it can be added to a time.
pub(crate) fn seconds(value: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(value).unwrap_or(i64::MAX).min(1 << 35))
}

/// Returns a time that a journal may hold.
pub(crate) fn at(time: Option<&MicroTime>) -> Option<Timestamp> {
    time.map(|t| t.0)
}

/// Returns the earlier of two times that may be.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
