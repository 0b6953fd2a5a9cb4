//! Problems of a rule.

/// A problem of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct RuleProblem {
    /// Path of the field, `spec.conditions.expressions[0].values`.
    pub field: String,
    /// Problem, and what would be right.
    pub problem: String,
}

/// Makes the problem of one field.
pub(super) fn problem(field: impl Into<String>, problem: impl Into<String>) -> RuleProblem {
    RuleProblem { field: field.into(), problem: problem.into() }
}
