//! Evaluation of rules: starting passes, taking query results, applying what they say of each object.

use std::collections::HashMap;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::rule::{Action, Rule};
use jiff::Timestamp;

use super::core::Engine;
use super::pairs::PairEntry;
use super::passes::{RulePass, Wish};
use super::writes::TaskResult;
use crate::evaluate::availability::Availability;
use crate::evaluate::deep_look::LookDepth;
use crate::evaluate::facts::{QueryResult, RuleResults, SampleFacts};
use crate::evaluate::objects::{Judgement, judge_objects, look_depth};
use crate::evaluate::queries::{DOWN, Part, deep_queries, first_queries, has_queries};
use crate::evaluate::verdict::Verdict;
use crate::observe::Pair;
use crate::prometheus::Ask;

impl Engine {
    /// When the next rule wants to ask.
    pub(crate) fn earliest_poll(&self) -> Option<Timestamp> {
        if self.config.active().settings().unknown {
            return None;
        }
        self.rules.iter().filter_map(|(_, entry)| entry.next_poll()).min()
    }

    /// Starts one pass for each time that is due. Rules with the same time share it, and their questions.
    pub(crate) fn start_passes(&mut self) {
        // Nobody knows where the metrics are.
        if self.config.active().settings().unknown {
            return;
        }
        let now = self.now();
        let floor = self.config.active().config().min_poll_interval.as_secs();
        let mut due: HashMap<Timestamp, Vec<Arc<str>>> = HashMap::new();
        for (name, entry) in self.rules.iter_mut() {
            let Some(time) = entry.take_due_poll(now, floor) else { continue };
            due.entry(time).or_default().push(Arc::clone(name));
        }
        for (time, names) in due {
            let id = self.passes.begin();
            for name in names {
                self.start_rule(id, &name, time);
            }
            // Nobody in it asks anything.
            self.passes.end_if_empty(id);
        }
    }

