//! One rule as the engine keeps it: what it selects, what its objects are in, what its metrics say.
//!
//! `polling` says when it asks, `measured` takes in what a pass says, `writes` keeps the pace of its writes and what was
//! announced, `view` is for decisions.

mod measured;
mod polling;
mod view;
pub(super) mod writes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRule, AutopilotRuleStatus};
use autopilot_shared::rule::{Action, Rule, RuleProblem};
use jiff::Timestamp;

use super::pair_sets::PairSets;
use crate::decide::precondition::announced;
use crate::evaluate::availability::Availability;
use crate::evaluate::deep_look::Scan;
use crate::observe::{Labels, Pvc, SlotSet, World, version};

/// A rule.
#[derive(Debug)]
pub(crate) struct RuleEntry {
    /// The object.
    raw: AutopilotRule,
    /// Its meaning, or its problems.
    parsed: Result<Arc<Rule>, Vec<RuleProblem>>,
    /// Positions of the PVCs that it selects.
    selected: SlotSet,
    /// Selected PVCs that could not be judged at the last deep look: expressions had no data for them.
    without_data: SlotSet,
    /// PVCs for which this process has seen that the conditions did not hold, since their size changed.
    cleared: SlotSet,
    /// Since when there have been some without data.
    without_data_since: Option<Timestamp>,
    /// Pools that samples named, and whether the conditions hold for them.
    pools: BTreeMap<Box<str>, bool>,
    /// When to ask next.
    next_poll: Timestamp,
    /// It takes part in a pass.
    polling: bool,
    /// State of the deep looks.
    scan: Scan,
    /// Whether there is data for it.
    data: Availability,
    /// Objects that became Normal and have not been told.
    unannounced: Vec<u32>,
    /// A write is under way.
    in_flight: bool,
    /// No status before.
    next_status: Timestamp,
    /// Failures in a row.
    failures: u32,
    /// Those of them that were events which we may not tell.
    denials: u32,
    /// Trouble that has been told: since when it lasts.
    announced_outage: Option<Timestamp>,
    /// Generation whose problems have been told.
    announced_problems: Option<i64>,
    /// The status that is being written. The watch may show it before the answer to the write comes, and it is no news.
    writing: Option<Box<AutopilotRuleStatus>>,
    /// When somebody wrote the spec last, as the API noted it.
    edited: Option<Timestamp>,
}

/// What a newer version of a rule brought.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// Objects that another process has announced: they are Normal here, too, and are not announced again.
    pub(crate) announced: Vec<u32>,
    /// It means something else than before.
    pub(crate) changed: bool,
}

fn edited(raw: &AutopilotRule) -> Option<Timestamp> {
    let of_spec = raw.metadata.managed_fields.iter().flatten().filter(|entry| {
        entry.subresource.is_none()
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:spec").is_some())
    });
    of_spec.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max()
}

