//! The engine: takes in what is seen, decides pair by pair, hands writes to the actor. One task, no locks.

mod active_config;
mod config;
mod ingest;
mod pair_index;
mod pairs;
mod passes;
mod reconcile;
mod results;
mod rule_view;
mod rules;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vanished_tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::config::{Config, Github};
use jiff::Timestamp;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::act::{Actor, Failure, Outcome};
use crate::decide::EventDraft;
use crate::evaluate::facts::QueryResult;
use crate::observe::{Deleted, Key, Observation, Pair, World};
use crate::prometheus::Ask;
use crate::telemetry::{Heartbeat, Metrics, Readiness};
use active_config::InForce;
use pairs::PairEntry;
use passes::Pass;
use rules::{RuleEntry, RuleTold};

/// The part of readiness that the engine reports.
pub const CLUSTER: &str = "cluster";
/// Messages taken in before the next decisions.
const BATCH: usize = 512;
/// A clock may go back by this much without notice.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);
/// On the way out, writes in flight get so long to finish.
const FINISH: Duration = Duration::from_secs(6);

/// What the engine is made of.
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
    /// What is not ready yet, for `/ready`.
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

/// What a task of the engine reports.
pub(crate) enum Report {
    Pair(Pair, Box<Result<Outcome, Failure>>),
    Rule(Arc<str>, RuleTold, Box<Result<Outcome, Failure>>),
    Orphan(Key, Box<Result<Outcome, Failure>>),
    Query(u64, Timestamp, Ask, QueryResult),
    Read(Key, bool, Box<Result<Outcome, Failure>>),
    ConfigTold(Box<EventDraft>, Box<Result<Outcome, Failure>>),
    Nothing,
}

/// What wakes the engine at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Pair(Pair),
    Rule(Arc<str>),
    Orphan(Key),
}

