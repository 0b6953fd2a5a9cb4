//! One rule as the engine keeps it: what it selects, what its objects are in, what its metrics say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRule, AutopilotRuleStatus};
use autopilot_shared::rule::{Action, Rule, RuleProblem};
use fixedbitset::FixedBitSet;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::ResourceExt as _;

use crate::act::RuleEffect;
use crate::decide::{EventDraft, Regarding, Target, has_finalizer};
use crate::observe::{Labels, World, version};

/// Objects without data that a status names.
pub const WITHOUT_DATA_SHOWN: usize = 25;
/// `Initializing => Normal` events per rule and wave, beyond which the rest is told in one.
pub const TOLD_ONE_BY_ONE: usize = 25;
/// Pause between two writes of a rule's status.
pub const STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(3);
/// Trouble with data that lasts this long is told in an event.
pub const TROUBLE_LASTS: SignedDuration = SignedDuration::from_secs(300);

/// What the metrics of a rule are worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Data {
    /// Not asked yet, or nothing to ask for.
    #[default]
    Unknown,
    /// There is data; a remark for people.
    Available(String),
    /// There is none: a word and a sentence.
    Missing(&'static str, String),
}

/// How often and how deep the presence of data is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Series per expression at the last deep look.
    pub counts: Vec<Option<u64>>,
    /// The last deep look.
    pub last: Option<Timestamp>,
    /// Deep looks in a row that left objects unknown.
    pub fruitless: u32,
}

/// What events of a rule say, to be remembered once they are out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleTold {
    /// Nothing that needs remembering.
    Nothing,
    /// What is wrong with this generation.
    Problems(Option<i64>),
    /// That there has been no data since then.
    Trouble(Option<Timestamp>),
    /// That these objects are Normal.
    Objects(Vec<u32>),
}

/// A rule.
#[derive(Debug)]
pub struct RuleEntry {
    /// The object.
    pub raw: AutopilotRule,
    /// What it means, or what is wrong.
    pub parsed: Result<Arc<Rule>, Vec<RuleProblem>>,
    /// Positions of the PVCs that it selects.
    pub selected: FixedBitSet,
    /// Of those, the ones that are Normal without a journal saying so.
    pub normal: FixedBitSet,
    /// Positions of PVCs with a pair that is not Normal.
    pub busy: FixedBitSet,
    /// Positions of PVCs with a pair that is kept, whatever its state.
    pub paired: FixedBitSet,
    /// Selected PVCs that had no data at the last deep look.
    pub without_data: FixedBitSet,
    /// Pools that samples named, and whether the conditions hold for them.
    pub pools: BTreeMap<Box<str>, bool>,
    /// Pairs per state that is not Normal.
    pub states: HashMap<RuleState, i64>,
    /// When to ask next.
    pub next_poll: Timestamp,
    /// In a pass right now.
    pub polling: bool,
    /// State of the deep looks.
    pub scan: Scan,
    /// What the metrics are worth.
    pub data: Data,
    /// Objects that became Normal and have not been told.
    pub untold: Vec<u32>,
    /// A write is under way.
    pub in_flight: bool,
    /// No status before.
    pub next_status: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// Trouble that has been told: since when it lasts.
    pub told_trouble: Option<Timestamp>,
    /// Generation whose problems have been told.
    pub told_problems: Option<i64>,
}

