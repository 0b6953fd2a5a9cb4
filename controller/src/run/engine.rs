//! The engine: takes in what is seen, decides pair by pair, hands writes to the actor. One task, no locks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::RuleState;
use autopilot_shared::api::{LABEL_OBJECT, LABEL_RULE};
use autopilot_shared::config::Config;
use autopilot_shared::names;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use rand::{RngExt as _, rngs::StdRng};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::pairs::{PairEntry, pause};
use super::passes::{Pass, Told};
use super::rules::{RuleEntry, RuleTold};
use super::settings::InForce;
use crate::act::{Actor, Failure, Outcome, RuleEffect, readable};
use crate::decide::{
    self, Approval, Baseline, Decision, Effect, EventDraft, Journal, Regarding, Rival, Target, Verdict, View,
};
use crate::observe::{self, Change, Key, Observation, Pair, Seen, World, cluster_key};
use crate::query::Ask;
use crate::serve::{Failure as ActionFailure, Heartbeat, Metrics, Readiness};

/// The part of readiness that the engine reports.
pub const CLUSTER: &str = "cluster";
/// Messages taken in before the next decisions.
const BATCH: usize = 512;
/// On the way out, writes in flight get so long to finish.
const FINISH: Duration = Duration::from_secs(8);

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
enum Report {
    Pair(Pair, Box<Result<Outcome, Failure>>),
    Rule(Arc<str>, RuleTold, Box<Result<Outcome, Failure>>),
    Orphan(Key, Box<Result<Outcome, Failure>>),
    Told(u64, Timestamp, Ask, Told),
    Nothing,
}

/// What wakes the engine at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Pair(Pair),
    Rule(Arc<str>),
    Orphan(Key),
}

