//! Times in journals and decisions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

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