/// The engine.
pub struct Engine {
    pub(crate) parts: Parts,
    pub(crate) force: InForce,
    pub(crate) config_seen: bool,
    /// What was read last; nothing inside when the ConfigMap has no such key.
    pub(crate) config_text: Option<Option<String>>,
    pub(crate) world: World,
    pub(crate) rules: BTreeMap<Arc<str>, RuleEntry>,
    pub(crate) rules_synced: bool,
    /// Labels of rules that are there and cannot be read: what is theirs is left alone.
    pub(crate) unreadable: BTreeSet<String>,
    /// What the rules cover may have changed.
    pub(crate) objects_changed: bool,
    /// What is to be told of a configuration that is not valid.
    pub(crate) config_trouble: Option<EventDraft>,
    /// It is being told.
    pub(crate) config_telling: bool,
    /// How often in a row it was denied.
    pub(crate) config_denials: u32,
    pub(crate) rules_listing: Option<BTreeSet<Arc<str>>>,
    pub(crate) rules_deleted: Deleted,
    pub(crate) rule_labels: HashMap<String, Arc<str>>,
    pub(crate) pairs: BTreeMap<Pair, PairEntry>,
    pub(crate) dirty: BTreeSet<Pair>,
    pub(crate) dirty_rules: BTreeSet<Arc<str>>,
    pub(crate) orphans: BTreeSet<Key>,
    pub(crate) orphans_in_flight: BTreeSet<Key>,
    pub(crate) alarms: BTreeSet<(Timestamp, Alarm)>,
    pub(crate) passes: HashMap<u64, Pass>,
    pub(crate) next_pass: u64,
    pub(crate) tasks: JoinSet<Report>,
    pub(crate) writes: usize,
    pub(crate) was_ready: bool,
    latest: Timestamp,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(parts: Parts) -> Self {
        Engine {
            force: InForce::new(Config::default(), None),
            config_seen: false,
            config_text: None,
            world: World::default(),
            rules: BTreeMap::new(),
            rules_synced: false,
            unreadable: BTreeSet::new(),
            objects_changed: false,
            config_trouble: None,
            config_telling: false,
            config_denials: 0,
            rules_listing: None,
            rules_deleted: Deleted::default(),
            rule_labels: HashMap::new(),
            pairs: BTreeMap::new(),
            dirty: BTreeSet::new(),
            dirty_rules: BTreeSet::new(),
            orphans: BTreeSet::new(),
            orphans_in_flight: BTreeSet::new(),
            alarms: BTreeSet::new(),
            passes: HashMap::new(),
            next_pass: 0,
            tasks: JoinSet::new(),
            writes: 0,
            was_ready: false,
            latest: Timestamp::MIN,
            parts,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Runs until it is told to stop; then finishes what is in flight.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut beat = tokio::time::interval(Duration::from_secs(5));
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.report(done),
                seen = self.parts.observations.recv() => match seen {
                    Some(seen) => self.observe(seen),
                    None => break,
                },
                text = next_config(&mut self.parts.config_file) => self.config_file(text),
                changed = self.parts.leads.changed() => if changed.is_err() { break },
                _ = beat.tick() => self.force.renew(),
                () = sleep_until(wake, self.parts.clock) => {}
            }
            for _ in 0..BATCH {
                if let Ok(seen) = self.parts.observations.try_recv() {
                    self.observe(seen);
                } else if let Some(done) = self.tasks.try_join_next() {
                    self.report(done);
                } else {
                    break;
                }
            }
            self.parts.heartbeat.beat();
            self.settle();
        }
        self.finish().await;
    }

    async fn finish(mut self) {
        if self.writes > 0 {
            info!(writes = self.writes, "stopping; writes in flight are finished first");
        }
        let drained = tokio::time::timeout(FINISH, async {
            while self.writes > 0 {
                match self.tasks.join_next().await {
                    Some(Ok(Report::Query(..) | Report::Nothing)) => {}
                    Some(_) => self.writes = self.writes.saturating_sub(1),
                    None => break,
                }
            }
        })
        .await;
        if drained.is_err() {
            warn!(
                writes = self.writes,
                "stopped before all writes were answered; they are decided anew at the next start"
            );
        }
    }

    /// What must be seen before anything is decided.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = self.world.missing().into_iter().map(str::to_owned).collect();
        if !self.rules_synced {
            missing.push("autopilotrules".to_owned());
        }
        if !self.config_seen {
            missing.push("configuration".to_owned());
        }
        missing
    }

    pub(crate) fn settle(&mut self) {
        let missing = if self.was_ready { Vec::new() } else { self.missing() };
        let ready = missing.is_empty();
        if !ready {
            self.parts.readiness.missing(CLUSTER, &format!("not listed yet: {}", missing.join(", ")));
        }
        if !ready {
            return;
        }
        if !self.was_ready {
            self.parts.readiness.synced(CLUSTER);
        }
        if !self.was_ready {
            self.was_ready = true;
            info!(
                rules = self.rules.len(),
                claims = self.world.claims.len(),
                approvals = self.world.approvals.iter().count(),
                "the cluster is known; deciding begins{}",
                if *self.parts.leads.borrow() { "" } else { " with the lease" }
            );
            self.start();
        }
        self.check_clock();
        self.ring();
        if !*self.parts.leads.borrow() {
            return;
        }
        self.start_passes();
        while let Some(pair) = self.dirty.pop_first() {
            self.consider(&pair);
        }
        while let Some(rule) = self.dirty_rules.pop_first() {
            self.consider_rule(&rule);
        }
        while let Some(key) = self.orphans.pop_first() {
            self.consider_orphan(&key);
        }
        if std::mem::take(&mut self.objects_changed) {
            self.count_objects();
        }
        self.tell_config_trouble();
    }

    /// The first look at everything, after a start or a restart.
    pub(crate) fn start(&mut self) {
        let world = &self.world;
        for entry in self.rules.values_mut() {
            entry.select_all(world);
            entry.remember_told(world);
        }
        let journals: Vec<Key> = self.world.journals.iter().map(|(key, _)| key.clone()).collect();
        for key in journals {
            self.journal_changed(&key);
        }
        let approvals: Vec<Key> = self.world.approvals.iter().map(|(key, _)| key.clone()).collect();
        for key in approvals {
            self.approval_changed(&key);
        }
        self.dirty_rules.extend(self.rules.keys().cloned());
        self.count_rules();
    }

    pub(crate) fn spawn_write(&mut self, task: impl Future<Output = Report> + Send + 'static) {
        self.writes += 1;
        self.tasks.spawn(task);
    }

    pub(crate) fn spawn_query(
        &mut self,
        asked_at: Timestamp,
        task: impl Future<Output = (u64, Ask, QueryResult)> + Send + 'static,
    ) {
        self.tasks.spawn(async move {
            let (pass, ask, result) = task.await;
            Report::Query(pass, asked_at, ask, result)
        });
    }

    pub(crate) fn alarm(&mut self, at: Timestamp, what: Alarm) {
        if let Alarm::Pair(pair) = &what
            && let Some(entry) = self.pairs.get_mut(pair)
        {
            if entry.wake.is_some_and(|known| known <= at && known > (self.parts.clock)()) {
                return;
            }
            if let Some(known) = entry.wake.replace(at) {
                self.alarms.remove(&(known, what.clone()));
            }
        }
        self.alarms.insert((at, what));
    }

    /// A clock that was set back would leave alarms and passes waiting for times that come again: all is looked at
    /// anew, from now.
    pub(crate) fn check_clock(&mut self) {
        let now = self.now();
        if self.latest.duration_since(now) > CLOCK_SLACK {
            warn!(%now, latest = %self.latest, "the clock was set back; everything is looked at anew");
            self.orphans.extend(self.alarms.iter().filter_map(|(_, alarm)| match alarm {
                Alarm::Orphan(key) => Some(key.clone()),
                _ => None,
            }));
            self.alarms.clear();
            for entry in self.pairs.values_mut() {
                entry.wake = None;
                entry.not_before = None;
            }
            for entry in self.rules.values_mut() {
                entry.next_poll = now;
                entry.next_status = now;
            }
            self.dirty.extend(self.pairs.keys().cloned());
            self.dirty_rules.extend(self.rules.keys().cloned());
        }
        self.latest = now;
    }

    pub(crate) fn ring(&mut self) {
        let now = self.now();
        while let Some((at, _)) = self.alarms.first() {
            if *at > now {
                break;
            }
            let Some((_, what)) = self.alarms.pop_first() else {
                break;
            };
            match what {
                Alarm::Pair(pair) => {
                    if let Some(entry) = self.pairs.get_mut(&pair) {
                        entry.wake = None;
                    }
                    self.dirty.insert(pair);
                }
                Alarm::Rule(rule) => {
                    self.dirty_rules.insert(rule);
                }
                Alarm::Orphan(key) => {
                    self.orphans.insert(key);
                }
            }
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let poll = (self.was_ready && *self.parts.leads.borrow()).then(|| self.earliest_poll()).flatten();
        match (alarm, poll) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Waits for the next text of the configuration file; for ever, when there is none.
async fn next_config(file: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match file {
        Some(file) => file.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Timestamp>, clock: fn() -> Timestamp) {
    match at {
        Some(at) => {
            let rest = at.duration_since(clock());
            tokio::time::sleep(Duration::try_from(rest).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}
