//! What Autopilot tells about itself: the original's metric names (reference §9) and ours, all prefixed
//! `autopilot_`.
//!
//! The figures lie in one place under one lock and are written out at each scrape ([`exposition`]), in a
//! fixed order. So a scrape never sees half a change, and a rule that has gone leaves no series behind.

mod exposition;
mod figures;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::RuleState;
use prometheus_client::encoding::text;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use figures::{Failure, ForgeFigures};

use figures::{RuleRow, Shared, count};

/// `Content-Type` of [`Metrics::exposition`]. Prometheus chooses its parser by it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// So many objects get series of failures of their own; further ones are counted together, as object [`OTHER`].
/// Objects come and go, and Prometheus keeps a series for each.
const MOST_OBJECTS: usize = 2_000;
/// Stands for all objects without a series of their own.
const OTHER: &str = "other";

/// Upper bounds, in seconds, of the time that a query takes; the default time-out of a query lies inside.
const QUERY_SECONDS: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds, in seconds, of the time that a pass takes.
const PASS_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 5.0];

/// All metrics of this process. Cheap to clone; clones share the figures.
#[derive(Clone)]
pub struct Metrics {
    figures: Shared,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Metrics {
        let figures = Shared::default();
        figures.lock().passes = Some(Histogram::new(PASS_SECONDS));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(exposition::Exposition::new(figures.clone())));
        Metrics { figures, registry: Arc::new(registry) }
    }

    /// All metrics as OpenMetrics text, to be sent as [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// Never in practice: the text goes to memory.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// How many AutopilotRules there are, understood or not.
    pub fn set_rules_in_system(&self, rules: usize) {
        self.figures.lock().rules_in_system = count(rules);
    }

    /// Sets the figures of the rule `rule_name` with `action`: how many of its objects are in each state (a state
    /// that is missing counts 0) and how many objects it has. Replaces what was said of the rule before, also
    /// when its action has changed.
    pub fn set_rule(&self, rule_name: &str, action: &str, counts: &[(RuleState, i64)], objects: i64) {
        let states = counts.iter().copied().collect();
        let row = RuleRow { action: action.to_owned(), objects, states };
        let mut figures = self.figures.lock();
        figures.rules.insert(rule_name.to_owned(), row);
        figures.taken.entry(rule_name.to_owned()).or_default();
    }

    /// How many objects of the rule have no data at present.
    pub fn set_no_data(&self, rule_name: &str, objects: i64) {
        self.figures.lock().no_data.insert(rule_name.to_owned(), objects);
    }

    /// The rule has gone: so do all its series, its counters too.
    pub fn remove_rule(&self, rule_name: &str) {
        let mut figures = self.figures.lock();
        figures.rules.remove(rule_name);
        figures.no_data.remove(rule_name);
        figures.taken.remove(rule_name);
        figures.durations.retain(|(rule, _), _| rule != rule_name);
    }

    /// How many distinct objects of a type (`volume`, `storagepool`) any rule covers.
    pub fn set_objects_with_rules(&self, object_type: &str, objects: i64) {
        self.figures.lock().covered.insert(object_type.to_owned(), objects);
    }

    /// An action was taken and took so long, from its start to the object's being as wanted.
    pub fn action_done(&self, action: &str, rule_name: &str, took: Duration) {
        let mut figures = self.figures.lock();
        let key = (rule_name.to_owned(), action.to_owned());
        let (seconds, number) = figures.durations.entry(key).or_default();
        *seconds += took.as_secs_f64();
        *number += 1;
        *figures.taken.entry(rule_name.to_owned()).or_default() += 1;
    }

    /// An action on an object (its id) failed or was declined.
    pub fn action_failed(&self, action: &str, object: &str, failure: Failure) {
        let mut figures = self.figures.lock();
        match failure {
            Failure::Failed => figures.failed += 1,
            Failure::Declined => figures.declined += 1,
        }
        let mut key = (action.to_owned(), object.to_owned(), failure);
        if figures.failures.len() >= MOST_OBJECTS && !figures.failures.contains_key(&key) {
            OTHER.clone_into(&mut key.1);
        }
        *figures.failures.entry(key).or_default() += 1;
    }

    /// Removes the series of objects for which `exists` says no, and so makes room for those of others. Sums over all
    /// objects stay.
    pub fn retain_objects(&self, exists: impl Fn(&str) -> bool) {
        self.figures.lock().failures.retain(|(_, object, _), _| object == OTHER || exists(object));
    }

    /// A query was asked of a provider (its name in the configuration): how it ended (one of few fixed
    /// words), how long it took and how many bytes the answer had, unpacked.
    pub fn query(&self, provider: &str, outcome: &'static str, took: Duration, answer_bytes: u64) {
        let mut figures = self.figures.lock();
        *figures.queries.entry((provider.to_owned(), outcome)).or_default() += 1;
        *figures.answer_bytes.entry(provider.to_owned()).or_default() += answer_bytes;
        figures
            .query_seconds
            .entry(provider.to_owned())
            .or_insert_with(|| Histogram::new(QUERY_SECONDS))
            .observe(took.as_secs_f64());
    }

    /// Removes the series of providers for which `exists` says no: the configuration no longer names them.
    pub fn retain_providers(&self, exists: impl Fn(&str) -> bool) {
        let mut figures = self.figures.lock();
        figures.queries.retain(|(name, _), _| exists(name));
        figures.answer_bytes.retain(|name, _| exists(name));
        figures.query_seconds.retain(|name, _| exists(name));
    }

    /// A write to the Kubernetes API: kind (`ActionApproval`), verb (`patch`), and how it ended (`ok`,
    /// `conflict`, …; few fixed words).
    pub fn api_write(&self, kind: &'static str, verb: &'static str, outcome: &'static str) {
        *self.figures.lock().writes.entry((kind, verb, outcome)).or_default() += 1;
    }

    /// An effect has begun; it is in flight until the answer is dropped.
    #[must_use = "the effect counts as in flight until this is dropped"]
    pub fn effect_started(&self) -> InFlight {
        self.figures.lock().in_flight += 1;
        InFlight(self.figures.clone())
    }

    /// Whether this controller holds the lease (true when leader election is off).
    pub fn set_leader(&self, leader: bool) {
        self.figures.lock().leader = leader;
    }

    /// Whether the configuration that was read last is valid; if not, the last valid one is at work.
    pub fn set_config_valid(&self, valid: bool) {
        self.figures.lock().config_valid = valid;
    }

    /// How the pull requests stand; nothing where there are none.
    pub fn set_forge(&self, forge: Option<ForgeFigures>) {
        self.figures.lock().forge = forge;
    }

    /// The watch on a kind failed; it starts again by itself.
    pub fn watch_error(&self, kind: &'static str) {
        *self.figures.lock().watch_errors.entry(kind).or_default() += 1;
    }

    /// A pass over the metrics: from its first question to its last answer.
    pub fn pass(&self, took: Duration) {
        if let Some(passes) = &self.figures.lock().passes {
            passes.observe(took.as_secs_f64());
        }
    }
}

/// One effect in flight; see [`Metrics::effect_started`].
#[derive(Debug)]
pub struct InFlight(Shared);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests;
