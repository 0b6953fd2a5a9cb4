//! Whether data is newer than the last change of size.

use autopilot_shared::api::AutopilotRuleObjectStatus;
use jiff::Timestamp;

use super::clock::SKEW;
use crate::decide::time::at;
use crate::decide::view::View;
use crate::evaluate::reading::Baseline;

/// Returns the time that the queries for the data carried; never later than now, whatever the clock did.
pub(crate) fn seen_at(view: &View<'_>) -> Timestamp {
    view.reading.at.unwrap_or(Timestamp::MIN).min(view.now)
}

/// Returns whether data that meets the conditions can be believed: after a change of size, old data still shows the old
/// size.
pub(crate) fn fresh(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> bool {
    let journalled = status.last_action.as_ref().and_then(|last| {
        Some(Baseline {
            at: at(last.at.as_ref())?,
            values: last.measured.iter().map(|v| v.parse().ok()).collect(),
            ratio: ratio(&last.from, &last.to),
        })
    });
    // A time in the future is from before the clock was set back; the journalled one is bounded elsewhere.
    let remembered = view.reading.baseline.iter().filter(|b| b.at <= view.now + SKEW);
    let old = |baseline: &Baseline| {
        seen_at(view) < baseline.at + view.settings.metrics_lag && !view.reading.newer_than(baseline)
    };
    !journalled.iter().chain(remembered).any(old)
}

fn ratio(from: &str, to: &str) -> f64 {
    let bytes = |text: &str| text.parse::<autopilot_shared::Quantity>().ok().and_then(|q| q.bytes());
    match (bytes(from), bytes(to)) {
        #[expect(clippy::cast_precision_loss, reason = "a share of two sizes needs no exact bytes")]
        (Some(from), Some(to)) if to > 0 => from as f64 / to as f64,
        _ => 1.0,
    }
}
