//! What came of writes and questions, taken in.

use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::RuleState;
use kube::ResourceExt as _;
use tokio::task::JoinError;
use tracing::{error, warn};

use super::backoff::backoff;
use super::core::Engine;
use super::pairs::PairEntry;
use super::rule_entry::RuleEntry;
use super::rule_entry::writes::RuleAnnouncement;
use super::scheduler::Alarm;
use super::writes::{Reread, TaskResult};
use crate::act::{Failure, Outcome};
use crate::decide::Target;
use crate::decide::reason::Reason;
use crate::observe::{self, Key, Pair};
use crate::telemetry::Failure as ActionFailure;

impl Engine {
    /// Applies what a task reports.
    pub(crate) fn task_done(&mut self, done: Result<TaskResult, JoinError>) {
        let result = match done {
            Ok(result) => result,
            Err(error) => {
                error!(%error, "a task of the engine ended badly");
                return;
            }
        };
        match result {
            TaskResult::Pair { pair, result } => self.pair_done(pair, *result),
            TaskResult::Rule { name, announced, result } => self.rule_done(&name, announced, *result),
            TaskResult::Orphan { approval, result } => match *result {
                Ok(outcome) => self.apply_outcome(outcome, None),
                Err(failure) => {
                    warn!(approval = %approval.1, namespace = %approval.0, %failure, "a write failed; it is tried again");
                    let at = self.now() + backoff(5, failure.after);
                    self.scheduler.wake_at(at, Alarm::Orphan(approval));
                }
            },
            TaskResult::Reread { key, kind, result } => match *result {
                Ok(outcome) => self.apply_outcome(outcome, None),
                Err(failure) => {
                    warn!(name = %key.1, namespace = %key.0, %failure, "a read failed; it is tried again");
                    self.reread(key, kind);
                }
            },
            TaskResult::ConfigEvent { event, result } => {
                if let Err(failure) = &*result {
                    warn!(%failure, "the event about the configuration was not emitted yet");
                }
                self.config.event_done(&event, (*result).as_ref().map(|_| ()));
            }
            TaskResult::Query { pass, asked_at, ask, result } => {
                self.take_result(pass, &ask, &result, asked_at);
            }
        }
    }

    pub(crate) fn pair_done(&mut self, pair: Pair, result: Result<Outcome, Failure>) {
        let now = self.now();
        match result {
            Ok(outcome) => {
                if let Outcome::Journal(object) = &outcome {
                    self.measure(&pair, object);
                }
                if let Some(entry) = self.pairs.get_mut(&pair) {
                    entry.succeeded(&outcome);
                }
                self.apply_outcome(outcome, Some(&pair));
            }
            Err(failure) => {
                if let Some(entry) = self.pairs.get_mut(&pair) {
                    let attempt = entry.failed(failure.after, now);
                    warn!(
                        rule = %pair.rule,
                        object = %pair.object,
                        attempt,
                        %failure,
                        "a write failed; it is decided anew"
                    );
                    if let Some(told) = entry.event_given_up(&failure) {
                        self.apply_outcome(Outcome::EventsEmitted(told), Some(&pair));
                    }
                }
            }
        }
        self.dirty_pairs_on(&pair.object);
        self.scheduler.mark_pair(pair.clone());
        if self.rules.get(&pair.rule).is_some_and(RuleEntry::deleting) {
            self.scheduler.mark_rule(pair.rule);
        }
    }

    /// Counts an action that ended with this journal entry. Held against what the write was decided from: the watch
    /// may have shown the entry before its own answer came.
    pub(crate) fn measure(&mut self, pair: &Pair, object: &autopilot_shared::api::AutopilotRuleObject) {
        let Some(new) = &object.status else { return };
        let Some((transitions, since)) = self.pairs.get(pair).map(PairEntry::before) else { return };
        if transitions >= new.transitions {
            return;
        }
        let metrics = &self.parts.metrics;
        match (new.state, &new.since, since) {
            (Some(RuleState::ActiveActionsTaken), Some(done), Some(began)) => {
                let took = Duration::try_from(done.0.duration_since(began)).unwrap_or_default();
                metrics.action_done("resize", &pair.rule, took);
            }
            (Some(RuleState::ActionsDeclined), ..) => {
                let failed =
                    new.reason.as_deref().is_some_and(|r| matches!(Reason::parse(r), Reason::Failed(_)));
                let how = if failed { ActionFailure::Failed } else { ActionFailure::Declined };
                metrics.action_failed("resize", &pair.object, how);
            }
            _ => {}
        }
    }

