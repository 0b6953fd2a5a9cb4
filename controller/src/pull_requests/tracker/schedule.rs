//! The plans of all approvals, and which of them comes next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::request::ApprovalKey;
use crate::pull_requests::plan::{Class, ClusterEffect, EffectKey, ForgeEffect, Plan, Urgency};

/// The same step done so often in a row changes nothing.
const REPEATS: u32 = 5;

/// Place of a step among those for the forge; the first sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    class: Class,
    urgency: Urgency,
    key: ApprovalKey,
}

/// The plans by approval, with the orders that follow from them.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    plans: BTreeMap<ApprovalKey, Plan>,
    /// Approvals about which something changed since they were planned.
    dirty: BTreeSet<ApprovalKey>,
    /// When to plan an approval although nothing changed.
    wakes: BTreeSet<(Timestamp, ApprovalKey)>,
    /// Approvals with a write to the cluster.
    in_cluster: BTreeSet<ApprovalKey>,
    /// Approvals with a step for the forge, in order; `places` has the same by approval.
    on_forge: BTreeSet<Place>,
    places: BTreeMap<ApprovalKey, Place>,
    /// When an approval that could do nothing with its slot wants it again.
    suspended: BTreeMap<ApprovalKey, Timestamp>,
    /// The last step of an approval, and how often in a row it was done.
    repeats: BTreeMap<ApprovalKey, Repeated>,
}

#[derive(Debug)]
struct Repeated {
    effect: EffectKey,
    times: u32,
}

impl Schedule {
    /// Something about an approval changed: it is planned again, and tries at once what it waited for.
    pub(super) fn touch(&mut self, key: &ApprovalKey) {
        self.suspended.remove(key);
        self.dirty.insert(key.clone());
    }

    /// Plans an approval again, without any change that would end its wait.
    pub(super) fn replan(&mut self, key: ApprovalKey) {
        self.dirty.insert(key);
    }

    /// Takes the next approval that is to be planned.
    pub(super) fn take_dirty(&mut self) -> Option<ApprovalKey> {
        self.dirty.pop_first()
    }

    /// Takes the approvals whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<ApprovalKey> {
        let mut due = Vec::new();
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.wakes.pop_first().map(|(_, key)| key));
        }
        due
    }

    /// Sets the plan of an approval. Without urgency it comes first among the steps of its class that are at the
    /// threshold.
    pub(super) fn set_plan(&mut self, key: &ApprovalKey, plan: Plan, urgency: Option<Urgency>) {
        self.forget_plan(key);
        if let Some(at) = plan.wake {
            self.wakes.insert((at, key.clone()));
        }
        if plan.cluster.is_some() {
            self.in_cluster.insert(key.clone());
        }
        if let Some(step) = &plan.forge {
            let urgency = urgency.unwrap_or(Urgency { beyond: 1.0, since: Timestamp::MIN });
            let place = Place { class: step.class, urgency, key: key.clone() };
            self.on_forge.insert(place.clone());
            self.places.insert(key.clone(), place);
        }
        self.plans.insert(key.clone(), plan);
    }

    pub(super) fn forget_plan(&mut self, key: &ApprovalKey) {
        let Some(plan) = self.plans.remove(key) else { return };
        if let Some(at) = plan.wake {
            self.wakes.remove(&(at, key.clone()));
        }
        self.in_cluster.remove(key);
        if let Some(place) = self.places.remove(key) {
            self.on_forge.remove(&place);
        }
    }

    /// Forgets an approval.
    pub(super) fn remove(&mut self, key: &ApprovalKey) {
        self.forget_plan(key);
        self.suspended.remove(key);
        self.repeats.remove(key);
        self.dirty.remove(key);
    }

    /// An approval could do nothing with its slot; it wants it again at this time.
    pub(super) fn suspend(&mut self, key: &ApprovalKey, until: Timestamp) {
        self.suspended.insert(key.clone(), until);
    }

    pub(super) fn suspended_until(&self, key: &ApprovalKey) -> Option<Timestamp> {
        self.suspended.get(key).copied()
    }

    /// When the first approval wants to be planned again.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Writes to the cluster, by approval.
    pub(super) fn cluster_effects(&self) -> impl Iterator<Item = (&ApprovalKey, &ClusterEffect)> {
        self.in_cluster.iter().filter_map(|key| Some((key, self.plans.get(key)?.cluster.as_ref()?)))
    }

    /// Class and approval of the most urgent step for the forge.
    pub(super) fn first_on_forge(&self) -> Option<(Class, &ApprovalKey)> {
        self.on_forge.first().map(|place| (place.class, &place.key))
    }

    /// The step of an approval for the forge.
    pub(super) fn forge_effect(&self, key: &ApprovalKey) -> Option<&ForgeEffect> {
        Some(&self.plans.get(key)?.forge.as_ref()?.effect)
    }

    /// Counts a step that was done. Returns whether it was done so often in a row that it changes nothing, and then
    /// counts anew.
    pub(super) fn is_repeated(&mut self, key: &ApprovalKey, effect: EffectKey, usual: bool) -> bool {
        let times = match self.repeats.get(key) {
            Some(last) if last.effect == effect => last.times + 1,
            _ => 1,
        };
        if times >= REPEATS && !usual {
            self.repeats.remove(key);
            return true;
        }
        self.repeats.insert(key.clone(), Repeated { effect, times });
        false
    }

    /// Begins anew with an approval.
    pub(super) fn forget_repeats(&mut self, key: &ApprovalKey) {
        self.repeats.remove(key);
    }

    pub(super) fn clock_went_back(&mut self) {
        self.suspended.clear();
        self.wakes.clear();
    }
}
