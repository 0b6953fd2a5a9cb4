//! One rule as the engine keeps it: what it selects, what its objects are in, what its metrics say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use autopilot_shared::api::{AutopilotRule, AutopilotRuleStatus};
use autopilot_shared::rule::{Action, Rule, RuleProblem};
use autopilot_shared::{RuleState, names};
use jiff::{SignedDuration, Timestamp};

use super::pair_sets::PairSets;
use crate::decide::RuleEffect;
use crate::decide::precondition::announced;
use crate::decide::rule::events::outage_since;
use crate::evaluate::availability::Availability;
use crate::evaluate::deep_look::Scan;
use crate::observe::{Deleted, Labels, Pvc, SlotSet, World, cluster_key, version};

/// Pause between two writes of a rule's status.
pub(crate) const STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(3);

/// The content of a rule's events, to be remembered once they are out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleAnnouncement {
    /// Nothing that needs remembering.
    Nothing,
    /// The problems of this generation.
    Problems(Option<i64>),
    /// That there has been no data since then.
    Trouble(Option<Timestamp>),
    /// That these objects are Normal.
    Objects(Vec<u32>),
}

/// A rule.
#[derive(Debug)]
pub(crate) struct RuleEntry {
    /// The object.
    pub(super) raw: AutopilotRule,
    /// Its meaning, or its problems.
    pub(super) parsed: Result<Arc<Rule>, Vec<RuleProblem>>,
    /// Positions of the PVCs that it selects.
    pub(super) selected: SlotSet,
    /// Selected PVCs that could not be judged at the last deep look: expressions had no data for them.
    pub(super) without_data: SlotSet,
    /// PVCs for which this process has seen that the conditions did not hold, since their size changed.
    pub(super) cleared: SlotSet,
    /// Since when there have been some without data.
    pub(super) without_data_since: Option<Timestamp>,
    /// Pools that samples named, and whether the conditions hold for them.
    pub(super) pools: BTreeMap<Box<str>, bool>,
    /// When to ask next.
    pub(super) next_poll: Timestamp,
    /// It takes part in a pass.
    pub(super) polling: bool,
    /// State of the deep looks.
    pub(super) scan: Scan,
    /// Whether there is data for it.
    pub(super) data: Availability,
    /// Objects that became Normal and have not been told.
    pub(super) unannounced: Vec<u32>,
    /// A write is under way.
    pub(super) in_flight: bool,
    /// No status before.
    pub(super) next_status: Timestamp,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Those of them that were events which we may not tell.
    pub(super) denials: u32,
    /// Trouble that has been told: since when it lasts.
    pub(super) announced_outage: Option<Timestamp>,
    /// Generation whose problems have been told.
    pub(super) announced_problems: Option<i64>,
    /// The status that is being written. The watch may show it before the answer to the write comes, and it is no news.
    pub(super) writing: Option<Box<AutopilotRuleStatus>>,
    /// When somebody wrote the spec last, as the API noted it.
    pub(super) edited: Option<Timestamp>,
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

