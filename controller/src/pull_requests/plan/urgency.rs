//! Which proposal comes first.

use std::cmp::Ordering;

use autopilot_shared::api::{Measured, Proposal};
use jiff::Timestamp;

/// Farther than any threshold.
const FARTHEST: f64 = 1e9;

/// Urgency of a proposal; the most urgent sorts first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Urgency {
    /// Ratio of the measured value and its threshold, in the direction of the condition: 1 is at the threshold.
    pub(crate) beyond: f64,
    /// Time of the proposal.
    pub(crate) since: Timestamp,
}

impl Urgency {
    /// Returns the urgency of a proposal. A value that cannot be compared counts as at the threshold.
    pub(crate) fn of(proposal: &Proposal) -> Self {
        let beyond = proposal.measured.iter().map(beyond).fold(1.0, f64::max);
        Urgency { beyond, since: proposal.at.as_ref().map_or(Timestamp::MIN, |at| at.0) }
    }
}

fn beyond(measured: &Measured) -> f64 {
    let number = |text: &String| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let (Some(value), Some(limit)) = (number(&measured.value), measured.values.first().and_then(number))
    else {
        return 1.0;
    };
    let (large, small) = match measured.operator.as_str() {
        "Gt" | "GtEq" => (value, limit),
        "Lt" | "LtEq" => (limit, value),
        _ => return 1.0,
    };
    // Nothing left, or a limit of nothing: as urgent as can be.
    if small > 0.0 { (large / small).min(FARTHEST) } else { FARTHEST }
}

impl Eq for Urgency {}

impl Ord for Urgency {
    fn cmp(&self, other: &Self) -> Ordering {
        other.beyond.total_cmp(&self.beyond).then(self.since.cmp(&other.since))
    }
}

impl PartialOrd for Urgency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
