//! The verdict on one object, from the results of a rule's expressions.

use autopilot_shared::rule::Rule;

/// Whether the conditions of a rule hold for one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verdict {
    /// The conditions hold.
    Met,
    /// They do not hold, and there is data that says so.
    NotMet,
    /// Nothing is known; never the same as [`Verdict::NotMet`].
    #[default]
    NoData,
}

/// Result of one expression for one object in one pass.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionResult {
    /// A sample passes the test; with its value, and the text in which Prometheus sent it.
    Hit(f64, Box<str>),
    /// `DoesNotExist` passes: there is no series.
    Absent,
    /// There is data, and it does not pass the test.
    Miss,
    /// Nothing is known.
    Unknown,
}

/// The verdict over all expressions of a rule, in their order. `DoesNotExist` alone never triggers: some expression
/// must have data for the object.
pub fn judge(rule: &Rule, results: &[ExpressionResult]) -> Verdict {
    let count = |what: fn(&ExpressionResult) -> bool| results.iter().filter(|result| what(result)).count();
    let hits = count(|result| matches!(result, ExpressionResult::Hit(..) | ExpressionResult::Absent));
    let unknown = count(|result| matches!(result, ExpressionResult::Unknown));
    let has_data =
        results.iter().any(|result| matches!(result, ExpressionResult::Hit(..) | ExpressionResult::Miss));
    if hits >= rule.required {
        if has_data { Verdict::Met } else { Verdict::NoData }
    } else if hits + unknown >= rule.required || !has_data {
        Verdict::NoData
    } else {
        Verdict::NotMet
    }
}
