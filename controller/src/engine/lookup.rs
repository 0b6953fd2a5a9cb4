//! Which pair an object belongs to, in what state it is, and what must be looked at again because of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use autopilot_shared::api::{LABEL_OBJECT, LABEL_RULE};
use autopilot_shared::{RuleState, names};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::core::Engine;
use super::pair_sets::is_quiet;
use super::pairs::PairEntry;
use crate::decide::Journal;
use crate::decide::reason::knows_newer;
use crate::evaluate::reading::Baseline;
use crate::evaluate::verdict::Verdict;
use crate::observe::{Key, Pair, SlotSet};

impl Engine {
    pub(crate) fn dirty_pairs_of(&mut self, rule: &str) {
        self.scheduler.mark_pairs(self.pairs.of_rule(rule).map(|(pair, _)| pair.clone()));
    }

    pub(crate) fn dirty_pairs_on(&mut self, object: &str) {
        self.scheduler.mark_pairs(self.pairs.on_object(object).map(|(pair, _)| pair.clone()));
    }

    pub(crate) fn journal_changed(&mut self, key: &Key) {
        let Some(journal) = self.world.journals.get(&key.0, &key.1) else {
            return;
        };
        let Some((name, _)) = self.rules.iter().find(|(_, entry)| entry.uid() == journal.owner) else {
            return;
        };
        let object = match &journal.status.object {
            Some(object) if !object.uid.is_empty() => object.uid.clone(),
            _ => match journal.name.strip_suffix(&format!("-{name}")) {
                Some(object) => object.to_owned(),
                None => return,
            },
        };
        let pair = Pair { object: object.into(), rule: Arc::clone(name) };
        let state = journal.status.state.unwrap_or(RuleState::Initializing);
        self.keep_pair(&pair, state);
        self.scheduler.mark_pair(pair);
    }

    pub(crate) fn journal_gone(&mut self, journal: &Journal) {
        let object = journal.status.object.as_ref().map(|o| o.uid.clone()).unwrap_or_default();
        self.dirty_pairs_on(&object);
    }

    pub(crate) fn approval_gone(&mut self, key: &Key, approval: &autopilot_shared::api::ActionApproval) {
        self.scheduler.unmark_orphan(key);
        if let Some(pair) = self.pair_of_approval(approval) {
            self.dirty_pairs_on(&pair.object);
            self.scheduler.mark_pair(pair.clone());
        }
        if let Some(rule) = approval.labels().get(LABEL_RULE).and_then(|l| self.rules.by_label(l)) {
            self.scheduler.mark_rule(Arc::clone(rule));
        }
    }

    pub(crate) fn approval_changed(&mut self, key: &Key) {
        let Some(approval) = self.world.approvals.get(&key.0, &key.1) else {
            return;
        };
        match self.pair_of_approval(&approval.raw) {
            Some(pair) => {
                let quiet = self.quiet_state(&pair);
                self.keep_pair(&pair, quiet);
                self.scheduler.mark_pair(pair);
            }
            None => {
                self.scheduler.mark_orphan(key.clone());
            }
        }
    }

    /// The pair that an approval belongs to: labels, name and namespace must all say so.
    pub(crate) fn pair_of_approval(&self, approval: &autopilot_shared::api::ActionApproval) -> Option<Pair> {
        let labels = approval.labels();
        let rule = self.rules.by_label(labels.get(LABEL_RULE)?)?;
        let label = labels.get(LABEL_OBJECT)?;
        let object: Arc<str> = self.object_of_label(label);
        let name = approval.name_any();
        let named =
            name == names::approval_name(rule, &object) || name == names::hashed_approval_name(rule, &object);
        let pair = Pair { object, rule: Arc::clone(rule) };
        let namespace = self.namespace_of(&pair);
        let at_home = namespace.is_some_and(|n| Some(&*n) == approval.namespace().as_deref());
        (named && at_home).then_some(pair)
    }

    /// The object that a label stands for: itself, or one whose id makes no valid label.
    fn object_of_label(&self, label: &str) -> Arc<str> {
        if names::may_be_hashed(label) && self.world.claims.by_volume(label).is_none() {
            let same = |id: &&str| *id != label && names::label_value(id) == label;
            let known = self.pairs.keys().map(|p| &*p.object).find(same);
            let claimed = || self.world.claims.iter().map(|(_, c)| c.volume()).find(same);
            if let Some(object) = known.or_else(claimed) {
                return object.into();
            }
        }
        label.into()
    }

    /// Where the PVC of a pair lives, or lived.
    pub(crate) fn namespace_of(&self, pair: &Pair) -> Option<Arc<str>> {
        if let Some(slot) = self.world.claims.by_volume(&pair.object) {
            return self.world.claims.get(slot).map(|c| Arc::clone(&c.namespace));
        }
        let name = names::rule_object_name(&pair.object, &pair.rule);
        self.world
            .journals
            .iter()
            .find(|((_, other), _)| **other == *name)
            .map(|((namespace, _), _)| Arc::clone(namespace))
    }

