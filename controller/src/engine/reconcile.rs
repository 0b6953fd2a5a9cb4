//! Looking at a pair, a rule or a stray approval, and handing the next write to the actor.

use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::api::LABEL_RULE;
use autopilot_shared::time::bounded_seconds;
use autopilot_shared::{RuleState, names};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use rand::RngExt as _;
use tracing::{debug, info, warn};

use super::backoff::backoff;
use super::core::Engine;
use super::pair_sets::is_quiet;
use super::rule_entry::RuleEntry;
use super::scheduler::Alarm;
use super::writes::TaskResult;
use crate::decide::orphan::{JournalOwner, OrphanStep, is_of_rule, journal_owner, orphaned_approval};
use crate::decide::rule::finalizer::{Removal, remove_finalizers_of_rule};
use crate::decide::{Effect, Precondition, RuleEffect, rule};
use crate::observe::{Key, Pair};

/// Between two looks at approvals that are on their way out: what keeps them is the forge's, and has a bound.
const LEAVING: SignedDuration = SignedDuration::from_secs(5);
/// Pause before an event about the configuration is emitted again.
const CONFIG_EVENT_RETRY: Duration = Duration::from_secs(5);

impl Engine {
    pub(crate) fn reconcile_pair(&mut self, pair: &Pair) {
        let now = self.now();
        let Some(entry) = self.pairs.get(pair) else { return };
        if entry.in_flight() {
            return;
        }
        if let Some(until) = entry.waits_until(now) {
            self.wake_pair(until, pair);
            return;
        }
        let Some(rule) = self.rules.get(&pair.rule) else {
            return;
        };
        if rule.deleting() {
            return;
        }
        let slot = self.world.claims.by_volume(&pair.object);
        let Some(namespace) = self.namespace_of(pair) else {
            self.forget_pair(pair);
            self.stray_approvals_of(pair);
            return;
        };
        if slot.is_none() && !entry.confirmed_gone() {
            self.confirm_gone(pair, &namespace);
            return;
        }
        let journal = self.world.journal(&namespace, pair);
        match journal_owner(journal, rule.uid()) {
            JournalOwner::Own => {}
            JournalOwner::ForeignLeaving => {
                self.wake_pair(now + backoff(5, None), pair);
                return;
            }
            JournalOwner::Foreign(effect) => {
                self.act_unless_stuck(pair, effect, None, now);
                return;
            }
        }
        let fresh: u128 = self.parts.random.random();
        let at_rest = is_quiet(entry.state());
        let (decision, expected) = self.decide_pair(pair, slot, &namespace, now, fresh);
        // A pair leaves rest when its journal says so. Until then the next look must still see where it came from: a
        // journal is created without a status, and the write of its first state may fail.
        let written = matches!(decision.effect, Some(Effect::CreateJournal(_) | Effect::WriteJournal { .. }));
        if let (RuleState::Normal, Some(slot)) = (decision.state, slot)
            && journal.is_none_or(|journal| journal.status.state.is_none())
        {
            // The conditions ceased to hold before its journal had an entry: an event says it.
            self.becomes_normal(&pair.rule, slot);
        }
        if !(at_rest && written) {
            self.set_state(pair, decision.state);
            self.note_hold(pair, &namespace);
        }
        if let Some(wake) = decision.wake {
            self.wake_pair(wake.max(now), pair);
        }
        match decision.effect {
            Some(effect) => {
                let (effect, expected) = self.named(pair, &namespace, effect, expected);
                self.act_unless_stuck(pair, effect, expected, now);
            }
            None => self.forget_if_quiet(pair, &namespace),
        }
    }

    /// Notes how long a triggered pair only has to hold, so that passes need not look at it before.
    fn note_hold(&mut self, pair: &Pair, namespace: &str) {
        let hold = self.rules.get(&pair.rule).and_then(|r| r.rule()).map_or(0, |r| r.hold);
        let hold = bounded_seconds(hold);
        let since =
            self.world.journal(namespace, pair).and_then(|j| j.status.hold_since.as_ref()).map(|t| t.0);
        if let Some(entry) = self.pairs.get_mut(pair) {
            entry.holds_since(since, hold);
        }
    }