    /// Takes another meaning of the rule: what was measured was measured for other conditions.
    pub(crate) fn change_meaning(&mut self, parsed: Result<Arc<Rule>, Vec<RuleProblem>>, now: Timestamp) {
        self.parsed = parsed;
        self.data = Availability::Unknown;
        self.scan = Scan::default();
        self.cleared.clear();
        self.without_data.clear();
        self.without_data_since = None;
        self.pools.clear();
        self.next_poll = now;
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

    /// Takes in a newer version of the same rule. Returns the objects that another process has announced since: they are
    /// Normal here, too, and are not announced again. What an older status said already is not looked at: an object that
    /// was selected later is older than its mark, and was announced by nobody.
    pub(crate) fn renew(&mut self, raw: AutopilotRule, world: &World, pairs: &PairSets) -> Vec<u32> {
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

    /// Returns what an effect announces.
    pub(crate) fn announced_by(&self, effect: &RuleEffect) -> RuleAnnouncement {
        let RuleEffect::EmitEvents(events) = effect else {
            return RuleAnnouncement::Nothing;
        };
        match events.first().map(|e| e.reason) {
            Some("InvalidRule") => RuleAnnouncement::Problems(self.raw.metadata.generation),
            Some("NoData") => {
                RuleAnnouncement::Trouble(outage_since(&self.raw, &self.data, self.without_data_since))
            }
            _ => RuleAnnouncement::Objects(self.unannounced.clone()),
        }
    }

    /// Remembers what was announced.
    pub(crate) fn told(&mut self, told: RuleAnnouncement) {
        match told {
            RuleAnnouncement::Nothing => {}
            RuleAnnouncement::Problems(generation) => self.announced_problems = generation,
            RuleAnnouncement::Trouble(since) => self.announced_outage = since,
            RuleAnnouncement::Objects(slots) => {
                let told: HashSet<u32> = slots.into_iter().collect();
                self.unannounced.retain(|slot| !told.contains(slot));
                self.unannounced.shrink_to_fit();
            }
        }
    }
}

/// All rules, and what is known of those that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    rules: BTreeMap<Arc<str>, RuleEntry>,
    /// Names by the value of label `rule`.
    labels: HashMap<String, Arc<str>>,
    /// Labels of rules that are there and cannot be read: what is theirs is left alone.
    unreadable: BTreeSet<String>,
    /// Rules that a list under way has named.
    listing: Option<BTreeSet<Arc<str>>>,
    deleted: Deleted,
    synced: bool,
}

impl RuleIndex {
    pub(crate) fn get(&self, name: &str) -> Option<&RuleEntry> {
        self.rules.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut RuleEntry> {
        self.rules.get_mut(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &RuleEntry)> {
        self.rules.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut RuleEntry)> {
        self.rules.iter_mut()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns the name of the rule that a label stands for.
    pub(crate) fn by_label(&self, label: &str) -> Option<&Arc<str>> {
        self.labels.get(label)
    }

    /// Returns whether a label stands for a rule that cannot be read.
    pub(crate) fn is_unreadable(&self, label: &str) -> bool {
        self.unreadable.contains(label)
    }

    /// Returns whether a whole list was taken in.
    pub(crate) fn synced(&self) -> bool {
        self.synced
    }

    /// A list begins: what it does not name is gone at its end.
    pub(crate) fn begin_resync(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// A rule of this name is there, and can be read.
    pub(crate) fn note_readable(&mut self, name: &Arc<str>) {
        self.unreadable.remove(&names::label_value(name));
        self.list(name);
    }

    /// A rule of this name is there, and cannot be read.
    pub(crate) fn note_unreadable(&mut self, name: &str) {
        self.unreadable.insert(names::label_value(name));
        self.list(&name.into());
    }

    fn list(&mut self, name: &Arc<str>) {
        if let Some(listing) = &mut self.listing {
            listing.insert(Arc::clone(name));
        }
    }

    /// The list is complete. Returns the rules that it did not name.
    pub(crate) fn end_resync(&mut self) -> Vec<Arc<str>> {
        self.synced = true;
        let Some(listed) = self.listing.take() else { return Vec::new() };
        self.rules.keys().filter(|name| !listed.contains(*name)).cloned().collect()
    }

    /// A deletion was seen.
    pub(crate) fn note_deleted(&mut self, name: &str, version: u64) {
        self.deleted.note(cluster_key(name), version);
    }

    /// Returns whether an answer of this version is from before the deletion of the rule.
    pub(crate) fn deleted_since(&self, name: &str, version: u64) -> bool {
        self.deleted.covers("", name, version)
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, entry: RuleEntry) {
        self.labels.insert(names::label_value(&name), Arc::clone(&name));
        self.rules.insert(name, entry);
    }

    /// Removes a rule, if it has this UID or none is given. Returns whether it was there.
    pub(crate) fn remove(&mut self, name: &str, uid: Option<&str>) -> bool {
        if self.get(name).is_some_and(|entry| uid.is_some_and(|uid| uid != entry.uid())) {
            return false;
        }
        self.labels.remove(&names::label_value(name));
        self.rules.remove(name).is_some()
    }
}

/// A number of objects, as the API and metrics carry it.
pub(crate) fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