    pub(crate) fn rule_done(
        &mut self,
        name: &Arc<str>,
        told: RuleAnnouncement,
        result: Result<Outcome, Failure>,
    ) {
        let now = self.now();
        match result {
            Ok(outcome) => {
                if let Some(entry) = self.rules.get_mut(name) {
                    entry.write_succeeded(told, now);
                }
                self.apply_outcome(outcome, None);
                if let Some(entry) = self.rules.get_mut(name) {
                    entry.written_status_taken_in();
                }
            }
            Err(failure) => {
                if let Some(entry) = self.rules.get_mut(name) {
                    entry.write_failed(name, told, &failure, now);
                }
            }
        }
        self.scheduler.mark_rule(Arc::clone(name));
    }

    /// Takes in what a write left behind.
    pub(crate) fn apply_outcome(&mut self, outcome: Outcome, pair: Option<&Pair>) {
        match outcome {
            Outcome::Journal(object) => {
                let journal = observe::journal(*object);
                let key = (Arc::clone(&journal.namespace), Arc::clone(&journal.name));
                if self.world.journals.put_written(key.clone(), journal) {
                    self.journal_changed(&key);
                }
            }
            Outcome::Approval(object) => {
                let key = observe::key_of(&*object);
                if self.world.approvals.put_written(key.clone(), observe::approval(*object)) {
                    self.approval_changed(&key);
                }
            }
            Outcome::Rule(rule) => {
                let version = observe::version(rule.metadata.resource_version.as_deref());
                if !self.rules.deleted_since(&rule.name_any(), version) {
                    self.rule_is(*rule);
                }
            }
            Outcome::Pvc(claim) => {
                if let Some(change) = self.world.claim_answered(&claim) {
                    self.claim_changed(&change);
                }
                let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref());
                match pair {
                    // There, and not bound: it may be bound again, so nothing goes yet.
                    Some(pair) if volume == Some(&*pair.object) => self.wait_for_claim(pair),
                    _ => self.confirm(pair),
                }
            }
            Outcome::NoPvc { namespace, name } => {
                if let Some(change) = self.world.claim_absent(&namespace, &name) {
                    self.claim_changed(&change);
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
                let known = self.world.approvals.get(&key.0, &key.1);
                let known = known.and_then(|a| a.raw.metadata.uid.as_deref());
                if known.is_some_and(|uid| !target.uid.is_empty() && uid != target.uid) {
                    // Made again since.
                    return;
                }
                if let Some(gone) = self.world.approvals.remove(&key, u64::MAX) {
                    self.approval_gone(&key, &gone.raw);
                }
            }
            Outcome::NoRule(name) => self.rule_gone(&name, None),
            Outcome::EventsEmitted(told) => {
                let Some(pair) = pair else { return };
                let journal = self.namespace_of(pair).and_then(|n| self.world.journal(&n, pair));
                let uid = journal.map(|j| j.uid.clone()).unwrap_or_default();
                if let Some(entry) = self.pairs.get_mut(pair) {
                    entry.events_told(uid, told);
                }
            }
            Outcome::ResizeRefused { pvc, message } => {
                if let Some(change) = self.world.claim_answered(&pvc) {
                    self.claim_changed(&change);
                }
                if let Some(pair) = pair {
                    warn!(rule = %pair.rule, object = %pair.object, message, "the API server refuses the resize");
                    if let Some(entry) = self.pairs.get_mut(pair) {
                        entry.resize_refused(message);
                    }
                }
            }
        }
    }

    /// A PVC that is there but cannot be acted on now is looked at again in a while.
    fn wait_for_claim(&mut self, pair: &Pair) {
        if self.world.claims.by_volume(&pair.object).is_some() {
            return;
        }
        let until = self.now() + backoff(u32::MAX, None);
        if let Some(entry) = self.pairs.get_mut(pair) {
            entry.wait_until(until);
        }
    }

    /// Reads what a list lacked although we wrote it: the list may be older than the write.
    pub(crate) fn reread(&mut self, key: Key, kind: Reread) {
        let target = Target {
            namespace: key.0.to_string(),
            name: key.1.to_string(),
            uid: String::new(),
            version: String::new(),
        };
        let actor = self.parts.actor.clone();
        self.writes.start(async move {
            let result = match kind {
                Reread::Approval => actor.read_approval(target).await,
                Reread::Journal => actor.read_journal(target).await,
            };
            if result.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            TaskResult::Reread { key, kind, result: Box::new(result) }
        });
    }

    /// After the API was asked, a PVC that is still not there is gone.
    pub(crate) fn confirm(&mut self, pair: Option<&Pair>) {
        let Some(pair) = pair else { return };
        let there = self.world.claims.by_volume(&pair.object).is_some();
        if let Some(entry) = self.pairs.get_mut(pair) {
            entry.set_gone(!there);
        }
    }
}