    /// Keeps a pair in this state, unless it is kept already.
    pub(crate) fn keep_pair(&mut self, pair: &Pair, state: RuleState) {
        if self.pairs.get(pair).is_none() {
            let entry = PairEntry::new(RuleState::Initializing, self.resized_before(pair));
            self.insert_pair(pair.clone(), entry);
            self.set_state(pair, state);
        }
    }

    /// The last change of size of a pair that was not followed when it happened: what the data looked like then is not
    /// known. Where it was seen since that the conditions do not hold, what says otherwise now is newer; and the journal
    /// may know more.
    pub(crate) fn resized_before(&self, pair: &Pair) -> Option<Baseline> {
        let slot = self.world.claims.by_volume(&pair.object)?;
        let claim = self.world.claims.get(slot).filter(|claim| claim.resized > 0)?;
        let at = Timestamp::from_second(i64::from(claim.resized)).ok()?;
        let rule = self.rules.get(&pair.rule)?;
        // That of a rule of the same name that has gone says nothing of this one's data.
        let journal =
            self.world.journal(&claim.namespace, pair).filter(|journal| journal.owner == rule.uid());
        let known = rule.was_cleared(slot) || journal.is_some_and(|journal| knows_newer(&journal.status, at));
        (!known).then(|| Baseline { at, values: Vec::new(), ratio: 1.0 })
    }

    pub(crate) fn insert_pair(&mut self, pair: Pair, entry: PairEntry) {
        let slot = self.world.claims.by_volume(&pair.object);
        self.pairs.insert(pair, entry, slot);
    }

    /// The state of a pair that no journal speaks of.
    pub(crate) fn quiet_state(&self, pair: &Pair) -> RuleState {
        let slot = self.world.claims.by_volume(&pair.object);
        let normal = slot.is_some_and(|slot| self.pairs.sets(&pair.rule).is_normal(slot));
        if normal { RuleState::Normal } else { RuleState::Initializing }
    }

    /// Sets the state of a pair; its rule's status says how many are in which.
    pub(crate) fn set_state(&mut self, pair: &Pair, state: RuleState) {
        let slot = self.world.claims.by_volume(&pair.object);
        if !self.pairs.set_state(pair, state, slot) {
            return;
        }
        if state == RuleState::Normal {
            self.mark_normal(pair);
        }
        self.scheduler.mark_rule(Arc::clone(&pair.rule));
    }

    pub(crate) fn mark_normal(&mut self, pair: &Pair) {
        let slot = self.world.claims.by_volume(&pair.object);
        if let Some(slot) = slot
            && self.is_selected(pair)
        {
            self.pairs.set_normal(&pair.rule, slot);
        }
    }

    /// Objects that any rule covers, per type. Series of objects that no rule has any more go.
    pub(crate) fn count_objects(&self) {
        let mut volumes = SlotSet::default();
        let mut pools = BTreeSet::new();
        for entry in self.rules.iter().map(|(_, entry)| entry) {
            volumes.union_with(entry.selected());
            pools.extend(entry.pools());
        }
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.parts.metrics.set_objects_with_rules("volume", number(volumes.len()));
        self.parts.metrics.set_objects_with_rules("storagepool", number(pools.len()));
        self.parts.metrics.retain_objects(|object| {
            let slot = self.world.claims.by_volume(object);
            slot.is_some_and(|slot| volumes.contains(slot)) || self.pairs.on_object(object).next().is_some()
        });
    }

    pub(crate) fn is_selected(&self, pair: &Pair) -> bool {
        let slot = self.world.claims.by_volume(&pair.object);
        self.rules.get(&pair.rule).zip(slot).is_some_and(|(rule, slot)| rule.selected().contains(slot))
    }

    /// Approvals of a pair that is forgotten because neither its PVC nor its journal is known belong to nobody.
    pub(crate) fn stray_approvals_of(&mut self, pair: &Pair) {
        let strays: Vec<Key> = self
            .world
            .approvals
            .iter()
            .filter(|(_, a)| crate::decide::labelled(&a.raw, &pair.rule, &pair.object))
            .map(|(key, _)| key.clone())
            .collect();
        self.scheduler.mark_orphans(strays);
    }

    pub(crate) fn forget_if_quiet(&mut self, pair: &Pair, namespace: &str) {
        let Some(entry) = self.pairs.get(pair) else { return };
        let quiet = is_quiet(entry.state());
        let (plain, hashed) = self.world.approvals_of(namespace, pair);
        let nothing = self.world.journal(namespace, pair).is_none() && plain.is_none() && hashed.is_none();
        if quiet && nothing && entry.reading().verdict != Verdict::Met {
            self.forget_pair(pair);
        }
    }

    pub(crate) fn forget_pair(&mut self, pair: &Pair) {
        if self.pairs.get(pair).is_some_and(|entry| !is_quiet(entry.state())) {
            self.set_state(pair, RuleState::Initializing);
        }
        let slot = self.world.claims.by_volume(&pair.object);
        self.pairs.remove(pair, slot);
        self.objects_changed = true;
    }
}