impl RuleEntry {
    /// Returns a rule as it was first seen.
    pub(crate) fn new(mut raw: AutopilotRule, now: Timestamp) -> Self {
        let edited = edited(&raw);
        raw.metadata.managed_fields = None;
        let parsed = Rule::parse(&raw).map(Arc::new);
        RuleEntry {
            parsed,
            edited,
            selected: SlotSet::default(),
            without_data: SlotSet::default(),
            cleared: SlotSet::default(),
            without_data_since: None,
            pools: BTreeMap::new(),
            next_poll: now,
            polling: false,
            scan: Scan::default(),
            data: Availability::Unknown,
            unannounced: Vec::new(),
            in_flight: false,
            next_status: now,
            failures: 0,
            denials: 0,
            announced_outage: None,
            writing: None,
            announced_problems: raw
                .status
                .as_ref()
                .filter(|s| s.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "False"))
                .and_then(|s| s.observed_generation),
            raw,
        }
    }

    /// resourceVersion as a number.
    pub(crate) fn version(&self) -> u64 {
        version(self.raw.metadata.resource_version.as_deref())
    }

    /// UID.
    pub(crate) fn uid(&self) -> &str {
        self.raw.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Returns the object.
    pub(crate) fn raw(&self) -> &AutopilotRule {
        &self.raw
    }

    /// Returns the problems of a rule that is not understood.
    pub(crate) fn problems(&self) -> &[RuleProblem] {
        self.parsed.as_ref().err().map_or(&[], Vec::as_slice)
    }

    /// Returns the positions of the PVCs that the rule selects.
    pub(crate) fn selected(&self) -> &SlotSet {
        &self.selected
    }

    /// Returns the pools that samples named.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Box<str>> {
        self.pools.keys()
    }

    /// Returns whether the rule is being deleted.
    pub(crate) fn deleting(&self) -> bool {
        self.raw.metadata.deletion_timestamp.is_some()
    }

    /// Returns the rule. `None` if it is not understood or is being deleted.
    pub(crate) fn rule(&self) -> Option<&Arc<Rule>> {
        self.parsed.as_ref().ok().filter(|_| !self.deleting())
    }

    /// Returns the rule. `None` if it does not act on PVCs.
    pub(crate) fn volume_rule(&self) -> Option<&Arc<Rule>> {
        self.rule().filter(|rule| matches!(rule.action, Action::ResizeVolume { .. }))
    }

    /// Returns whether labels of a PVC in a namespace are selected.
    pub(crate) fn selects(&self, labels: &Labels, namespace: &BTreeMap<String, String>) -> bool {
        self.volume_rule().is_some_and(|rule| rule.selects(labels, namespace))
    }

    /// Computes anew what the rule selects.
    pub(crate) fn select_all(&mut self, world: &World) {
        self.selected.clear();
        self.selected.grow(world.claims.capacity());
        let Some(rule) = self.volume_rule().cloned() else {
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
            self.selected.set(slot, labels && namespace);
        }
        self.without_data.intersect_with(&self.selected);
    }

    /// Returns the selected objects that the rule's status says to have left Initializing.
    pub(crate) fn announced_objects(&self, world: &World) -> Vec<u32> {
        let announced = |slot: &u32| {
            let claim = world.claims.get(*slot);
            claim.is_some_and(|claim| self.announced_before(claim.volume(), claim.created))
        };
        self.selected.iter().filter(announced).collect()
    }

    /// Computes anew whether one PVC is selected. Returns whether it is.
    pub(crate) fn select_one(&mut self, world: &World, slot: u32) -> bool {
        let selected = world.claims.get(slot).is_some_and(|claim| {
            claim.is_object()
                && world
                    .namespace_labels(&claim.namespace)
                    .is_some_and(|labels| self.selects(&claim.labels, labels))
        });
        self.selected.set(slot, selected);
        if !selected {
            self.without_data.remove(slot);
        }
        selected
    }

    /// Forgets all about a position: another PVC may stand there next.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.selected.remove(slot);
        self.without_data.remove(slot);
        self.cleared.remove(slot);
        self.unannounced.retain(|other| *other != slot);
    }

    /// Returns whether the rule's status says that an object has left Initializing.
    pub(crate) fn announced_before(&self, object: &str, created: i64) -> bool {
        self.raw.status.as_ref().is_some_and(|status| announced(status, object, created))
    }

    /// Takes in a newer version of the same rule. What was measured stays, unless it was measured for other conditions.
    pub(crate) fn renew(
        &mut self,
        new: RuleEntry,
        now: Timestamp,
        world: &World,
        pairs: &PairSets,
    ) -> Renewed {
        let changed = self.parsed != new.parsed || self.deleting() != new.deleting();
        self.edited = new.edited;
        let announced = self.take_version(new.raw, world, pairs);
        if changed {
            self.parsed = new.parsed;
            self.drop_measured(now);
        }
        Renewed { announced, changed }
    }

    /// Takes in the object. Returns those that another process has announced since: see [`Renewed::announced`]. What an
    /// older status said already is not looked at: an object that was selected later is older than its mark, and was
    /// announced by nobody.
    fn take_version(&mut self, raw: AutopilotRule, world: &World, pairs: &PairSets) -> Vec<u32> {
        let before = std::mem::replace(&mut self.raw, raw).status;
        let own = self.writing.as_deref();
        let Some(status) = self.raw.status.as_ref().filter(|status| Some(*status) != own) else {
            return Vec::new();
        };
        let marks = |s: &AutopilotRuleStatus| (s.initialized_through.clone(), s.without_data.clone());
        if before.as_ref().map(marks).as_ref() == Some(&marks(status)) {
            return Vec::new();
        }
        let since = |claim: &Pvc| {
            let in_status = |s: &AutopilotRuleStatus| announced(s, claim.volume(), claim.created);
            in_status(status) && !before.as_ref().is_some_and(in_status)
        };
        let slots: Vec<u32> = pairs
            .initializing(&self.selected)
            .chain(self.unannounced.iter().copied())
            .filter(|slot| world.claims.get(*slot).is_some_and(since))
            .collect();
        if !slots.is_empty() {
            let announced = SlotSet::of(0, slots.iter().copied());
            self.unannounced.retain(|slot| !announced.contains(*slot));
        }
        slots
    }

    /// Returns the number of objects per state, as status and metrics show them.
    pub(crate) fn counts(&self, pairs: &PairSets) -> BTreeMap<RuleState, i64> {
        let mut all: BTreeMap<RuleState, i64> = pairs.states().collect();
        if self.parsed.as_ref().is_ok_and(|r| matches!(r.action, Action::Pool { .. })) {
            let met = self.pools.values().filter(|met| **met).count();
            all.insert(RuleState::Triggered, signed(met));
            all.insert(RuleState::Normal, signed(self.pools.len() - met));
        } else {
            let initializing = pairs.initializing(&self.selected).count();
            all.insert(RuleState::Initializing, signed(initializing));
            let busy = self.selected.iter().filter(|slot| pairs.busy().contains(*slot)).count();
            all.insert(RuleState::Normal, signed(self.objects().saturating_sub(initializing + busy)));
        }
        all.retain(|_, n| *n > 0);
        all
    }

    /// Returns the number of objects that the rule is about.
    pub(crate) fn objects(&self) -> usize {
        if self.parsed.as_ref().is_ok_and(|r| matches!(r.action, Action::Pool { .. })) {
            self.pools.len()
        } else {
            self.selected.len()
        }
    }
}

