//! What watches report, taken in: rules and PVCs, and the rest of the cluster.

use std::sync::Arc;

use autopilot_shared::api::{AutopilotRule, LABEL_RULE};
use autopilot_shared::names;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use tracing::{debug, error, info, warn};

use super::config::{Applied, CONFIG_KEY, ConfigText};
use super::core::Engine;
use super::rule_entry::RuleEntry;
use super::writes::Reread;
use crate::decide::{Approval, Journal};
use crate::observe::{
    self, Change, Key, KindIndex as _, Observation, Pair, PvcIndex, TableChange, WatchEvent, readable,
};

impl Engine {
    /// Takes in a step of a watch.
    pub(crate) fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Rule(event) => self.rule_event(event),
            Observation::Approval(event) => {
                for change in self.world.approvals.take(event) {
                    self.approval_change(change);
                }
            }
            Observation::Journal(event) => {
                for change in self.world.journals.take(event) {
                    self.journal_change(change);
                }
            }
            Observation::Pvc(event) => {
                for change in PvcIndex(&mut self.world).take(event) {
                    self.claim_changed(&change);
                }
            }
            Observation::Namespace(event) => {
                for namespace in self.world.namespaces.take(event) {
                    self.select_namespace(&namespace);
                }
            }
            Observation::Class(event) => drop(self.world.classes.take(event)),
            Observation::Quota(event) => {
                for namespace in self.world.quotas.take(event) {
                    self.world.count_quotas(&namespace);
                }
            }
            Observation::Config(event) => self.config_map(event),
            Observation::Trouble(kind, why) => debug!(kind = kind.plural(), why, "a watch is in trouble"),
        }
    }

    fn approval_change(&mut self, change: TableChange<Approval>) {
        match change {
            TableChange::Changed(key) if self.was_ready => self.approval_changed(&key),
            TableChange::Changed(_) => {}
            TableChange::Gone(key, last) => self.approval_gone(&key, &last.raw),
            TableChange::Doubtful(key) => self.reread(key, Reread::Approval),
        }
    }

    fn journal_change(&mut self, change: TableChange<Journal>) {
        match change {
            TableChange::Changed(key) if self.was_ready => self.journal_changed(&key),
            TableChange::Changed(_) => {}
            TableChange::Gone(_, last) => self.journal_gone(&last),
            TableChange::Doubtful(key) => self.reread(key, Reread::Journal),
        }
    }

    fn config_map(&mut self, event: WatchEvent<Box<ConfigMap>>) {
        match event {
            WatchEvent::Apply(map) => {
                let text = map.data.as_ref().and_then(|d| d.get(CONFIG_KEY)).cloned();
                let version = map.resource_version().unwrap_or_default();
                self.apply_config(text.map_or(ConfigText::KeyMissing, ConfigText::Text), Some(&version));
            }
            WatchEvent::ResetEnd => {
                if !self.config.seen() {
                    info!("there is no ConfigMap {}; the defaults are in force", observe::CONFIG_MAP);
                    self.apply_config(ConfigText::Text(String::new()), None);
                }
            }
            WatchEvent::Delete(_) if self.config.active().settings().unknown => {
                info!("ConfigMap {} was deleted; the defaults are in force", observe::CONFIG_MAP);
                self.apply_config(ConfigText::Text(String::new()), None);
            }
            WatchEvent::Delete(_) => {
                warn!("ConfigMap {} was deleted; the last configuration stays in force", observe::CONFIG_MAP);
            }
            WatchEvent::ResetBegin => {}
        }
    }

    /// Takes in the text of the configuration file. `None` if nobody follows the file any more.
    pub(crate) fn config_file(&mut self, text: Option<String>) {
        match text {
            // Emptied, and about to be written anew.
            Some(text) if text.trim().is_empty() && self.config.seen() => {
                warn!("the configuration file is empty; nothing changes until something is written there");
            }
            Some(text) => self.apply_config(ConfigText::Text(text), None),
            None => self.parts.config_file = None,
        }
    }

    fn apply_config(&mut self, text: ConfigText, version: Option<&str>) {
        let now = self.now();
        let applied = self.config.apply(text, version, &self.parts.namespace, now);
        if let Some(valid) = self.config.valid() {
            self.parts.metrics.set_config_valid(valid);
        }
        match applied {
            Applied::Unchanged => {}
            Applied::Valid => {
                info!("a new configuration is in force");
                self.parts.metrics.retain_providers(|name| self.config.active().has_provider(name));
                let github = self.config.github();
                self.parts.actor.name_workloads(github.is_some());
                self.parts.forge.send_if_modified(|known| {
                    let changed = *known != github;
                    *known = github;
                    changed
                });
                for entry in self.rules.iter_mut().map(|(_, entry)| entry) {
                    entry.poll_now(now);
                }
                self.mark_everything();
            }
            Applied::Invalid { problem, kept } => {
                error!(%problem, "the configuration is not valid; {kept}");
            }
        }
    }

    /// Looks at all pairs and rules again.
    pub(crate) fn mark_everything(&mut self) {
        self.scheduler.mark_pairs(self.pairs.keys().cloned());
        self.scheduler.mark_rules(self.rules.names().cloned());
    }

    fn rule_event(&mut self, event: WatchEvent<Box<DeserializeGuard<AutopilotRule>>>) {
        match event {
            WatchEvent::ResetBegin => self.rules.begin_resync(),
            WatchEvent::Apply(object) => match readable(*object) {
                Ok(raw) => self.rule_is(raw),
                Err(bad) => {
                    error!(rule = bad.name, why = bad.why, "a rule cannot be read; it is left alone");
                    self.rules.note_unreadable(&bad.name);
                }
            },
            WatchEvent::Delete(object) => {
                if let Ok(raw) = readable(*object) {
                    let version = observe::version(raw.metadata.resource_version.as_deref());
                    self.rules.note_deleted(&raw.name_any(), version);
                    self.rule_gone(&raw.name_any(), raw.metadata.uid.as_deref());
                }
            }
            WatchEvent::ResetEnd => {
                for name in self.rules.end_resync() {
                    self.rule_gone(&name, None);
                }
            }
        }
    }

    pub(crate) fn rule_is(&mut self, raw: AutopilotRule) {
        let name: Arc<str> = raw.name_any().into();
        self.rules.note_readable(&name);
        let now = self.now();
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
            let renewed = old.renew(new, now, &self.world, self.pairs.sets(&name));
            for slot in renewed.announced.into_iter().filter(|slot| old.selected().contains(*slot)) {
                self.pairs.set_normal(&name, slot);
            }
            if renewed.changed {
                complain(&name, old);
                if self.was_ready {
                    old.select_all(&self.world);
                    self.pairs.select_only(&name, old.selected());
                }
                self.measure_anew(&name);
                self.dirty_pairs_of(&name);
                self.objects_changed = true;
            }
            self.scheduler.mark_rule(name);
            return;
        }
        complain(&name, &new);
        if self.was_ready {
            new.select_all(&self.world);
            for slot in new.announced_objects(&self.world) {
                self.pairs.set_normal(&name, slot);
            }
        }
        self.rules.insert(Arc::clone(&name), new);
        self.dirty_pairs_of(&name);
        self.scheduler.mark_rule(Arc::clone(&name));
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

    /// Drops what was measured of a rule's pairs: it was measured for other conditions. A change of size that the data may not show yet still stands.
    fn measure_anew(&mut self, rule: &str) {
        let pairs: Vec<Pair> = self.pairs.of_rule(rule).map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            let resized = self.resized_before(&pair);
            let Some(entry) = self.pairs.get_mut(&pair) else { continue };
            entry.conditions_changed(resized);
        }
    }

    pub(crate) fn rule_gone(&mut self, name: &str, uid: Option<&str>) {
        if !self.rules.remove(name, uid) {
            return;
        }
        self.pairs.remove_rule(name);
        self.scheduler.unmark_pairs_of(name);
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
        self.scheduler.mark_orphans(left);
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
        for (name, entry) in self.rules.iter_mut() {
            for (slot, _) in &slots {
                let before = entry.selected().contains(*slot);
                if !entry.select_one(&self.world, *slot) && before {
                    self.pairs.unselect(name, *slot);
                }
            }
        }
        self.objects_changed = true;
        for (_, volume) in slots {
            self.dirty_pairs_on(&volume);
        }
        self.scheduler.mark_rules(self.rules.names().cloned());
    }

    pub(crate) fn claim_changed(&mut self, change: &Change) {
        if !self.was_ready {
            return;
        }
        let now = self.now();
        let after = self.world.claims.get(change.slot).cloned();
        let same = |a: &observe::Pvc, b: &observe::Pvc| {
            a.uid() == b.uid() && a.volume() == b.volume() && a.is_object() == b.is_object()
        };
        let stays = change.before.as_ref().zip(after.as_ref()).is_some_and(|(a, b)| same(a, b));
        if !stays {
            self.pairs.forget_slot(change.slot);
        }
        for (name, entry) in self.rules.iter_mut() {
            let before = entry.selected().contains(change.slot);
            if !stays {
                entry.forget(change.slot);
            }
            let selected = entry.select_one(&self.world, change.slot);
            if before && !selected {
                self.pairs.unselect(name, change.slot);
            }
            if before != selected || !stays {
                self.scheduler.mark_rule(Arc::clone(name));
                self.objects_changed = true;
            }
        }
        if let Some(before) = &change.before
            && !stays
        {
            self.dirty_pairs_on(before.volume());
        }
        let Some(after) = after.filter(observe::Pvc::is_object) else {
            return;
        };
        if let Some(before) =
            change.before.as_ref().filter(|b| stays && b.capacity.bytes < after.capacity.bytes)
        {
            #[expect(clippy::cast_precision_loss, reason = "a share of two sizes needs no exact bytes")]
            let ratio = before.capacity.bytes as f64 / after.capacity.bytes as f64;
            for rule in self.rules.iter_mut().map(|(_, entry)| entry) {
                rule.size_changed(change.slot);
            }
            self.size_changed(after.volume(), ratio, now);
        }
        let pairs: Vec<Pair> = self.pairs.on_object(after.volume()).map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            if let Some(known) = self.pairs.get_mut(&pair) {
                known.set_gone(false);
            }
            if !stays {
                self.pairs.place(&pair, change.slot);
            }
            self.scheduler.mark_pair(pair);
        }
    }

    /// Data that still shows the old size must not trigger: remember what it looked like.
    pub(crate) fn size_changed(&mut self, volume: &str, ratio: f64, now: Timestamp) {
        let pairs: Vec<Pair> = self.pairs.on_object(volume).map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            if let Some(entry) = self.pairs.get_mut(&pair) {
                entry.size_changed(ratio, now);
            }
        }
    }
}

/// Logs the problems of a rule.
fn complain(name: &str, entry: &RuleEntry) {
    for problem in entry.problems() {
        warn!(rule = name, field = problem.field, problem = problem.problem, "the rule is not understood");
    }
}