    /// Carries out an effect, unless the same one was carried out just now and changed nothing: then after a pause.
    fn act_unless_stuck(
        &mut self,
        pair: &Pair,
        effect: Effect,
        expected: Option<Precondition>,
        now: Timestamp,
    ) {
        let Some(entry) = self.pairs.get_mut(pair) else { return };
        if let Some(until) = entry.stuck_until(effect.key(), now) {
            warn!(rule = %pair.rule, object = %pair.object, effect = %effect.key(), "a write changed nothing; it waits");
            self.wake_pair(until, pair);
            return;
        }
        self.act(pair, effect, expected);
    }

    /// A new journal gets another name where the usual one is another pair's.
    fn named(
        &self,
        pair: &Pair,
        namespace: &str,
        mut effect: Effect,
        mut expected: Option<Precondition>,
    ) -> (Effect, Option<Precondition>) {
        if self.world.journal_name_taken(namespace, pair) {
            let hashed = names::hashed_rule_object_name(&pair.object, &pair.rule);
            if let Effect::CreateJournal(object) = &mut effect {
                object.metadata.name = Some(hashed.clone());
            }
            if let Some(Precondition::JournalIs { name, version: None, .. }) = &mut expected {
                *name = hashed;
            }
        }
        (effect, expected)
    }

    pub(crate) fn act(&mut self, pair: &Pair, effect: Effect, expected: Option<Precondition>) {
        let journal = self.namespace_of(pair).and_then(|namespace| self.world.journal(&namespace, pair));
        let before =
            journal.map(|j| (j.status.transitions, j.status.since.as_ref().map(|t| t.0))).unwrap_or_default();
        let Some(entry) = self.pairs.get_mut(pair) else {
            return;
        };
        entry.write_started(&effect, before);
        log_effect(pair, &effect, before.0);
        let actor = self.parts.actor.clone();
        let who = pair.clone();
        self.writes.start(async move {
            TaskResult::Pair { pair: who, result: Box::new(actor.perform(effect, expected).await) }
        });
    }

    /// Before anything is removed because a PVC is gone, the API is asked whether it is.
    pub(crate) fn confirm_gone(&mut self, pair: &Pair, namespace: &str) {
        let journal = self.world.journal(namespace, pair);
        let Some(name) = journal.and_then(|j| j.status.object.as_ref()).map(|o| o.name.clone()) else {
            if let Some(entry) = self.pairs.get_mut(pair) {
                entry.set_gone(true);
            }
            self.scheduler.mark_pair(pair.clone());
            return;
        };
        let Some(entry) = self.pairs.get_mut(pair) else {
            return;
        };
        entry.read_started();
        let actor = self.parts.actor.clone();
        let (who, namespace) = (pair.clone(), namespace.to_owned());
        self.writes.start(async move {
            TaskResult::Pair { pair: who, result: Box::new(actor.read_pvc(&namespace, &name).await) }
        });
    }

    pub(crate) fn reconcile_rule(&mut self, name: &Arc<str>) {
        let now = self.now();
        let Some(entry) = self.rules.get(name) else { return };
        if entry.in_flight() {
            return;
        }
        if let Some(until) = entry.waits_until(now) {
            self.wake_rule(until, name);
            return;
        }
        if entry.deleting() {
            self.remove_finalizers_of_rule(name);
            return;
        }
        let suspended = self.config.active().settings().standstill();
        let sets = self.pairs.sets(name);
        let counts = entry.counts(sets);
        let view = entry.view(&self.world, &counts, suspended);
        let decision = rule::decide(&view, || entry.selected_objects(&self.world, sets), now);
        if let Some(rule) = entry.rule() {
            let counts: Vec<(RuleState, i64)> = counts.into_iter().collect();
            let objects = i64::try_from(entry.objects()).unwrap_or(i64::MAX);
            self.parts.metrics.set_rule(name, rule.action.short_name(), &counts, objects);
            self.objects_changed = true;
        }
        if let Some(wake) = decision.wake {
            self.wake_rule(wake, name);
        }
        if let Some(effect) = decision.effect {
            self.act_on_rule(name, effect, now);
        }
    }