/// A number of objects, as the API and metrics carry it.
fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_of_the_last_edit_is_that_of_the_newest_version() {
        let edited_at = |version: &str, time: &str| {
            let entry = json!({
                "manager": "kubectl", "operation": "Update", "time": time, "fieldsType": "FieldsV1",
                "fieldsV1": { "f:spec": {} },
            });
            let raw = json!({
                "metadata": { "name": "r", "uid": "u", "resourceVersion": version, "managedFields": [entry] },
                "spec": {},
            });
            RuleEntry::new(serde_json::from_value(raw).unwrap(), Timestamp::UNIX_EPOCH)
        };
        let mut entry = edited_at("1", "2026-01-01T10:00:00Z");
        let newer = edited_at("2", "2026-01-01T12:00:00Z");
        entry.renew(newer, Timestamp::UNIX_EPOCH, &World::default(), &PairSets::default());
        assert_eq!(entry.edited, Some("2026-01-01T12:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_position_that_was_never_seen_can_be_looked_at_and_forgotten() {
        let raw = json!({ "metadata": { "name": "r", "uid": "u" }, "spec": {} });
        let mut entry = RuleEntry::new(serde_json::from_value(raw).unwrap(), Timestamp::UNIX_EPOCH);
        let world = World::default();
        entry.select_one(&world, 70);
        entry.forget(200);
        entry.select_all(&world);
        assert!(
            !entry.selected.contains(70)
                && PairSets::default().initializing(&entry.selected).next().is_none()
        );
    }
}