/// The engine.
pub struct Engine {
    parts: Parts,
    pub(super) force: InForce,
    pub(super) config_seen: bool,
    config_text: Option<String>,
    pub(super) world: World,
    pub(super) rules: BTreeMap<Arc<str>, RuleEntry>,
    rules_synced: bool,
    rules_listing: Option<BTreeSet<Arc<str>>>,
    rule_labels: HashMap<String, Arc<str>>,
    pub(super) pairs: BTreeMap<Pair, PairEntry>,
    pub(super) dirty: BTreeSet<Pair>,
    pub(super) dirty_rules: BTreeSet<Arc<str>>,
    orphans: BTreeSet<Key>,
    orphans_in_flight: BTreeSet<Key>,
    alarms: BTreeSet<(Timestamp, Alarm)>,
    pub(super) passes: HashMap<u64, Pass>,
    pub(super) next_pass: u64,
    tasks: JoinSet<Report>,
    writes: usize,
    was_ready: bool,
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
            rules_listing: None,
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
            parts,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    pub(super) fn metrics(&self) -> &Metrics {
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
                _ = beat.tick() => {}
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
                    Some(Ok(Report::Pair(..) | Report::Rule(..) | Report::Orphan(..))) => self.writes -= 1,
                    Some(_) => {}
                    None => break,
                }
            }
        })
        .await;
        if drained.is_err() {
            warn!(writes = self.writes, "stopped before all writes were answered; they are decided anew at the next start");
        }
    }

    /// What must be seen before anything is decided.
    fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = self.world.missing().into_iter().map(str::to_owned).collect();
        if !self.rules_synced {
            missing.push("autopilotrules".to_owned());
        }
        if !self.config_seen {
            missing.push("configuration".to_owned());
        }
        missing
    }

    fn settle(&mut self) {
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
                "the cluster is known; deciding begins"
            );
            self.start();
        }
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
    }

    /// The first look at everything, after a start or a restart.
    fn start(&mut self) {
        let world = &self.world;
        for entry in self.rules.values_mut() {
            entry.select_all(world);
            for (slot, claim) in world.claims.iter() {
                if entry.selected.contains(slot as usize) && entry.told_before(&claim.volume, claim.created) {
                    entry.normal.grow(slot as usize + 1);
                    entry.normal.insert(slot as usize);
                }
            }
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

    // ---- seeing

    fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Rule(seen) => self.rule_seen(seen),
            Observation::Approval(seen) => match seen {
                Seen::Start => self.world.approvals.start(),
                Seen::Is(object) => match readable(*object) {
                    Ok(object) => self.approval_is(observe::approval(object)),
                    Err((name, why)) => error!(approval = name, why, "an approval cannot be read; it is ignored"),
                },
                Seen::Gone(object) => {
                    if let Ok(object) = readable(*object) {
                        let version = observe::version(object.metadata.resource_version.as_deref());
                        let key = key_of(&object.metadata);
                        if self.world.approvals.remove(&key, version).is_some() {
                            self.approval_gone(&key, &object);
                        }
                    }
                }
                Seen::Done => {
                    for (key, gone) in self.world.approvals.finish() {
                        self.approval_gone(&key, &gone.raw);
                    }
                }
            },
            Observation::Journal(seen) => match seen {
                Seen::Start => self.world.journals.start(),
                Seen::Is(object) => match readable(*object) {
                    Ok(object) => self.journal_is(observe::journal(object)),
                    Err((name, why)) => error!(rule_object = name, why, "a rule object cannot be read; it is ignored"),
                },
                Seen::Gone(object) => {
                    if let Ok(object) = readable(*object) {
                        let version = observe::version(object.metadata.resource_version.as_deref());
                        let key = key_of(&object.metadata);
                        if let Some(gone) = self.world.journals.remove(&key, version) {
                            self.journal_gone(&gone);
                        }
                    }
                }
                Seen::Done => {
                    for (_, gone) in self.world.journals.finish() {
                        self.journal_gone(&gone);
                    }
                }
            },
            Observation::Claim(seen) => match seen {
                Seen::Start => self.world.claims_start(),
                Seen::Is(pvc) => {
                    if let Some(change) = self.world.claim(&pvc) {
                        self.claim_changed(change);
                    }
                }
                Seen::Gone(pvc) => {
                    if let Some(change) = self.world.claim_gone(&pvc) {
                        self.claim_changed(change);
                    }
                }
                Seen::Done => {
                    for change in self.world.claims_done() {
                        self.claim_changed(change);
                    }
                }
            },
            Observation::Namespace(seen) => match seen {
                Seen::Start => self.world.namespaces.start(),
                Seen::Is(namespace) => {
                    let labels = self.world.claims.labels(namespace.labels().clone());
                    let version = observe::version(namespace.metadata.resource_version.as_deref());
                    let key = cluster_key(&namespace.name_any());
                    let before = self.world.namespaces.get("", &key.1).map(|at| Arc::clone(&at.1));
                    if self.world.namespaces.put(key, observe::At(version, Arc::clone(&labels)))
                        && before.as_ref() != Some(&labels)
                    {
                        self.select_everything();
                    }
                }
                Seen::Gone(namespace) => {
                    let version = observe::version(namespace.metadata.resource_version.as_deref());
                    self.world.namespaces.remove(&cluster_key(&namespace.name_any()), version);
                }
                Seen::Done => {
                    self.world.namespaces.finish();
                }
            },
            Observation::Class(seen) => match seen {
                Seen::Start => self.world.classes.start(),
                Seen::Is(class) => {
                    let version = observe::version(class.metadata.resource_version.as_deref());
                    let expandable = class.allow_volume_expansion == Some(true);
                    self.world.classes.put(cluster_key(&class.name_any()), observe::At(version, expandable));
                }
                Seen::Gone(class) => {
                    let version = observe::version(class.metadata.resource_version.as_deref());
                    self.world.classes.remove(&cluster_key(&class.name_any()), version);
                }
                Seen::Done => {
                    self.world.classes.finish();
                }
            },
            Observation::Quota(seen) => match seen {
                Seen::Start => self.world.quotas.start(),
                Seen::Is(quota) => {
                    let version = observe::version(quota.metadata.resource_version.as_deref());
                    let rooms = observe::quotas(&quota);
                    self.world.quotas.put(key_of(&quota.metadata), observe::At(version, rooms));
                }
                Seen::Gone(quota) => {
                    let version = observe::version(quota.metadata.resource_version.as_deref());
                    self.world.quotas.remove(&key_of(&quota.metadata), version);
                }
                Seen::Done => {
                    self.world.quotas.finish();
                }
            },
            Observation::Config(seen) => self.config_map(seen),
            Observation::Trouble(kind, why) => debug!(kind = kind.plural(), why, "a watch is in trouble"),
        }
    }

    fn rule_seen(&mut self, seen: Seen<Box<kube::core::DeserializeGuard<autopilot_shared::api::AutopilotRule>>>) {
        match seen {
            Seen::Start => self.rules_listing = Some(BTreeSet::new()),
            Seen::Is(object) => match readable(*object) {
                Ok(raw) => self.rule_is(raw),
                Err((name, why)) => error!(rule = name, why, "a rule cannot be read; it is ignored"),
            },
            Seen::Gone(object) => {
                if let Ok(raw) = readable(*object) {
                    self.rule_gone(&raw.name_any(), raw.metadata.uid.as_deref());
                }
            }
            Seen::Done => {
                self.rules_synced = true;
                if let Some(listed) = self.rules_listing.take() {
                    let gone: Vec<Arc<str>> =
                        self.rules.keys().filter(|name| !listed.contains(*name)).cloned().collect();
                    for name in gone {
                        self.rule_gone(&name, None);
                    }
                }
            }
        }
    }

    fn rule_is(&mut self, raw: autopilot_shared::api::AutopilotRule) {
        let name: Arc<str> = raw.name_any().into();
        if let Some(listing) = &mut self.rules_listing {
            listing.insert(Arc::clone(&name));
        }
        let now = self.now();
        let mut new = RuleEntry::new(raw, now);
        if let Some(old) = self.rules.get_mut(&name) {
            if old.version() >= new.version() {
                return;
            }
            if old.uid() == new.uid() {
                // The same rule: keep what is known, see whether its meaning changed.
                let same = old.parsed == new.parsed && old.deleting() == new.deleting();
                old.raw = new.raw;
                if !same {
                    old.parsed = new.parsed;
                    old.data = super::rules::Data::Unknown;
                    old.scan = super::rules::Scan::default();
                    old.next_poll = now;
                    if self.was_ready {
                        old.select_all(&self.world);
                    }
                    self.dirty_pairs_of(&name);
                }
                self.dirty_rules.insert(name);
                return;
            }
        }
        if let Err(problems) = &new.parsed {
            for problem in problems {
                warn!(rule = %name, field = problem.field, problem = problem.problem, "the rule is not understood");
            }
        }
        if self.was_ready {
            new.select_all(&self.world);
        }
        self.rule_labels.insert(names::label_value(&name), Arc::clone(&name));
        self.rules.insert(Arc::clone(&name), new);
        self.dirty_pairs_of(&name);
        self.dirty_rules.insert(Arc::clone(&name));
        if self.was_ready {
            // Approvals and journals that were there before their rule.
            let approvals: Vec<Key> = self.world.approvals.iter().map(|(key, _)| key.clone()).collect();
            for key in approvals {
                self.approval_changed(&key);
            }
            self.count_rules();
        }
    }

    fn rule_gone(&mut self, name: &str, uid: Option<&str>) {
        if self.rules.get(name).is_some_and(|entry| uid.is_some_and(|uid| uid != entry.uid())) {
            return;
        }
        if self.rules.remove(name).is_none() {
            return;
        }
        self.rule_labels.remove(&names::label_value(name));
        self.pairs.retain(|pair, _| *pair.rule != *name);
        self.dirty.retain(|pair| *pair.rule != *name);
        self.parts.metrics.remove_rule(name);
        info!(rule = name, "the rule is gone");
        let label = names::label_value(name);
        let left: Vec<Key> = self
            .world
            .approvals
            .iter()
            .filter(|(_, a)| a.raw.labels().get(LABEL_RULE) == Some(&label))
            .map(|(key, _)| key.clone())
            .collect();
        self.orphans.extend(left);
        self.count_rules();
    }

    fn count_rules(&mut self) {
        self.parts.metrics.set_rules_in_system(self.rules.len());
    }

    pub(super) fn dirty_pairs_of(&mut self, rule: &str) {
        self.dirty.extend(self.pairs.keys().filter(|pair| *pair.rule == *rule).cloned());
    }

    fn dirty_pairs_on(&mut self, object: &str) {
        self.dirty.extend(self.pairs_on(object).map(|(pair, _)| pair.clone()).collect::<Vec<_>>());
    }

    fn pairs_on(&self, object: &str) -> impl Iterator<Item = (&Pair, &PairEntry)> {
        let object: Arc<str> = object.into();
        let first = Pair { object: Arc::clone(&object), rule: "".into() };
        self.pairs.range(first..).take_while(move |(pair, _)| pair.object == object)
    }

    fn select_everything(&mut self) {
        if !self.was_ready {
            return;
        }
        for entry in self.rules.values_mut() {
            entry.select_all(&self.world);
        }
        self.dirty.extend(self.pairs.keys().cloned());
        self.dirty_rules.extend(self.rules.keys().cloned());
    }

    fn claim_changed(&mut self, change: Change) {
        if !self.was_ready {
            return;
        }
        let now = self.now();
        let after = self.world.claims.get(change.slot).cloned();
        let same = |a: &observe::Claim, b: &observe::Claim| a.uid == b.uid && a.volume == b.volume;
        let stays = change.before.as_ref().zip(after.as_ref()).is_some_and(|(a, b)| same(a, b));
        for (name, entry) in &mut self.rules {
            let before = entry.selected.contains(change.slot as usize);
            if !stays {
                entry.forget(change.slot);
            }
            entry.select_one(&self.world, change.slot);
            if before != entry.selected.contains(change.slot as usize) || !stays {
                self.dirty_rules.insert(Arc::clone(name));
            }
            if !before && entry.selected.contains(change.slot as usize) {
                entry.next_poll = entry.next_poll.min(now);
            }
        }
        if let Some(before) = &change.before
            && !stays
        {
            self.dirty_pairs_on(&before.volume);
        }
        let Some(after) = after.filter(observe::Claim::is_object) else { return };
        if let Some(before) = change.before.as_ref().filter(|b| stays && b.capacity.bytes < after.capacity.bytes) {
            #[expect(clippy::cast_precision_loss, reason = "a share of two sizes needs no exact bytes")]
            let ratio = before.capacity.bytes as f64 / after.capacity.bytes as f64;
            self.size_changed(&after.volume, ratio, now);
        }
        for (pair, entry) in self.pairs_on(&after.volume).map(|(p, e)| (p.clone(), e.state)).collect::<Vec<_>>() {
            if let Some(known) = self.pairs.get_mut(&pair) {
                known.confirmed_gone = false;
            }
            if !stays {
                if let Some(rule) = self.rules.get_mut(&pair.rule) {
                    rule.paired.grow(change.slot as usize + 1);
                    rule.paired.insert(change.slot as usize);
                }
                if !matches!(entry, RuleState::Initializing | RuleState::Normal) {
                    self.mark_busy(&pair, true);
                }
            }
            self.dirty.insert(pair);
        }
    }

    /// Data that still shows the old size must not trigger: remember what it looked like.
    fn size_changed(&mut self, volume: &str, ratio: f64, now: Timestamp) {
        let pairs: Vec<Pair> = self.pairs_on(volume).map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            if let Some(entry) = self.pairs.get_mut(&pair)
                && entry.reading.verdict == Verdict::Met
            {
                entry.reading.baseline = Some(Baseline { at: now, values: entry.reading.numbers(), ratio });
            }
        }
    }

    fn journal_is(&mut self, journal: Journal) {
        let key = (Arc::clone(&journal.namespace), Arc::clone(&journal.name));
        if self.world.journals.put(key.clone(), journal) && self.was_ready {
            self.journal_changed(&key);
        }
    }

    fn journal_changed(&mut self, key: &Key) {
        let Some(journal) = self.world.journals.get(&key.0, &key.1) else { return };
        let Some((name, entry)) = self.rules.iter().find(|(_, entry)| entry.uid() == journal.owner) else { return };
        let object = match &journal.status.object {
            Some(object) if !object.uid.is_empty() => object.uid.clone(),
            _ => match journal.name.strip_suffix(&format!("-{name}")) {
                Some(object) => object.to_owned(),
                None => return,
            },
        };
        let _ = entry;
        let pair = Pair { object: object.into(), rule: Arc::clone(name) };
        let state = journal.status.state.unwrap_or(RuleState::Initializing);
        self.pair_mut(&pair, state);
        self.dirty.insert(pair);
    }

    fn journal_gone(&mut self, journal: &Journal) {
        let object = journal.status.object.as_ref().map(|o| o.uid.clone()).unwrap_or_default();
        self.dirty_pairs_on(&object);
    }

    fn approval_is(&mut self, approval: Approval) {
        let key = key_of(&approval.raw.metadata);
        if self.world.approvals.put(key.clone(), approval) && self.was_ready {
            self.approval_changed(&key);
        }
    }

    fn approval_gone(&mut self, key: &Key, approval: &autopilot_shared::api::ActionApproval) {
        self.orphans.remove(key);
        if let Some(pair) = self.pair_of_approval(approval) {
            self.dirty_pairs_on(&pair.object);
            self.dirty.insert(pair.clone());
        }
        if let Some(rule) = approval.labels().get(LABEL_RULE).and_then(|l| self.rule_labels.get(l)) {
            self.dirty_rules.insert(Arc::clone(rule));
        }
    }

    fn approval_changed(&mut self, key: &Key) {
        let Some(approval) = self.world.approvals.get(&key.0, &key.1) else { return };
        match self.pair_of_approval(&approval.raw) {
            Some(pair) => {
                let quiet = self.quiet_state(&pair);
                self.pair_mut(&pair, quiet);
                self.dirty.insert(pair);
            }
            None => {
                self.orphans.insert(key.clone());
            }
        }
    }

    /// The pair that an approval belongs to: labels, name and namespace must all say so.
    fn pair_of_approval(&self, approval: &autopilot_shared::api::ActionApproval) -> Option<Pair> {
        let labels = approval.labels();
        let rule = self.rule_labels.get(labels.get(LABEL_RULE)?)?;
        let label = labels.get(LABEL_OBJECT)?;
        let object: Arc<str> = if label.len() < names::MAX_LABEL {
            label.as_str().into()
        } else {
            // A shortened label: find whose it is.
            let known = self.pairs.keys().map(|p| &*p.object).find(|o| names::label_value(o) == *label);
            let claimed = || self.world.claims.iter().map(|(_, c)| &*c.volume).find(|v| names::label_value(v) == *label);
            known.or_else(claimed)?.into()
        };
        let name = approval.name_any();
        let named = name == names::approval_name(rule, &object) || name == names::hashed_approval_name(rule, &object);
        let pair = Pair { object, rule: Arc::clone(rule) };
        let namespace = self.namespace_of(&pair);
        let at_home = namespace.is_some_and(|n| Some(&*n) == approval.namespace().as_deref());
        (named && at_home).then_some(pair)
    }

    /// Where the PVC of a pair lives, or lived.
    pub(super) fn namespace_of(&self, pair: &Pair) -> Option<Arc<str>> {
        if let Some(slot) = self.world.claims.by_volume(&pair.object) {
            return self.world.claims.get(slot).map(|c| Arc::clone(&c.namespace));
        }
        let name = names::rule_object_name(&pair.object, &pair.rule);
        self.world.journals.iter().find(|((_, other), _)| **other == *name).map(|((namespace, _), _)| Arc::clone(namespace))
    }

    fn pair_mut(&mut self, pair: &Pair, state: RuleState) -> &mut PairEntry {
        if !self.pairs.contains_key(pair) {
            self.insert_pair(pair.clone(), PairEntry::new(RuleState::Initializing));
            self.set_state(pair, state);
        }
        self.pairs.entry(pair.clone()).or_insert_with(|| PairEntry::new(state))
    }

    pub(super) fn insert_pair(&mut self, pair: Pair, entry: PairEntry) {
        let slot = self.world.claims.by_volume(&pair.object);
        if let Some((rule, slot)) = self.rules.get_mut(&pair.rule).zip(slot) {
            rule.paired.grow(slot as usize + 1);
            rule.paired.insert(slot as usize);
        }
        self.pairs.insert(pair, entry);
    }

    /// The state of a pair that no journal speaks of.
    pub(super) fn quiet_state(&self, pair: &Pair) -> RuleState {
        let slot = self.world.claims.by_volume(&pair.object);
        let normal = self.rules.get(&pair.rule).zip(slot).is_some_and(|(rule, slot)| rule.normal.contains(slot as usize));
        if normal { RuleState::Normal } else { RuleState::Initializing }
    }

    /// Notes the state of a pair where counts and bit sets need it.
    pub(super) fn set_state(&mut self, pair: &Pair, state: RuleState) {
        let Some(entry) = self.pairs.get_mut(pair) else { return };
        let before = std::mem::replace(&mut entry.state, state);
        if before == state {
            return;
        }
        let quiet = |s: RuleState| matches!(s, RuleState::Initializing | RuleState::Normal);
        if let Some(rule) = self.rules.get_mut(&pair.rule) {
            if !quiet(before) {
                *rule.states.entry(before).or_default() -= 1;
            }
            if !quiet(state) {
                *rule.states.entry(state).or_default() += 1;
            }
        }
        self.mark_busy(pair, !quiet(state));
        if state == RuleState::Normal {
            self.mark_normal(pair);
        }
        self.dirty_rules.insert(Arc::clone(&pair.rule));
    }

    fn mark_busy(&mut self, pair: &Pair, busy: bool) {
        let slot = self.world.claims.by_volume(&pair.object);
        if let Some((rule, slot)) = self.rules.get_mut(&pair.rule).zip(slot) {
            rule.busy.grow(slot as usize + 1);
            rule.busy.set(slot as usize, busy);
            if busy {
                rule.normal.grow(slot as usize + 1);
                rule.normal.set(slot as usize, false);
            }
        }
    }

    fn mark_normal(&mut self, pair: &Pair) {
        let slot = self.world.claims.by_volume(&pair.object);
        if let Some((rule, slot)) = self.rules.get_mut(&pair.rule).zip(slot)
            && rule.selected.contains(slot as usize)
        {
            rule.normal.grow(slot as usize + 1);
            rule.normal.insert(slot as usize);
        }
    }

    // ---- deciding

    fn consider(&mut self, pair: &Pair) {
        let now = self.now();
        let Some(entry) = self.pairs.get(pair) else { return };
        if entry.in_flight {
            return;
        }
        if let Some(until) = entry.not_before.filter(|t| *t > now) {
            self.alarm(until, Alarm::Pair(pair.clone()));
            return;
        }
        let Some(rule) = self.rules.get(&pair.rule) else { return };
        if rule.deleting() {
            return;
        }
        let slot = self.world.claims.by_volume(&pair.object);
        let Some(namespace) = self.namespace_of(pair) else {
            self.forget_pair(pair);
            return;
        };
        if slot.is_none() && !entry.confirmed_gone {
            self.confirm_gone(pair, &namespace);
            return;
        }
        let fresh: u128 = self.parts.random.random();
        let decision = self.look(pair, slot, &namespace, now, fresh);
        self.set_state(pair, decision.state);
        if let Some(wake) = decision.wake {
            self.alarm(wake.max(now), Alarm::Pair(pair.clone()));
        }
        match decision.effect {
            Some(effect) => self.act(pair, effect),
            None => self.forget_if_quiet(pair, &namespace),
        }
    }

    fn look(&self, pair: &Pair, slot: Option<u32>, namespace: &str, now: Timestamp, fresh: u128) -> Decision {
        let (Some(entry), Some(rule)) = (self.pairs.get(pair), self.rules.get(&pair.rule)) else {
            return Decision { effect: None, wake: None, state: RuleState::Normal };
        };
        let quotas = self.world.quotas_of(namespace);
        let selected = slot.is_some_and(|slot| rule.selected.contains(slot as usize));
        let journal = self.world.journal(namespace, pair).filter(|j| j.owner == rule.uid() && !j.deleting);
        let (plain, hashed) = self.world.approvals_of(namespace, pair);
        let digest = journal.and_then(|j| j.status.proposal.as_ref()).map(|p| p.digest.as_str());
        decide::decide(&View {
            now,
            fresh,
            settings: &self.force.settings,
            rule_name: &pair.rule,
            rule: rule.volume_rule().map(|r| &**r),
            rule_uid: rule.uid(),
            object_id: &pair.object,
            object: slot.and_then(|slot| self.world.object_view(slot, selected, &quotas)),
            reading: &entry.reading,
            quiet: self.quiet_state(pair),
            journal,
            plain,
            hashed,
            rival: self.rival(pair, namespace),
            refusal: entry.refusal.as_deref(),
            told: entry.told,
            resets: if Some(entry.resets.0.as_str()) == digest { entry.resets.1 } else { 0 },
        })
    }

    /// Another rule that has, or is about to have, the object.
    fn rival(&self, pair: &Pair, namespace: &str) -> Option<Rival> {
        let own = self.rules.get(&pair.rule)?.volume_rule()?;
        self.pairs_on(&pair.object).filter(|(other, _)| *other != pair).find_map(|(other, entry)| {
            let rule = self.rules.get(&other.rule)?;
            let journal = self.world.journal(namespace, other).filter(|j| j.owner == rule.uid());
            let first = entry.holds(journal)
                || rule.volume_rule().is_some_and(|rule| {
                    !rule.suspended
                        && self.is_selected(other)
                        && entry.held(rule, journal)
                        && rule.goes_before(own)
                });
            first.then(|| Rival { rule: Arc::clone(&other.rule), state: entry.state })
        })
    }

    fn is_selected(&self, pair: &Pair) -> bool {
        let slot = self.world.claims.by_volume(&pair.object);
        self.rules.get(&pair.rule).zip(slot).is_some_and(|(rule, slot)| rule.selected.contains(slot as usize))
    }

    fn act(&mut self, pair: &Pair, effect: Effect) {
        let gone = self.taken_for_deleted(pair, &effect);
        let Some(entry) = self.pairs.get_mut(pair) else { return };
        entry.in_flight = true;
        entry.proposing = matches!(&effect, Effect::WriteJournal { status, .. } if status.proposal.is_some());
        if let Effect::ResetApproval { wanted, .. } = &effect {
            let digest = wanted.spec.actions.iter().flatten().find_map(|a| a.proposal.clone()).unwrap_or_default();
            if entry.resets.0 != digest {
                entry.resets = (digest, 0);
            }
            entry.resets.1 += 1;
        }
        log_effect(pair, &effect);
        let actor = self.parts.actor.clone();
        let who = pair.clone();
        self.spawn_write(async move { Report::Pair(who, Box::new(actor.perform(effect, gone).await)) });
    }

    /// The approval that a journal entry gives up because it is not there: that must be so in the API, not in a cache.
    fn taken_for_deleted(&self, pair: &Pair, effect: &Effect) -> Option<Target> {
        let Effect::WriteJournal { target, status } = effect else { return None };
        let journal = self.world.journals.get(&target.namespace, &target.name)?;
        let known = journal.status.approval.as_ref()?;
        if status.approval.is_some() || self.rules.get(&pair.rule).is_none() {
            return None;
        }
        let seen = self.world.approvals.get(&target.namespace, &known.name);
        (seen.and_then(|a| a.raw.metadata.uid.as_ref()) != Some(&known.uid)).then(|| Target {
            namespace: target.namespace.clone(),
            name: known.name.clone(),
            uid: known.uid.clone(),
            version: String::new(),
        })
    }

    /// Before anything is removed because a PVC is gone, the API is asked whether it is.
    fn confirm_gone(&mut self, pair: &Pair, namespace: &str) {
        let journal = self.world.journal(namespace, pair);
        let Some(name) = journal.and_then(|j| j.status.object.as_ref()).map(|o| o.name.clone()) else {
            if let Some(entry) = self.pairs.get_mut(pair) {
                entry.confirmed_gone = true;
            }
            self.dirty.insert(pair.clone());
            return;
        };
        let Some(entry) = self.pairs.get_mut(pair) else { return };
        entry.in_flight = true;
        let actor = self.parts.actor.clone();
        let (who, namespace) = (pair.clone(), namespace.to_owned());
        self.spawn_write(async move { Report::Pair(who, Box::new(actor.read_claim(&namespace, &name).await)) });
    }

    fn spawn_write(&mut self, task: impl Future<Output = Report> + Send + 'static) {
        self.writes += 1;
        self.tasks.spawn(task);
    }

    pub(super) fn spawn_query(&mut self, asked_at: Timestamp, task: impl Future<Output = (u64, Ask, Told)> + Send + 'static) {
        self.tasks.spawn(async move {
            let (pass, ask, told) = task.await;
            Report::Told(pass, asked_at, ask, told)
        });
    }

    fn forget_if_quiet(&mut self, pair: &Pair, namespace: &str) {
        let Some(entry) = self.pairs.get(pair) else { return };
        let quiet = matches!(entry.state, RuleState::Initializing | RuleState::Normal);
        let (plain, hashed) = self.world.approvals_of(namespace, pair);
        let nothing = self.world.journal(namespace, pair).is_none() && plain.is_none() && hashed.is_none();
        if quiet && nothing && entry.reading.verdict != Verdict::Met {
            self.forget_pair(pair);
        }
    }

    fn forget_pair(&mut self, pair: &Pair) {
        if self.pairs.get(pair).is_some_and(|e| !matches!(e.state, RuleState::Initializing | RuleState::Normal)) {
            self.set_state(pair, RuleState::Initializing);
        }
        let slot = self.world.claims.by_volume(&pair.object);
        if let Some((rule, slot)) = self.rules.get_mut(&pair.rule).zip(slot) {
            rule.paired.grow(slot as usize + 1);
            rule.paired.set(slot as usize, false);
        }
        self.pairs.remove(pair);
    }

    fn consider_rule(&mut self, name: &Arc<str>) {
        let now = self.now();
        let Some(entry) = self.rules.get(name) else { return };
        if entry.in_flight {
            return;
        }
        if entry.deleting() {
            self.take_leave(name);
            return;
        }
        if entry.failures > 0 && entry.next_status > now {
            let at = entry.next_status;
            self.alarm(at, Alarm::Rule(Arc::clone(name)));
            return;
        }
        let suspended = self.force.settings.suspended;
        let (effect, wake) = entry.decide(&self.world, suspended, now);
        if let Ok(rule) = &entry.parsed {
            let counts: Vec<(RuleState, i64)> = entry.counts().into_iter().collect();
            let objects = i64::try_from(entry.objects()).unwrap_or(i64::MAX);
            self.parts.metrics.set_rule(name, rule.action.short_name(), &counts, objects);
        }
        if let Some(wake) = wake {
            self.alarm(wake, Alarm::Rule(Arc::clone(name)));
        }
        let Some(effect) = effect else { return };
        let Some(entry) = self.rules.get_mut(name) else { return };
        entry.in_flight = true;
        if matches!(effect, RuleEffect::Status { .. }) {
            entry.next_status = now + super::rules::STATUS_PAUSE;
        }
        let told = entry.what_is_told(&effect);
        let (actor, who) = (self.parts.actor.clone(), Arc::clone(name));
        self.spawn_write(async move { Report::Rule(who, told, Box::new(actor.perform_rule(effect).await)) });
    }

    /// A rule that is being deleted: wait for writes in flight, remove its approvals, let it go.
    fn take_leave(&mut self, name: &Arc<str>) {
        let Some(entry) = self.rules.get(name) else { return };
        if self.pairs.iter().any(|(pair, entry)| pair.rule == *name && entry.in_flight) {
            return;
        }
        let label = names::label_value(name);
        let approval = self
            .world
            .approvals
            .iter()
            .map(|(_, a)| a)
            .find(|a| a.raw.labels().get(LABEL_RULE) == Some(&label) && decide::ours(&a.raw));
        let effect = match approval {
            Some(approval) => decide::remove(approval).map(RuleEffect::Approval),
            None => {
                let finalizers = entry.raw.metadata.finalizers.clone().unwrap_or_default();
                let index = finalizers.iter().position(|f| f == autopilot_shared::api::FINALIZER);
                index.map(|index| RuleEffect::RemoveFinalizer {
                    target: Target {
                        namespace: String::new(),
                        name: name.to_string(),
                        uid: entry.uid().to_owned(),
                        version: entry.raw.resource_version().unwrap_or_default(),
                    },
                    index,
                })
            }
        };
        let (Some(effect), Some(entry)) = (effect, self.rules.get_mut(name)) else { return };
        entry.in_flight = true;
        let (actor, who) = (self.parts.actor.clone(), Arc::clone(name));
        self.spawn_write(async move { Report::Rule(who, RuleTold::Nothing, Box::new(actor.perform_rule(effect).await)) });
    }

    /// An approval that belongs to no pair.
    fn consider_orphan(&mut self, key: &Key) {
        if self.orphans_in_flight.contains(key) {
            return;
        }
        let Some(approval) = self.world.approvals.get(&key.0, &key.1) else { return };
        if self.pair_of_approval(&approval.raw).is_some() {
            return;
        }
        let rule = approval.raw.labels().get(LABEL_RULE).and_then(|l| self.rule_labels.get(l));
        if rule.is_some_and(|r| self.rules.get(r).is_some_and(RuleEntry::deleting)) {
            return;
        }
        let effect = if approval.raw.metadata.deletion_timestamp.is_some() || decide::ours(&approval.raw) {
            decide::remove(approval)
        } else {
            let why = match rule {
                Some(_) => "its name or object is not that of a proposal",
                None => "there is no such rule",
            };
            decide::stale_orphan(self.now(), approval, why)
        };
        let Some(effect) = effect else { return };
        self.orphans_in_flight.insert(key.clone());
        let (actor, who) = (self.parts.actor.clone(), key.clone());
        self.spawn_write(async move { Report::Orphan(who, Box::new(actor.perform(effect, None).await)) });
    }

    // ---- learning

    fn report(&mut self, done: Result<Report, tokio::task::JoinError>) {
        let report = match done {
            Ok(report) => report,
            Err(error) => {
                error!(%error, "a task of the engine ended badly");
                Report::Nothing
            }
        };
        match report {
            Report::Pair(pair, result) => {
                self.written();
                self.pair_report(pair, *result);
            }
            Report::Rule(name, told, result) => {
                self.written();
                self.rule_report(&name, told, *result);
            }
            Report::Orphan(key, result) => {
                self.written();
                self.orphans_in_flight.remove(&key);
                match *result {
                    Ok(outcome) => self.take_in(outcome, None),
                    Err(failure) => {
                        warn!(approval = %key.1, namespace = %key.0, %failure, "a write failed; it is tried again");
                        let at = self.now() + pause(5, failure.after);
                        self.alarm(at, Alarm::Orphan(key));
                    }
                }
            }
            Report::Told(pass, asked_at, ask, told) => self.told(pass, &ask, &told, asked_at),
            Report::Nothing => {}
        }
    }

    fn written(&mut self) {
        self.writes = self.writes.saturating_sub(1);
    }

    fn pair_report(&mut self, pair: Pair, result: Result<Outcome, Failure>) {
        let now = self.now();
        if let Some(entry) = self.pairs.get_mut(&pair) {
            entry.in_flight = false;
            entry.proposing = false;
        }
        match result {
            Ok(outcome) => {
                if let Outcome::Journal(object) = &outcome {
                    self.measure(&pair, object);
                }
                if let Some(entry) = self.pairs.get_mut(&pair) {
                    entry.failures = 0;
                    entry.not_before = None;
                    // A refusal counts once: the journal has it, or the resize went through.
                    if matches!(outcome, Outcome::Journal(_) | Outcome::Claim(_)) {
                        entry.refusal = None;
                    }
                }
                self.take_in(outcome, Some(&pair));
            }
            Err(failure) => {
                if let Some(entry) = self.pairs.get_mut(&pair) {
                    entry.failures += 1;
                    let until = now + pause(entry.failures, failure.after);
                    entry.not_before = Some(until);
                    warn!(
                        rule = %pair.rule,
                        object = %pair.object,
                        attempt = entry.failures,
                        %failure,
                        "a write failed; it is decided anew"
                    );
                }
            }
        }
        self.dirty_pairs_on(&pair.object);
        self.dirty.insert(pair.clone());
        if self.rules.get(&pair.rule).is_some_and(RuleEntry::deleting) {
            self.dirty_rules.insert(pair.rule);
        }
    }

    /// Counts an action that ended with this journal entry.
    fn measure(&mut self, pair: &Pair, object: &autopilot_shared::api::AutopilotRuleObject) {
        let Some(new) = &object.status else { return };
        let namespace = object.namespace().unwrap_or_default();
        let Some(old) = self.world.journal(&namespace, pair).map(|j| &j.status) else { return };
        if old.transitions >= new.transitions {
            return;
        }
        let metrics = &self.parts.metrics;
        match (new.state, &new.since, &old.since) {
            (Some(RuleState::ActiveActionsTaken), Some(done), Some(began)) => {
                let took = Duration::try_from(done.0.duration_since(began.0)).unwrap_or_default();
                metrics.action_done("resize", &pair.rule, took);
            }
            (Some(RuleState::ActionsDeclined), ..) => {
                let failed = new.reason.as_deref().is_some_and(|r| r.starts_with("failed: "));
                let how = if failed { ActionFailure::Failed } else { ActionFailure::Declined };
                metrics.action_failed("resize", &pair.object, how);
            }
            _ => {}
        }
    }

    fn rule_report(&mut self, name: &Arc<str>, told: RuleTold, result: Result<Outcome, Failure>) {
        let now = self.now();
        if let Some(entry) = self.rules.get_mut(name) {
            entry.in_flight = false;
        }
        match result {
            Ok(outcome) => {
                if let Some(entry) = self.rules.get_mut(name) {
                    entry.failures = 0;
                    entry.told(told);
                }
                self.take_in(outcome, None);
            }
            Err(failure) => {
                if let Some(entry) = self.rules.get_mut(name) {
                    entry.failures += 1;
                    entry.next_status = now + pause(entry.failures, failure.after);
                    warn!(rule = %name, attempt = entry.failures, %failure, "a write to a rule failed; it is decided anew");
                }
            }
        }
        self.dirty_rules.insert(Arc::clone(name));
    }

    /// Takes in what a write left behind.
    fn take_in(&mut self, outcome: Outcome, pair: Option<&Pair>) {
        match outcome {
            Outcome::Journal(object) => self.journal_is(observe::journal(*object)),
            Outcome::Approval(object) => self.approval_is(observe::approval(*object)),
            Outcome::Rule(rule) => self.rule_is(*rule),
            Outcome::Claim(claim) => {
                if let Some(change) = self.world.claim(&claim) {
                    self.claim_changed(change);
                }
                self.confirm(pair);
            }
            Outcome::NoClaim(namespace, name) => {
                if let Some(change) = self.world.claim_absent(&namespace, &name) {
                    self.claim_changed(change);
                }
                self.confirm(pair);
            }
            Outcome::NoJournal(target) => {
                let key: Key = (target.namespace.as_str().into(), target.name.as_str().into());
                if let Some(gone) = self.world.journals.remove(&key, u64::MAX) {
                    self.journal_gone(&gone);
                }
            }
            Outcome::NoApproval(target) => {
                let key: Key = (target.namespace.as_str().into(), target.name.as_str().into());
                if let Some(gone) = self.world.approvals.remove(&key, u64::MAX) {
                    self.approval_gone(&key, &gone.raw);
                }
            }
            Outcome::NoRule(name) => self.rule_gone(&name, None),
            Outcome::Told(told) => {
                if let Some(entry) = pair.and_then(|pair| self.pairs.get_mut(pair)) {
                    entry.told = told;
                }
            }
            Outcome::Refused(claim, words) => {
                if let Some(change) = self.world.claim(&claim) {
                    self.claim_changed(change);
                }
                if let Some(pair) = pair {
                    warn!(rule = %pair.rule, object = %pair.object, words, "the API server refuses the resize");
                    if let Some(entry) = self.pairs.get_mut(pair) {
                        entry.refusal = Some(words);
                    }
                }
            }
        }
    }

    /// After the API was asked, a PVC that is still not there is gone.
    fn confirm(&mut self, pair: Option<&Pair>) {
        let Some(pair) = pair else { return };
        let there = self.world.claims.by_volume(&pair.object).is_some();
        if let Some(entry) = self.pairs.get_mut(pair) {
            entry.confirmed_gone = !there;
        }
    }

    // ---- time

    fn alarm(&mut self, at: Timestamp, what: Alarm) {
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

    fn ring(&mut self) {
        let now = self.now();
        while let Some((at, _)) = self.alarms.first() {
            if *at > now {
                break;
            }
            let Some((_, what)) = self.alarms.pop_first() else { break };
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

    fn next_wake(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let poll = (self.was_ready && *self.parts.leads.borrow()).then(|| self.earliest_poll()).flatten();
        match (alarm, poll) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    // ---- configuration

    fn config_map(&mut self, seen: Seen<Box<ConfigMap>>) {
        match seen {
            Seen::Is(map) => {
                let text = map.data.as_ref().and_then(|d| d.get("config.yaml")).cloned().unwrap_or_default();
                let version = map.resource_version().unwrap_or_default();
                self.config_text(&text, Some(&version));
            }
            Seen::Done => {
                if !self.config_seen {
                    info!("there is no ConfigMap {}; the defaults are in force", observe::CONFIG_MAP);
                    self.config_text("", None);
                }
            }
            Seen::Gone(_) => {
                warn!("ConfigMap {} was deleted; the last configuration stays in force", observe::CONFIG_MAP);
            }
            Seen::Start => {}
        }
    }

    fn config_file(&mut self, text: Option<String>) {
        match text {
            Some(text) => self.config_text(&text, None),
            None => self.parts.config_file = None,
        }
    }

    fn config_text(&mut self, text: &str, version: Option<&str>) {
        if self.config_text.as_deref() == Some(text) {
            return;
        }
        self.config_text = Some(text.to_owned());
        match Config::parse(text) {
            Ok(config) => {
                self.config_seen = true;
                self.parts.metrics.set_config_valid(true);
                if self.force.config == config {
                    return;
                }
                info!("a new configuration is in force");
                self.force = InForce::new(config, Some(&self.force));
                let now = self.now();
                for entry in self.rules.values_mut() {
                    entry.next_poll = now;
                }
                self.dirty.extend(self.pairs.keys().cloned());
                self.dirty_rules.extend(self.rules.keys().cloned());
            }
            Err(problem) => {
                let kept = if self.config_seen { "the last good one stays in force" } else { "the defaults are in force" };
                self.config_seen = true;
                self.parts.metrics.set_config_valid(false);
                error!(%problem, "the configuration is not valid; {kept}");
                let Some(version) = version.filter(|_| *self.parts.leads.borrow()) else { return };
                let event = EventDraft {
                    regarding: Regarding::ConfigMap {
                        namespace: self.parts.namespace.clone(),
                        name: observe::CONFIG_MAP.to_owned(),
                    },
                    when: self.now(),
                    step: 0,
                    seed: vec!["config".to_owned(), version.to_owned()],
                    warning: true,
                    reason: "InvalidConfiguration",
                    message: format!("{problem}; {kept}"),
                };
                let actor = self.parts.actor.clone();
                self.spawn_write(async move {
                    let told = actor.perform(Effect::Tell { events: vec![event], told: 0 }, None).await;
                    Report::Orphan(cluster_key("configuration"), Box::new(told))
                });
            }
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

fn key_of(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Key {
    (
        metadata.namespace.as_deref().unwrap_or_default().into(),
        metadata.name.as_deref().unwrap_or_default().into(),
    )
}

fn log_effect(pair: &Pair, effect: &Effect) {
    let (rule, object) = (&*pair.rule, &*pair.object);
    match effect {
        Effect::WriteJournal { status, .. } => {
            let state = status.state.map(RuleState::as_str).unwrap_or_default();
            let says = status.items.last().map(|i| i.message.as_str()).unwrap_or_default();
            info!(rule, object, state, reason = status.reason, says, "journal");
        }
        Effect::Resize { namespace, name, from, to, .. } => {
            info!(rule, object, namespace, claim = name, %from, %to, "resize");
        }
        Effect::CreateApproval(approval) => {
            info!(rule, object, approval = approval.name_any(), "asks for approval");
        }
        Effect::WriteApprovalStatus { target, status, .. } => match &status.decision {
            Some(decision) => info!(
                rule,
                object,
                approval = target.name,
                outcome = ?decision.outcome,
                via = decision.via,
                by = decision.by,
                reason = decision.reason,
                "decision"
            ),
            None => debug!(rule, object, approval = target.name, "status of the approval"),
        },
        Effect::ResetApproval { target, .. } => {
            info!(rule, object, approval = target.name, "a stale approval is set back to pending");
        }
        Effect::DeleteApproval(target) => info!(rule, object, approval = target.name, "removes the approval"),
        Effect::DeleteJournal(target) => info!(rule, object, rule_object = target.name, "removes the journal"),
        Effect::CreateJournal(_) | Effect::ReleaseApproval(_) | Effect::Tell { .. } => {
            debug!(rule, object, ?effect, "write");
        }
    }
}