    fn act_on_rule(&mut self, name: &Arc<str>, effect: RuleEffect, now: Timestamp) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let announced = entry.write_started(&effect, now);
        let (actor, name) = (self.parts.actor.clone(), Arc::clone(name));
        self.writes.start(async move {
            TaskResult::Rule { name, announced, result: Box::new(actor.perform_rule(effect).await) }
        });
    }

    /// A rule that is being deleted: wait for writes in flight, remove its approvals, let it go.
    pub(crate) fn remove_finalizers_of_rule(&mut self, name: &Arc<str>) {
        let Some(entry) = self.rules.get(name) else { return };
        if self.pairs.of_rule(name).any(|(_, entry)| entry.in_flight()) {
            return;
        }
        let label = names::label_value(name);
        let approvals = self.world.approvals.iter().map(|(_, a)| a).filter(|a| is_of_rule(a, &label));
        let now = self.now();
        let effect =
            match remove_finalizers_of_rule(self.config.active().settings(), entry.raw(), approvals, now) {
                Removal::Write(effect) => *effect,
                Removal::LookAgain => {
                    self.wake_rule(now + LEAVING, name);
                    return;
                }
                Removal::Done => return,
            };
        self.act_on_rule(name, effect, now);
    }

    /// An approval that belongs to no pair.
    pub(crate) fn reconcile_orphan(&mut self, key: &Key) {
        if self.writes.orphan_in_flight(key) {
            return;
        }
        let Some(approval) = self.world.approvals.get(&key.0, &key.1) else {
            return;
        };
        if self.pair_of_approval(&approval.raw).is_some() {
            return;
        }
        let label = approval.raw.labels().get(LABEL_RULE);
        if label.is_some_and(|l| self.rules.is_unreadable(l)) {
            return;
        }
        let rule = label.and_then(|l| self.rules.by_label(l));
        if rule.is_some_and(|r| self.rules.get(r).is_some_and(RuleEntry::deleting)) {
            return;
        }
        // Somebody took its labels off: a journal still knows it, and will say when it goes.
        let uid = approval.raw.metadata.uid.as_deref();
        let held = |a: &autopilot_shared::api::ApprovalReference| Some(a.uid.as_str()) == uid;
        if self.world.journals.iter().any(|(_, j)| j.status.approval.as_ref().is_some_and(held)) {
            return;
        }
        let now = self.now();
        let (effect, expected) =
            match orphaned_approval(self.config.active().settings(), approval, rule.is_some(), now) {
                OrphanStep::Leave => return,
                OrphanStep::LookAgain => {
                    self.scheduler.wake_at(now + LEAVING, Alarm::Orphan(key.clone()));
                    return;
                }
                OrphanStep::Write(effect, expected) => (*effect, expected),
            };
        let (actor, approval) = (self.parts.actor.clone(), key.clone());
        self.writes.start_orphan(key.clone(), async move {
            TaskResult::Orphan { approval, result: Box::new(actor.perform(effect, expected).await) }
        });
    }

    /// Emits the event about a configuration that is not valid, once, if this process leads.
    pub(crate) fn emit_config_event(&mut self) {
        let Some(event) = self.config.event_due() else { return };
        let actor = self.parts.actor.clone();
        self.writes.start(async move {
            let effect = Effect::EmitEvents { events: vec![event.clone()], told: 0 };
            let result = actor.perform(effect, None).await;
            if result.is_err() {
                tokio::time::sleep(CONFIG_EVENT_RETRY).await;
            }
            TaskResult::ConfigEvent { event: Box::new(event), result: Box::new(result) }
        });
    }
}

/// One line per thing that happens. `known`: transitions that the journal holds already; those beyond are new, and an entry
/// without any is housekeeping.
fn log_effect(pair: &Pair, effect: &Effect, known: u64) {
    let (rule, object) = (&*pair.rule, &*pair.object);
    match effect {
        Effect::WriteJournal { status, .. } => {
            let new = usize::try_from(status.transitions.saturating_sub(known)).unwrap_or(usize::MAX);
            let kept = status.items.len();
            for item in status.items.iter().skip(kept.saturating_sub(new)) {
                info!(rule, object, state = item.state, reason = item.reason, "{}", item.message);
            }
            if new == 0 {
                debug!(rule, object, reason = status.reason, "journal");
            }
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
        Effect::DeleteJournal(target) => {
            info!(rule, object, rule_object = target.name, "removes the journal")
        }
        Effect::CreateJournal(_) | Effect::ReleaseApproval(_) | Effect::EmitEvents { .. } => {
            debug!(rule, object, ?effect, "write");
        }
    }
}