impl RuleEntry {
    /// A rule as it was first seen.
    pub fn new(mut raw: AutopilotRule, now: Timestamp) -> Self {
        raw.metadata.managed_fields = None;
        let parsed = Rule::parse(&raw).map(Arc::new);
        RuleEntry {
            parsed,
            selected: FixedBitSet::new(),
            normal: FixedBitSet::new(),
            busy: FixedBitSet::new(),
            paired: FixedBitSet::new(),
            without_data: FixedBitSet::new(),
            pools: BTreeMap::new(),
            states: HashMap::new(),
            next_poll: now,
            polling: false,
            scan: Scan::default(),
            data: Data::Unknown,
            untold: Vec::new(),
            in_flight: false,
            next_status: now,
            failures: 0,
            told_trouble: None,
            told_problems: raw
                .status
                .as_ref()
                .filter(|s| s.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "False"))
                .and_then(|s| s.observed_generation),
            raw,
        }
    }

    /// resourceVersion as a number.
    pub fn version(&self) -> u64 {
        version(self.raw.metadata.resource_version.as_deref())
    }

    /// UID.
    pub fn uid(&self) -> &str {
        self.raw.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Is on its way out.
    pub fn deleting(&self) -> bool {
        self.raw.metadata.deletion_timestamp.is_some()
    }

    /// The rule, when it is understood and stays.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        self.parsed.as_ref().ok().filter(|_| !self.deleting())
    }

    /// The rule, when it acts on PVCs.
    pub fn volume_rule(&self) -> Option<&Arc<Rule>> {
        self.rule().filter(|rule| matches!(rule.action, Action::ResizeVolume { .. }))
    }

    /// Whether labels of a PVC in a namespace are selected.
    pub fn selects(&self, labels: &Labels, namespace: &BTreeMap<String, String>) -> bool {
        self.volume_rule().is_some_and(|rule| rule.selects(labels, namespace))
    }

    /// Computes anew what the rule selects.
    pub fn select_all(&mut self, world: &World) {
        self.selected.clear();
        self.selected.grow(world.claims.capacity());
        let Some(rule) = self.volume_rule().cloned() else {
            self.normal.clear();
            return;
        };
        // Most PVCs share their labels with others: each set is looked at once, each namespace once.
        let mut by_labels: HashMap<*const BTreeMap<String, String>, bool> = HashMap::new();
        let mut by_namespace: HashMap<*const u8, bool> = HashMap::new();
        for (slot, claim) in world.claims.iter().filter(|(_, c)| c.is_object()) {
            let labels = *by_labels
                .entry(Arc::as_ptr(&claim.labels))
                .or_insert_with(|| rule.selector.matches(&claim.labels));
            let namespace = *by_namespace.entry(claim.namespace.as_ptr()).or_insert_with(|| {
                world.namespace_labels(&claim.namespace).is_some_and(|labels| rule.namespaces.matches(labels))
            });
            self.selected.set(slot as usize, labels && namespace);
        }
        self.normal.intersect_with(&self.selected);
    }

    /// Computes anew whether one PVC is selected.
    pub fn select_one(&mut self, world: &World, slot: u32) {
        let index = slot as usize;
        for set in [
            &mut self.selected,
            &mut self.normal,
            &mut self.busy,
            &mut self.paired,
            &mut self.without_data,
        ] {
            set.grow(index + 1);
        }
        let selected = world.claims.get(slot).is_some_and(|claim| {
            claim.is_object()
                && world
                    .namespace_labels(&claim.namespace)
                    .is_some_and(|labels| self.selects(&claim.labels, labels))
        });
        self.selected.set(index, selected);
        if !selected {
            self.normal.set(index, false);
            self.without_data.set(index, false);
        }
    }

    /// Forgets all about a position: another PVC may stand there next.
    pub fn forget(&mut self, slot: u32) {
        for set in [
            &mut self.selected,
            &mut self.normal,
            &mut self.busy,
            &mut self.paired,
            &mut self.without_data,
        ] {
            set.grow(slot as usize + 1);
            set.set(slot as usize, false);
        }
        self.untold.retain(|other| *other != slot);
    }

    /// Whether an object was told to be Normal by an earlier process.
    pub fn told_before(&self, object: &str, created: i64) -> bool {
        self.raw.status.as_ref().is_some_and(|status| {
            status.initialized_through.as_ref().is_some_and(|t| created <= t.0.as_second())
                && !status.without_data.iter().any(|o| o == object)
        })
    }

    /// Selected objects that are neither Normal nor anything else yet.
    pub fn initializing(&self) -> impl Iterator<Item = u32> {
        self.selected
            .ones()
            .filter(|slot| !self.normal.contains(*slot) && !self.busy.contains(*slot))
            .filter_map(|slot| u32::try_from(slot).ok())
    }

    /// Objects per state, as status and metrics show them.
    pub fn counts(&self) -> BTreeMap<RuleState, i64> {
        let mut all: BTreeMap<RuleState, i64> =
            self.states.iter().filter(|(_, n)| **n > 0).map(|(s, n)| (*s, *n)).collect();
        if self.parsed.as_ref().is_ok_and(|r| matches!(r.action, Action::Pool { .. })) {
            let met = self.pools.values().filter(|met| **met).count();
            all.insert(RuleState::Triggered, signed(met));
            all.insert(RuleState::Normal, signed(self.pools.len() - met));
        } else {
            let initializing = self.initializing().count();
            all.insert(RuleState::Initializing, signed(initializing));
            let busy = self.selected.ones().filter(|slot| self.busy.contains(*slot)).count();
            all.insert(RuleState::Normal, signed(self.objects().saturating_sub(initializing + busy)));
        }
        all.retain(|_, n| *n > 0);
        all
    }

    /// Objects that the rule is about.
    pub fn objects(&self) -> usize {
        if self.parsed.as_ref().is_ok_and(|r| matches!(r.action, Action::Pool { .. })) {
            self.pools.len()
        } else {
            self.selected.count_ones(..)
        }
    }

    /// What an effect tells.
    pub fn what_is_told(&self, effect: &RuleEffect) -> RuleTold {
        let RuleEffect::Tell(events) = effect else { return RuleTold::Nothing };
        match events.first().map(|e| e.reason) {
            Some("InvalidRule") => RuleTold::Problems(self.raw.metadata.generation),
            Some("NoData") => RuleTold::Trouble(self.trouble_since()),
            _ => RuleTold::Objects(self.untold.clone()),
        }
    }

    /// Remembers what was told.
    pub fn told(&mut self, told: RuleTold) {
        match told {
            RuleTold::Nothing => {}
            RuleTold::Problems(generation) => self.told_problems = generation,
            RuleTold::Trouble(since) => self.told_trouble = since,
            RuleTold::Objects(slots) => self.untold.retain(|slot| !slots.contains(slot)),
        }
    }

    fn target(&self) -> Target {
        Target {
            namespace: String::new(),
            name: self.raw.name_any(),
            uid: self.uid().to_owned(),
            version: self.raw.resource_version().unwrap_or_default(),
        }
    }

    fn regarding(&self) -> Regarding {
        Regarding::Rule { name: self.raw.name_any(), uid: self.uid().to_owned() }
    }

    /// The next write for the rule itself. `suspended`: all rules are, by the configuration.
    pub fn decide(&self, world: &World, suspended: bool, now: Timestamp) -> (Option<RuleEffect>, Option<Timestamp>) {
        let finalizers = self.raw.metadata.finalizers.clone().unwrap_or_default();
        if !has_finalizer(&finalizers) {
            let finalizers = finalizers.into_iter().chain([autopilot_shared::api::FINALIZER.to_owned()]).collect();
            return (Some(RuleEffect::AddFinalizer { target: self.target(), finalizers }), None);
        }
        if let Some(events) = self.problems_to_tell(now).or_else(|| self.objects_to_tell(world)) {
            return (Some(RuleEffect::Tell(events)), None);
        }
        let mut wake = None;
        if let Some(since) = self.trouble_since() {
            if now >= since + TROUBLE_LASTS && self.told_trouble != Some(since) {
                return (Some(RuleEffect::Tell(vec![self.trouble(since)])), None);
            }
            wake = (self.told_trouble != Some(since)).then(|| since + TROUBLE_LASTS);
        }
        let wanted = self.status(world, suspended, now);
        if self.raw.status.as_ref() == Some(&wanted) {
            return (None, wake);
        }
        if now < self.next_status {
            return (None, Some(wake.map_or(self.next_status, |w: Timestamp| w.min(self.next_status))));
        }
        (Some(RuleEffect::Status { target: self.target(), status: Box::new(wanted) }), None)
    }

    /// Since when there has been no data, as the status has it.
    fn trouble_since(&self) -> Option<Timestamp> {
        matches!(self.data, Data::Missing(..)).then_some(())?;
        let condition = self.raw.status.as_ref()?.conditions.iter().find(|c| c.type_ == "DataAvailable")?;
        (condition.status == "False").then_some(condition.last_transition_time.0)
    }

    fn trouble(&self, since: Timestamp) -> EventDraft {
        let message = match &self.data {
            Data::Missing(reason, message) => format!("no data since {since}: {reason}: {message}"),
            _ => String::new(),
        };
        EventDraft {
            regarding: self.regarding(),
            when: since + TROUBLE_LASTS,
            step: 0,
            seed: vec![self.uid().to_owned(), "NoData".to_owned(), since.as_second().to_string()],
            warning: true,
            reason: "NoData",
            message,
        }
    }

    fn problems_to_tell(&self, now: Timestamp) -> Option<Vec<EventDraft>> {
        let Err(problems) = &self.parsed else { return None };
        let generation = self.raw.metadata.generation.unwrap_or_default();
        (self.told_problems != Some(generation)).then(|| {
            vec![EventDraft {
                regarding: self.regarding(),
                when: now,
                step: 0,
                seed: vec![self.uid().to_owned(), "InvalidRule".to_owned(), generation.to_string()],
                warning: true,
                reason: "InvalidRule",
                message: sentence(problems),
            }]
        })
    }

    /// The events for objects that left Initializing. Their names follow from the object alone, so that a second
    /// telling is none.
    fn objects_to_tell(&self, world: &World) -> Option<Vec<EventDraft>> {
        if self.untold.is_empty() {
            return None;
        }
        let name = self.raw.name_any();
        let mut all = Vec::new();
        for slot in self.untold.iter().take(TOLD_ONE_BY_ONE) {
            let Some(claim) = world.claims.get(*slot) else { continue };
            let message = crate::decide::transition_message(
                &name,
                &claim.volume,
                RuleState::Initializing,
                RuleState::Normal,
            );
            let when = Timestamp::from_second(claim.created).unwrap_or_default();
            let claim_ref = Regarding::Claim {
                namespace: claim.namespace.to_string(),
                name: claim.name.to_string(),
                uid: claim.uid.to_string(),
            };
            for (regarding, kind) in [(self.regarding(), "rule"), (claim_ref, "claim")] {
                all.push(EventDraft {
                    regarding,
                    when,
                    step: 0,
                    seed: vec![self.uid().to_owned(), claim.volume.to_string(), claim.uid.to_string(), kind.to_owned()],
                    warning: false,
                    reason: "Transition",
                    message: message.clone(),
                });
            }
        }
        let rest = self.untold.len().saturating_sub(TOLD_ONE_BY_ONE);
        if rest > 0 {
            let first = self.untold.get(TOLD_ONE_BY_ONE).and_then(|slot| world.claims.get(*slot));
            let created = self.raw.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
            all.push(EventDraft {
                regarding: self.regarding(),
                when: created,
                step: 1,
                seed: vec![
                    self.uid().to_owned(),
                    "and others".to_owned(),
                    first.map(|c| c.volume.to_string()).unwrap_or_default(),
                ],
                warning: false,
                reason: "Transition",
                message: format!("rule: {name}: {rest} more objects transition from Initializing => Normal"),
            });
        }
        Some(all)
    }

    /// The status as it should be.
    fn status(&self, world: &World, suspended: bool, now: Timestamp) -> AutopilotRuleStatus {
        let old = self.raw.status.clone().unwrap_or_default();
        let mut conditions = old.conditions.clone();
        let generation = self.raw.metadata.generation;
        let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
            let message: String = message.chars().take(1000).collect();
            match conditions.iter_mut().find(|c| c.type_ == kind) {
                Some(known) => {
                    if known.status != status {
                        known.last_transition_time = Time(whole_seconds(now));
                    }
                    known.status = status.to_owned();
                    known.reason = reason.to_owned();
                    known.message = message;
                    known.observed_generation = generation;
                }
                None => conditions.push(Condition {
                    type_: kind.to_owned(),
                    status: status.to_owned(),
                    reason: reason.to_owned(),
                    message,
                    last_transition_time: Time(whole_seconds(now)),
                    observed_generation: generation,
                }),
            }
        };
        match &self.parsed {
            Ok(rule) => {
                set("Ready", "True", "Understood", "the rule is understood");
                let (status, reason, text) = match &rule.action {
                    Action::Pool { .. } if !rule.selector.is_empty() => (
                        "False",
                        "NoStorageProvider",
                        "no storage provider is configured that could act on pools; spec.selector is not supported \
                         on pool rules, and all pools that samples name are evaluated",
                    ),
                    Action::Pool { .. } => (
                        "False",
                        "NoStorageProvider",
                        "no storage provider is configured that could act on pools; they are only evaluated",
                    ),
                    Action::ResizeVolume { .. } => ("True", "Resize", "PVCs are resized through Kubernetes"),
                };
                set("Actionable", status, reason, text);
            }
            Err(problems) => set("Ready", "False", "InvalidRule", &sentence(problems)),
        }
        match &self.data {
            Data::Unknown if self.parsed.is_err() => set("DataAvailable", "Unknown", "InvalidRule", "not asked"),
            Data::Unknown => set("DataAvailable", "Unknown", "NotAsked", "no object is selected, or not asked yet"),
            Data::Available(remark) => set("DataAvailable", "True", "DataAvailable", remark),
            Data::Missing(reason, message) => set("DataAvailable", "False", reason, message),
        }
        match self.parsed.as_ref().is_ok_and(|r| r.suspended) {
            true => set("Suspended", "True", "SpecSuspend", "spec.suspend is true: nothing new is started"),
            false if suspended => set("Suspended", "True", "Configuration", "all rules are suspended"),
            false => set("Suspended", "False", "Active", ""),
        }
        let without: Vec<String> = self
            .without_data
            .ones()
            .filter_map(|slot| world.claims.get(u32::try_from(slot).ok()?))
            .map(|claim| claim.volume.to_string())
            .take(WITHOUT_DATA_SHOWN)
            .collect();
        // Everything that left Initializing has been told when this is decided. An object that waits for data keeps
        // the mark where it is, unless it is named.
        let unnamed = self
            .initializing()
            .filter_map(|slot| world.claims.get(slot))
            .filter(|claim| !without.iter().any(|w| **w == *claim.volume))
            .map(|claim| claim.created)
            .min();
        let newest = self
            .selected
            .ones()
            .filter_map(|slot| world.claims.get(u32::try_from(slot).ok()?))
            .map(|claim| claim.created)
            .max();
        let through = match (newest, unnamed) {
            (Some(newest), None) => Some(newest),
            (Some(newest), Some(waits)) => Some(newest.min(waits - 1)),
            (None, _) => None,
        };
        let known = old.initialized_through.as_ref().map(|t| t.0.as_second());
        let through = through.max(known).and_then(|s| Timestamp::from_second(s).ok()).map(MicroTime);
        AutopilotRuleStatus {
            observed_generation: generation,
            conditions,
            objects: Some(signed(self.objects())),
            states: self.counts().into_iter().map(|(s, n)| (s.as_str().to_owned(), n)).collect(),
            without_data: without,
            initialized_through: through,
        }
    }
}

fn sentence(problems: &[RuleProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What the API keeps of a time in a condition.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
