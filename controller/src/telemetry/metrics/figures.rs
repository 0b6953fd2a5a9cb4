//! The figures behind the metrics, in one place under one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autopilot_shared::RuleState;
use prometheus_client::metrics::histogram::Histogram;

/// How an action ended that did not succeed: label `state` of `autopilot_action_failed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// It was tried and failed.
    Failed,
    /// A person, or the controller, declined it.
    Declined,
}

impl Failure {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::Failed => "failed",
            Failure::Declined => "declined",
        }
    }
}

/// How the pull requests stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgeFigures {
    /// Open.
    pub open: usize,
    /// Approvals that want one and have none.
    pub waiting: usize,
    /// Requests left in this hour, and of how many, where the forge counts them.
    pub budget: Option<(u64, u64)>,
}

/// The figures, shared by everything that counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Figures>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Figures> {
        // The figures are plain numbers: one that panicked under the lock left at worst one of them unset.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures by what they count; labels are keys.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rules_in_system: i64,
    pub(crate) rules: BTreeMap<String, RuleRow>,
    pub(crate) covered: BTreeMap<String, i64>,
    pub(crate) no_data: BTreeMap<String, i64>,
    /// By rule and action: seconds and number.
    pub(crate) durations: BTreeMap<(String, String), (f64, u64)>,
    pub(crate) taken: BTreeMap<String, u64>,
    /// By action, object and outcome.
    pub(crate) failures: BTreeMap<(String, String, Failure), u64>,
    pub(crate) failed: u64,
    pub(crate) declined: u64,
    pub(crate) queries: BTreeMap<(String, &'static str), u64>,
    pub(crate) query_seconds: BTreeMap<String, Histogram>,
    pub(crate) answer_bytes: BTreeMap<String, u64>,
    pub(crate) writes: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    pub(crate) in_flight: i64,
    pub(crate) leader: bool,
    pub(crate) config_valid: bool,
    pub(crate) forge: Option<ForgeFigures>,
    pub(crate) watch_errors: BTreeMap<&'static str, u64>,
    pub(crate) passes: Option<Histogram>,
}

/// Figures of one rule.
#[derive(Debug, Default)]
pub(crate) struct RuleRow {
    pub(crate) action: String,
    pub(crate) objects: i64,
    pub(crate) states: BTreeMap<RuleState, i64>,
}

/// Returns a number as metrics carry it.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