    fn start_rule(&mut self, id: u64, name: &Arc<str>, time: Timestamp) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let Some(rule) = entry.rule().cloned() else { return };
        if !has_queries(&rule, entry.selected().len()) {
            if entry.set_data(Availability::Unknown) {
                self.scheduler.mark_rule(Arc::clone(name));
            }
            return;
        }
        let (lookback, heeds_targets) = match self.config.active().source(rule.provider.as_deref()) {
            Ok((_, source)) => (source.lookback, source.heeds_targets()),
            Err(why) => {
                self.no_data(name, time, "NoProvider", &why.to_string());
                return;
            }
        };
        let mut wanted = first_queries(&rule);
        if heeds_targets {
            wanted.push((Part::Down, DOWN.to_owned()));
        }
        let deep = matches!(rule.action, Action::Pool { .. }) || !entry.looked_deep();
        if deep {
            wanted.extend(deep_queries(&rule));
        }
        entry.poll_started();
        let results = RuleResults { rule, lookback, time, results: HashMap::new() };
        self.passes.add_rule(id, name, RulePass::new(results, wanted.len(), deep));
        self.ask(id, name, wanted, time);
    }

    fn ask(&mut self, id: u64, name: &Arc<str>, wanted: Vec<(Part, String)>, time: Timestamp) {
        let provider = self.rules.get(name).and_then(|r| r.rule()).and_then(|r| r.provider.clone());
        let mut answered = Vec::new();
        for (part, query) in wanted {
            let (source_name, source) = match self.config.active().source(provider.as_deref()) {
                Ok(found) => found,
                Err(why) => {
                    // The configuration changed in the middle of the pass: it ends here for this rule.
                    self.passes.remove_rule(id, name);
                    self.no_data(name, time, "NoProvider", &why.to_string());
                    return;
                }
            };
            let ask = Ask { provider: source_name.into(), query: query.into() };
            let source = Arc::clone(&source.provider);
            match self.passes.wish(id, name, part, ask) {
                Wish::Ask(ask) => {
                    let asked_at = (self.parts.clock)();
                    self.writes.start_query(async move {
                        let result = source.ask(&ask.query, time).await.map(Arc::new).map_err(Arc::new);
                        TaskResult::Query { pass: id, asked_at, ask, result }
                    });
                }
                Wish::Waits => {}
                Wish::Has(result) => answered.push((part, result)),
                Wish::Over => return,
            }
        }
        for (part, result) in answered {
            self.answer(id, name, part, result);
        }
    }

    /// Takes the result of a query, for all rules that asked.
    pub(crate) fn take_result(&mut self, id: u64, ask: &Ask, result: &QueryResult, asked_at: Timestamp) {
        let took = self.now().duration_since(asked_at).try_into().unwrap_or_default();
        // The answer of a provider that has been removed since would bring its series back.
        if self.config.active().has_provider(&ask.provider) {
            match result {
                Ok(answer) => self.metrics().query(&ask.provider, "ok", took, answer.bytes as u64),
                Err(error) => self.metrics().query(&ask.provider, error.reason(), took, 0),
            }
        }
        for (name, part) in self.passes.take_result(id, ask, result) {
            self.answer(id, &name, part, result.clone());
        }
    }

    fn answer(&mut self, id: u64, name: &Arc<str>, part: Part, result: QueryResult) {
        if let Some(rule_pass) = self.passes.answer(id, name, part, result) {
            self.complete(id, name, rule_pass);
            if let Some(took) = self.passes.end_if_empty(id) {
                self.metrics().pass(took);
            }
        }
    }

    /// All queries for a rule have a result: judge, or look deeper first.
    fn complete(&mut self, id: u64, name: &Arc<str>, mut pass: RulePass) {
        let time = pass.results.time;
        let rule = Arc::clone(&pass.results.rule);
        let current = self
            .rules
            .get(name)
            .and_then(|r| r.rule())
            .is_some_and(|r| Arc::ptr_eq(r, &rule) || r.hash == rule.hash);
        if !current {
            if let Some(entry) = self.rules.get_mut(name) {
                entry.poll_ended();
            }
            return;
        }
        if let Some(error) = pass.results.error() {
            let (reason, message) = (error.reason(), error.to_string());
            self.no_data(name, time, reason, &message);
            return;
        }
        if let Some(down) = pass.results.down() {
            let message = format!(
                "{down} scrape targets are down (up == 0), and the provider's ignore_unhealthy_targets is false"
            );
            self.no_data(name, time, "UnhealthyTargets", &message);
            return;
        }
        if matches!(rule.action, Action::Pool { .. }) {
            self.apply_pools(name, &pass.results);
            return;
        }
        let Some(entry) = self.rules.get(name) else { return };
        let now = self.now();
        let facts = pass.results.facts(&self.world, entry.selected(), now);
        if !pass.deep && entry.deep_look_due(&facts.counts, self.look_depth(name, &rule, &facts), now) {
            let wanted = deep_queries(&rule);
            pass = pass.deepen(wanted.len());
            if !wanted.is_empty() {
                self.passes.add_rule(id, name, pass);
                self.ask(id, name, wanted, time);
                return;
            }
        }
        self.apply_objects(name, &pass, &facts, now);
    }

    /// Returns how urgently somebody waits to learn that conditions do not hold, or that there is data at all.
    fn look_depth(&self, name: &Arc<str>, rule: &Rule, facts: &SampleFacts) -> LookDepth {
        let Some(entry) = self.rules.get(name) else { return LookDepth::Shallow };
        let waits = |slot: u32| {
            self.world.claims.get(slot).is_some_and(|claim| {
                let pair = Pair { object: claim.volume().into(), rule: Arc::clone(name) };
                let journal = || self.world.journal(&claim.namespace, &pair);
                self.pairs.get(&pair).is_some_and(|p| p.needs_not_met(journal))
            })
        };
        let objects = entry.objects_to_judge(self.pairs.sets(name));
        look_depth(rule, &objects, facts, waits, entry.data_missing())
    }

    /// Applies what a pass says of the objects of a rule.
    fn apply_objects(&mut self, name: &Arc<str>, pass: &RulePass, facts: &SampleFacts, now: Timestamp) {
        let rule = &pass.results.rule;
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let objects = entry.objects_to_judge(self.pairs.sets(name));
        let judgements = judge_objects(rule, &objects, facts, pass.deep);
        entry.poll_ended();
        entry.take_judgements(&judgements, facts);
        let news = pass.deep && entry.take_deep_look(rule, facts, now);
        let other = entry.take_availability(facts, now);
        let without = entry.without_data();
        if news || other {
            self.scheduler.mark_rule(Arc::clone(name));
        }
        self.metrics().set_no_data(name, i64::try_from(without).unwrap_or(i64::MAX));
        for judged in judgements {
            self.apply_judgement(name, judged, pass.results.time);
        }
    }

    pub(crate) fn apply_judgement(&mut self, name: &Arc<str>, judged: Judgement, time: Timestamp) {
        let Judgement { slot, verdict, values } = judged;
        let Some(claim) = self.world.claims.get(slot) else {
            return;
        };
        let pair = Pair { object: claim.volume().into(), rule: Arc::clone(name) };
        if verdict == Verdict::NotMet
            && time.as_second() > i64::from(claim.resized)
            && let Some(entry) = self.rules.get_mut(name)
        {
            entry.note_cleared(slot);
        }
        if let Some(entry) = self.pairs.get_mut(&pair) {
            if entry.measured(verdict, time, values) {
                self.scheduler.mark_pair(pair.clone());
            }
            if entry.state() == RuleState::Normal {
                // Selected again: its journal says that it is Normal, and nobody needs to be told.
                self.mark_normal(&pair);
            } else if entry.state() == RuleState::Initializing
                && verdict == Verdict::NotMet
                && !entry.in_flight()
            {
                self.becomes_normal(name, slot);
                self.set_state(&pair, RuleState::Normal);
            }
            return;
        }
        match verdict {
            Verdict::Met => {
                let quiet = self.quiet_state(&pair);
                let mut entry = PairEntry::new(quiet, self.resized_before(&pair));
                entry.measured(verdict, time, values);
                self.insert_pair(pair.clone(), entry);
                self.scheduler.mark_pair(pair);
            }
            Verdict::NotMet => self.becomes_normal(name, slot),
            Verdict::NoData => {}
        }
    }

    pub(crate) fn becomes_normal(&mut self, name: &Arc<str>, slot: u32) {
        let sets = self.pairs.sets(name);
        if sets.is_normal(slot) || sets.busy().contains(slot) {
            return;
        }
        if !self.rules.get_mut(name).is_some_and(|entry| entry.becomes_normal(slot)) {
            return;
        }
        self.pairs.set_normal(name, slot);
        self.scheduler.mark_rule(Arc::clone(name));
    }

    fn apply_pools(&mut self, name: &Arc<str>, results: &RuleResults) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        entry.poll_ended();
        if entry.take_pools(results.pools()) {
            self.scheduler.mark_rule(Arc::clone(name));
        }
    }

    /// Records that the queries of a rule got no result: nothing is known of any of its objects.
    fn no_data(&mut self, name: &Arc<str>, time: Timestamp, reason: &'static str, message: &str) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        entry.poll_ended();
        if entry.set_data(Availability::Missing(reason, message.to_owned())) {
            tracing::warn!(rule = %name, reason, why = message, "no data");
            self.scheduler.mark_rule(Arc::clone(name));
        }
        for entry in self.pairs.of_rule_mut(name) {
            entry.no_data(time);
        }
    }
}
