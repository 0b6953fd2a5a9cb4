//! What watches report, taken in: rules and PVCs, and the rest of the cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use autopilot_shared::api::LABEL_RULE;
use autopilot_shared::{RuleState, names};
use jiff::Timestamp;
use kube::ResourceExt as _;
use tracing::{debug, error, info, warn};

use super::Engine;
use super::pair_index::key_of;
use super::rules::RuleEntry;
use crate::evaluate::availability::Availability;
use crate::evaluate::deep_look::Scan;
use crate::evaluate::reading::Baseline;
use crate::evaluate::verdict::Verdict;
use crate::observe::readable;
use crate::observe::{self, Change, Key, Observation, Pair, Seen, cluster_key};

impl Engine {
    pub(crate) fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Rule(seen) => self.rule_seen(seen),
            Observation::Approval(seen) => match seen {
                Seen::Start => self.world.approvals.start(),
                Seen::Is(object) => match readable(*object) {
                    Ok(object) => self.approval_is(observe::approval(object)),
                    Err(bad) => {
                        error!(
                            approval = bad.name,
                            why = bad.why,
                            "an approval cannot be read; it is ignored"
                        );
                        self.world.approvals.unreadable((bad.namespace.into(), bad.name.into()));
                    }
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
                    let (gone, doubtful) = self.world.approvals.finish();
                    for (key, gone) in gone {
                        self.approval_gone(&key, &gone.raw);
                    }
                    for key in doubtful {
                        self.read_again(key, true);
                    }
                }
            },
            Observation::Journal(seen) => match seen {
                Seen::Start => self.world.journals.start(),
                Seen::Is(object) => match readable(*object) {
                    Ok(object) => self.journal_is(observe::journal(object)),
                    Err(bad) => {
                        error!(
                            rule_object = bad.name,
                            why = bad.why,
                            "a rule object cannot be read; it is ignored"
                        );
                        self.world.journals.unreadable((bad.namespace.into(), bad.name.into()));
                    }
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
                    let (gone, doubtful) = self.world.journals.finish();
                    for (_, gone) in gone {
                        self.journal_gone(&gone);
                    }
                    for key in doubtful {
                        self.read_again(key, false);
                    }
                }
            },
            Observation::Claim(seen) => match seen {
                Seen::Start => self.world.claims_start(),
                Seen::Is(pvc) => {
                    if let Some(change) = self.world.claim(&pvc) {
                        self.claim_changed(&change);
                    }
                }
                Seen::Gone(pvc) => {
                    if let Some(change) = self.world.claim_gone(&pvc) {
                        self.claim_changed(&change);
                    }
                }
                Seen::Done => {
                    for change in self.world.claims_done() {
                        self.claim_changed(&change);
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
                        self.select_namespace(&namespace.name_any());
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
                    if self.world.quotas.put(key_of(&quota.metadata), observe::At(version, rooms)) {
                        self.world.count_quotas(&quota.namespace().unwrap_or_default());
                    }
                }
                Seen::Gone(quota) => {
                    let version = observe::version(quota.metadata.resource_version.as_deref());
                    self.world.quotas.remove(&key_of(&quota.metadata), version);
                    self.world.count_quotas(&quota.namespace().unwrap_or_default());
                }
                Seen::Done => {
                    for ((namespace, _), _) in self.world.quotas.finish().0 {
                        self.world.count_quotas(&namespace);
                    }
                }
            },
            Observation::Config(seen) => self.config_map(seen),
            Observation::Trouble(kind, why) => debug!(kind = kind.plural(), why, "a watch is in trouble"),
        }
    }

    pub(crate) fn rule_seen(
        &mut self,
        seen: Seen<Box<kube::core::DeserializeGuard<autopilot_shared::api::AutopilotRule>>>,
    ) {
        match seen {
            Seen::Start => self.rules_listing = Some(BTreeSet::new()),
            Seen::Is(object) => match readable(*object) {
                Ok(raw) => self.rule_is(raw),
                Err(bad) => {
                    error!(rule = bad.name, why = bad.why, "a rule cannot be read; it is left alone");
                    self.unreadable.insert(names::label_value(&bad.name));
                    if let Some(listing) = &mut self.rules_listing {
                        listing.insert(bad.name.into());
                    }
                }
            },
            Seen::Gone(object) => {
                if let Ok(raw) = readable(*object) {
                    let version = observe::version(raw.metadata.resource_version.as_deref());
                    self.rules_deleted.note(cluster_key(&raw.name_any()), version);
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

    pub(crate) fn rule_is(&mut self, raw: autopilot_shared::api::AutopilotRule) {
        let name: Arc<str> = raw.name_any().into();
        if let Some(listing) = &mut self.rules_listing {
            listing.insert(Arc::clone(&name));
        }
        let now = self.now();
        self.unreadable.remove(&names::label_value(&name));
        let mut new = RuleEntry::new(raw, now);
        if self.rules.get(&name).is_some_and(|old| old.version() >= new.version()) {
            return;
        }
        if self.rules.get(&name).is_some_and(|old| old.uid() != new.uid()) {
            // Made again under the same name: nothing of the old one carries over.
            self.rule_gone(&name, None);
        }
        if let Some(old) = self.rules.get_mut(&name) {
            // The same rule: keep what is known, see whether its meaning changed.
            let same = old.parsed == new.parsed && old.deleting() == new.deleting();
            old.renew(new.raw, &self.world);
            if !same {
                old.parsed = new.parsed;
                complain(&name, old);
                old.data = Availability::Unknown;
                old.scan = Scan::default();
                old.cleared.clear();
                old.without_data.clear();
                old.lacking_since = None;
                old.pools.clear();
                old.next_poll = now;
                if self.was_ready {
                    old.select_all(&self.world);
                }
                self.measure_anew(&name);
                self.dirty_pairs_of(&name);
                self.objects_changed = true;
            }
            self.dirty_rules.insert(name);
            return;
        }
        complain(&name, &new);
        if self.was_ready {
            new.select_all(&self.world);
            new.remember_told(&self.world);
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
            let journals: Vec<Key> = self.world.journals.iter().map(|(key, _)| key.clone()).collect();
            for key in journals {
                self.journal_changed(&key);
            }
            self.count_rules();
        }
    }

    /// What was measured was measured for other conditions. A change of size that the data may not show yet still stands.
    fn measure_anew(&mut self, rule: &str) {
        let pairs: Vec<Pair> = self.pairs.keys().filter(|pair| *pair.rule == *rule).cloned().collect();
        for pair in pairs {
            let resized = self.resized_before(&pair);
            let Some(entry) = self.pairs.get_mut(&pair) else { continue };
            let old = std::mem::take(&mut entry.reading);
            entry.reading = old.under_other_conditions();
            if old.baseline.is_none() {
                entry.reading.baseline = resized.filter(|resized| !old.newer_than(resized));
            }
        }
    }

    pub(crate) fn rule_gone(&mut self, name: &str, uid: Option<&str>) {
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
        self.objects_changed = true;
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

    pub(crate) fn count_rules(&mut self) {
        self.parts.metrics.set_rules_in_system(self.rules.len());
    }

    /// A namespace has other labels than before: its PVCs may be selected by others.
    pub(crate) fn select_namespace(&mut self, namespace: &str) {
        if !self.was_ready {
            return;
        }
        let slots: Vec<(u32, Arc<str>)> = self
            .world
            .claims
            .iter()
            .filter(|(_, claim)| &*claim.namespace == namespace)
            .map(|(slot, claim)| (slot, claim.volume().into()))
            .collect();
        if slots.is_empty() {
            return;
        }
        for entry in self.rules.values_mut() {
            for (slot, _) in &slots {
                entry.select_one(&self.world, *slot);
            }
        }
        self.objects_changed = true;
        for (_, volume) in slots {
            self.dirty_pairs_on(&volume);
        }
        self.dirty_rules.extend(self.rules.keys().cloned());
    }

    pub(crate) fn claim_changed(&mut self, change: &Change) {
        if !self.was_ready {
            return;
        }
        let now = self.now();
        let after = self.world.claims.get(change.slot).cloned();
        let same = |a: &observe::Claim, b: &observe::Claim| {
            a.uid() == b.uid() && a.volume() == b.volume() && a.is_object() == b.is_object()
        };
        let stays = change.before.as_ref().zip(after.as_ref()).is_some_and(|(a, b)| same(a, b));
        for (name, entry) in &mut self.rules {
            let before = entry.selected.contains(change.slot as usize);
            if !stays {
                entry.forget(change.slot);
            }
            entry.select_one(&self.world, change.slot);
            if before != entry.selected.contains(change.slot as usize) || !stays {
                self.dirty_rules.insert(Arc::clone(name));
                self.objects_changed = true;
            }
        }
        if let Some(before) = &change.before
            && !stays
        {
            self.dirty_pairs_on(before.volume());
        }
        let Some(after) = after.filter(observe::Claim::is_object) else {
            return;
        };
        if let Some(before) =
            change.before.as_ref().filter(|b| stays && b.capacity.bytes < after.capacity.bytes)
        {
            #[expect(clippy::cast_precision_loss, reason = "a share of two sizes needs no exact bytes")]
            let ratio = before.capacity.bytes as f64 / after.capacity.bytes as f64;
            for rule in self.rules.values_mut() {
                rule.cleared.grow(change.slot as usize + 1);
                rule.cleared.set(change.slot as usize, false);
            }
            self.size_changed(after.volume(), ratio, now);
        }
        for (pair, entry) in
            self.pairs_on(after.volume()).map(|(p, e)| (p.clone(), e.state)).collect::<Vec<_>>()
        {
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
    pub(crate) fn size_changed(&mut self, volume: &str, ratio: f64, now: Timestamp) {
        let pairs: Vec<Pair> = self.pairs_on(volume).map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            if let Some(entry) = self.pairs.get_mut(&pair)
                && entry.reading.verdict != Verdict::NotMet
            {
                entry.reading.baseline = Some(Baseline { at: now, values: entry.reading.numbers(), ratio });
            }
        }
    }
}

/// Says in the log what is wrong with a rule.
fn complain(name: &str, entry: &RuleEntry) {
    for problem in entry.parsed.as_ref().err().into_iter().flatten() {
        warn!(rule = name, field = problem.field, problem = problem.problem, "the rule is not understood");
    }
}
