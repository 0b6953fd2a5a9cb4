//! Parts of an approval: its state, a decision, a pull request, what was measured.

use autopilot_shared::api::{Decision, Measured, Outcome, PullRequest, PullRequestState, approval_state};
use jiff::Timestamp;

use crate::rows::names::Names;
use crate::text::Safe;

/// Value of `spec.approvalState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// The field is absent: nobody answered.
    Absent,
    /// Nobody answered.
    Pending,
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
            None => ApprovalState::Absent,
            Some(approval_state::PENDING) => ApprovalState::Pending,
            Some(approval_state::APPROVED) => ApprovalState::Approved,
            Some(approval_state::DECLINED) => ApprovalState::Declined,
            Some(approval_state::CANCELED) => ApprovalState::Canceled,
            Some(other) => ApprovalState::Other(Safe::new(other)),
        }
    }

    /// Returns the word.
    pub(crate) fn word(&self) -> &str {
        match self {
            ApprovalState::Absent | ApprovalState::Pending => approval_state::PENDING,
            ApprovalState::Approved => approval_state::APPROVED,
            ApprovalState::Declined => approval_state::DECLINED,
            ApprovalState::Canceled => approval_state::CANCELED,
            ApprovalState::Other(word) => word.as_str(),
        }
    }
}

/// Reason why an approval cannot be approved or declined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(Safe),
    /// It is being deleted.
    #[error("it is being deleted")]
    Deleting,
    /// A decision is latched.
    #[error("it is already {0}")]
    Decided(&'static str),
    /// Its spec says something else than pending.
    #[error("it already says {}", .0.word())]
    Answered(ApprovalState),
    /// It names no action, or several.
    #[error("it does not name exactly one action")]
    Actions,
    /// Its spec has no digest.
    #[error("it names no proposal")]
    NamesNoProposal,
    /// Its status has no proposal.
    #[error("the controller has not proposed anything yet")]
    NotProposed,
    /// Its spec names another proposal than its status.
    #[error("it is about an older proposal")]
    OlderProposal,
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
    pub(super) fn from_wire(decision: &Decision, names: &mut Names) -> DecisionRow {
        DecisionRow {
            outcome: decision.outcome,
            by: names.safe(&decision.by),
            via: names.safe(&decision.via),
            reason: Safe::new(&decision.reason),
            at: decision.at.as_ref().map(|t| t.0),
        }
    }

    /// Returns `approved`, `declined`, `canceled`.
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Approved => approval_state::APPROVED,
            Outcome::Declined => approval_state::DECLINED,
            Outcome::Canceled => approval_state::CANCELED,
        }
    }
}

/// Result of an approved action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// `done`, `failed`, …
    pub outcome: Safe,
    /// Why.
    pub message: Safe,
}

/// A proposed change of size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeChange {
    /// Size now.
    pub from: Safe,
    /// Size after.
    pub to: Safe,
}

/// The pull request of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestRow {
    /// Its number.
    pub number: u64,
    /// Address for people, as shown.
    pub url: Safe,
    /// Its state.
    pub state: PullRequestState,
    /// The person or program that merged or closed it.
    pub by: Safe,
    /// When.
    pub at: Option<Timestamp>,
}

impl PullRequestRow {
    pub(super) fn from_wire(pull: &PullRequest, names: &mut Names) -> PullRequestRow {
        PullRequestRow {
            number: pull.number,
            url: Safe::new(&pull.url),
            state: pull.state,
            by: names.safe(&pull.by),
            at: pull.at.as_ref().map(|t| t.0),
        }
    }

    /// Returns `open`, `merged`, `closed`.
    pub(crate) fn word(&self) -> &'static str {
        match self.state {
            PullRequestState::Open => "open",
            PullRequestState::Merged => "merged",
            PullRequestState::Closed => "closed",
        }
    }
}

/// A measured value, beside what it was compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The PromQL key.
    pub key: Safe,
    /// Operator.
    pub operator: Safe,
    /// Values that it was compared with.
    pub values: Safe,
    /// The sample as Prometheus printed it.
    pub value: Safe,
    /// The sample as a number.
    pub number: Option<f64>,
}

impl Measure {
    pub(super) fn from_wire(measured: &Measured, names: &mut Names) -> Measure {
        Measure {
            key: names.safe(&measured.key),
            operator: names.safe(&measured.operator),
            values: names.safe(&measured.values.join(" ")),
            value: Safe::new(&measured.value),
            number: measured.value.parse().ok().filter(|n: &f64| n.is_finite()),
        }
    }

    /// Returns `82.4 > 50`.
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

    /// Returns the value over its threshold, or the other way round where less is worse.
    pub(super) fn urgency(&self) -> f64 {
        let threshold: Option<f64> = self.values.as_str().split(' ').next().and_then(|v| v.parse().ok());
        match (self.number, threshold, self.operator.as_str()) {
            (Some(value), Some(threshold), "Lt" | "LtEq") if value > 0.0 => threshold / value,
            (Some(value), Some(threshold), _) if threshold > 0.0 => value / threshold,
            _ => 0.0,
        }
    }
}
