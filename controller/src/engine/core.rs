//! The engine: its components, and what they say together.

use std::sync::Arc;

use autopilot_shared::config::Github;
use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};

use super::config::ConfigState;
use super::pairs::PairIndex;
use super::passes::Passes;
use super::rules::RuleIndex;
use super::scheduler::{Alarm, Scheduler};
use super::writes::Writes;
use crate::act::Actor;
use crate::observe::{Observation, Pair, World};
use crate::telemetry::{Heartbeat, Metrics, Readiness};

/// The part of readiness that the engine reports.
pub const CLUSTER: &str = "cluster";

/// Everything that the engine works with.
pub struct Parts {
    /// Carries out writes.
    pub actor: Actor,
    /// Counts.
    pub metrics: Metrics,
    /// Where watches report.
    pub observations: mpsc::Receiver<Observation>,
    /// Configuration from a file, when it does not come from the API.
    pub config_file: Option<mpsc::Receiver<String>>,
    /// Where the configuration in force says what becomes of approvals.
    pub forge: watch::Sender<Option<Github>>,
    /// Whether this process leads; followers watch and write nothing.
    pub leads: watch::Receiver<bool>,
    /// Parts that are not ready yet, for `/ready`.
    pub readiness: Readiness,
    /// Beats while the engine lives.
    pub heartbeat: Heartbeat,
    /// Namespace of the controller.
    pub namespace: String,
    /// Random numbers for proposals.
    pub random: StdRng,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// The engine.
pub struct Engine {
    pub(super) parts: Parts,
    pub(super) config: ConfigState,
    pub(super) world: World,
    pub(super) rules: RuleIndex,
    pub(super) pairs: PairIndex,
    /// The objects that rules cover may have changed.
    pub(super) objects_changed: bool,
    pub(super) scheduler: Scheduler,
    pub(super) passes: Passes,
    pub(super) writes: Writes,
    pub(super) was_ready: bool,
}

impl Engine {
    /// Returns an engine that has seen nothing.
    pub fn new(parts: Parts) -> Self {
        Engine {
            config: ConfigState::new(),
            world: World::default(),
            rules: RuleIndex::default(),
            pairs: PairIndex::default(),
            objects_changed: false,
            scheduler: Scheduler::default(),
            passes: Passes::default(),
            writes: Writes::default(),
            was_ready: false,
            parts,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    pub(super) fn leads(&self) -> bool {
        *self.parts.leads.borrow()
    }

    /// Looks at a pair at a time. It keeps the earlier of two alarms.
    pub(super) fn wake_pair(&mut self, at: Timestamp, pair: &Pair) {
        let now = self.now();
        let mut known = None;
        if let Some(entry) = self.pairs.get_mut(pair) {
            if entry.wakes_by(at, now) {
                return;
            }
            known = entry.set_alarm(at);
        }
        self.scheduler.move_alarm(known, at, pair);
    }

    pub(super) fn wake_rule(&mut self, at: Timestamp, rule: &Arc<str>) {
        self.scheduler.wake_at(at, Alarm::Rule(Arc::clone(rule)));
    }
}
