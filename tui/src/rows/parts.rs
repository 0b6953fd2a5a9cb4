//! What an approval consists of: its state, a decision, a pull request, what was measured.

use autopilot_shared::api::{Outcome, PullRequestState, approval_state};
use jiff::Timestamp;

use crate::text::Safe;

/// What `spec.approvalState` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// Nobody answered, or the field is absent (`false`).
    Pending(bool),
    /// Asked for.
    Approved,
    /// Refused.
    Declined,
    /// Taken back.
    Canceled,
    /// Another word; counts as pending.
    Other(Safe),
}

impl ApprovalState {
    pub(super) fn read(raw: Option<&str>) -> ApprovalState {
        match raw {
            None => ApprovalState::Pending(false),
            Some(approval_state::PENDING) => ApprovalState::Pending(true),
            Some(approval_state::APPROVED) => ApprovalState::Approved,
            Some(approval_state::DECLINED) => ApprovalState::Declined,
            Some(approval_state::CANCELED) => ApprovalState::Canceled,
            Some(other) => ApprovalState::Other(Safe::new(other)),
        }
    }

    /// The word.
    pub fn word(&self) -> &str {
        match self {
            ApprovalState::Pending(_) => approval_state::PENDING,
            ApprovalState::Approved => approval_state::APPROVED,
            ApprovalState::Declined => approval_state::DECLINED,
            ApprovalState::Canceled => approval_state::CANCELED,
            ApprovalState::Other(word) => word.as_str(),
        }
    }
}

/// A decision that is latched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// How.
    pub outcome: Outcome,
    /// Who.
    pub by: Safe,
    /// With what.
    pub via: Safe,
    /// Why.
    pub reason: Safe,
    /// When.
    pub at: Option<Timestamp>,
}

impl DecisionRow {
    /// `approved`, `declined`, `canceled`.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Approved => approval_state::APPROVED,
            Outcome::Declined => approval_state::DECLINED,
            Outcome::Canceled => approval_state::CANCELED,
        }
    }
}

/// The pull request of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestRow {
    /// Its number.
    pub number: u64,
    /// Where people see it; as shown.
    pub url: Safe,
    /// How it stands.
    pub state: PullRequestState,
    /// Who merged or closed it.
    pub by: Safe,
    /// When.
    pub at: Option<Timestamp>,
}

impl PullRequestRow {
    /// `open`, `merged`, `closed`.
    pub fn word(&self) -> &'static str {
        match self.state {
            PullRequestState::Open => "open",
            PullRequestState::Merged => "merged",
            PullRequestState::Closed => "closed",
        }
    }
}

/// What was measured, beside what it was compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The PromQL key.
    pub key: Safe,
    /// Operator.
    pub operator: Safe,
    /// What it was compared with.
    pub values: Safe,
    /// The sample as Prometheus printed it.
    pub value: Safe,
    /// The sample as a number.
    pub number: Option<f64>,
}

impl Measure {
    /// `82.4 > 50`.
    pub fn short(&self) -> String {
        let value = match self.number {
            Some(n) if n.abs() < 1e6 => {
                let text = format!("{n:.1}");
                text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
            }
            _ => self.value.as_str().to_owned(),
        };
        let sign = match self.operator.as_str() {
            "Gt" => ">",
            "GtEq" => ">=",
            "Lt" => "<",
            "LtEq" => "<=",
            other => other,
        };
        format!("{value} {sign} {}", self.values)
    }

    /// The value over its threshold, or the other way round where less is worse.
    pub(super) fn urgency(&self) -> f64 {
        let threshold: Option<f64> = self.values.as_str().split(' ').next().and_then(|v| v.parse().ok());
        match (self.number, threshold, self.operator.as_str()) {
            (Some(value), Some(threshold), "Lt" | "LtEq") if value > 0.0 => threshold / value,
            (Some(value), Some(threshold), _) if threshold > 0.0 => value / threshold,
            _ => 0.0,
        }
    }
}
