//! The engine's side of the passes: starting them, taking answers in, judging objects.

use std::collections::HashMap;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::rule::{Action, Rule};
use jiff::Timestamp;

use super::Engine;
use super::pass::{
    Asked, DOWN, Facts, Need, Part, Pass, RulePass, Told, asks, deep_look_due, deep_questions, next_poll,
    questions,
};
use super::rules::Data;
use crate::decide::Verdict;
use crate::observe::Pair;
use crate::prometheus::Ask;

impl Engine {
    /// When the next rule wants to ask.
    pub(crate) fn earliest_poll(&self) -> Option<Timestamp> {
        if self.force.settings.unknown {
            return None;
        }
        self.rules.values().filter(|r| !r.polling && r.rule().is_some()).map(|r| r.next_poll).min()
    }

    /// Starts one pass for each time that is due. Rules with the same time share it, and their questions.
    pub(crate) fn start_passes(&mut self) {
        // Nobody knows where the metrics are.
        if self.force.settings.unknown {
            return;
        }
        let now = self.now();
        let floor = self.force.config.min_poll_interval;
        let mut due: HashMap<Timestamp, Vec<Arc<str>>> = HashMap::new();
        for (name, entry) in &mut self.rules {
            if entry.polling || entry.next_poll > now {
                continue;
            }
            let Some(rule) = entry.rule() else { continue };
            let poll = rule.poll;
            // A pass that is a little late carries the time it was due: times of a rule's passes are then whole
            // intervals apart, and so are the holds that are measured in them.
            let late = now.duration_since(entry.next_poll);
            let time = if late.as_millis() < 1000 { entry.next_poll } else { now };
            entry.next_poll = next_poll(now, poll, floor);
            due.entry(time).or_default().push(Arc::clone(name));
        }
        for (time, names) in due {
            let id = self.next_pass;
            self.next_pass += 1;
            self.passes.insert(id, Pass::default());
            for name in names {
                self.start_rule(id, &name, time);
            }
            if self.passes.get(&id).is_some_and(|pass| pass.rules.is_empty()) {
                self.passes.remove(&id);
            }
        }
    }

    fn start_rule(&mut self, id: u64, name: &Arc<str>, time: Timestamp) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let Some(rule) = entry.rule().cloned() else { return };
        if !asks(&rule, entry.selected.count_ones(..)) {
            if entry.data != Data::Unknown {
                entry.data = Data::Unknown;
                self.dirty_rules.insert(Arc::clone(name));
            }
            return;
        }
        let (lookback, heeds_targets) = match self.force.source(rule.provider.as_deref()) {
            Ok((_, source)) => (source.lookback, source.heeds_targets()),
            Err(why) => {
                self.no_data(name, time, "NoProvider", &why);
                return;
            }
        };
        let mut wanted = questions(&rule);
        if heeds_targets {
            wanted.push((Part::Down, DOWN.to_owned()));
        }
        let deep = matches!(rule.action, Action::Pool { .. }) || entry.scan.last.is_none();
        if deep {
            wanted.extend(deep_questions(&rule));
        }
        entry.polling = true;
        let pass = RulePass { rule, lookback, answers: HashMap::new(), open: wanted.len(), deep, time };
        if let Some(all) = self.passes.get_mut(&id) {
            all.rules.insert(Arc::clone(name), pass);
        }
        self.ask(id, name, wanted, time);
    }

    fn ask(&mut self, id: u64, name: &Arc<str>, wanted: Vec<(Part, String)>, time: Timestamp) {
        let provider = self.rules.get(name).and_then(|r| r.rule()).and_then(|r| r.provider.clone());
        let mut answered = Vec::new();
        for (part, query) in wanted {
            let (source_name, source) = match self.force.source(provider.as_deref()) {
                Ok(found) => found,
                Err(why) => {
                    // The configuration changed in the middle of the pass: it ends here for this rule.
                    if let Some(pass) = self.passes.get_mut(&id) {
                        pass.rules.remove(name);
                    }
                    self.no_data(name, time, "NoProvider", &why);
                    return;
                }
            };
            let ask = Ask { provider: source_name.into(), query: query.into() };
            let source = Arc::clone(&source.provider);
            let Some(pass) = self.passes.get_mut(&id) else {
                return;
            };
            match pass.asked.get_mut(&ask) {
                Some(Asked::Open(waiting)) => waiting.push((Arc::clone(name), part)),
                Some(Asked::Done(told)) => answered.push((part, told.clone())),
                None => {
                    pass.asked.insert(ask.clone(), Asked::Open(vec![(Arc::clone(name), part)]));
                    let asked_at = self.now();
                    self.spawn_query(asked_at, async move {
                        let told = source.ask(&ask.query, time).await.map(Arc::new).map_err(Arc::new);
                        (id, ask, told)
                    });
                }
            }
        }
        for (part, told) in answered {
            self.answer(id, name, part, told);
        }
    }

    /// Takes in an answer, for all who asked.
    pub(crate) fn told(&mut self, id: u64, ask: &Ask, told: &Told, asked_at: Timestamp) {
        let took = self.now().duration_since(asked_at).try_into().unwrap_or_default();
        match told {
            Ok(answer) => self.metrics().query(&ask.provider, "ok", took, answer.bytes as u64),
            Err(error) => self.metrics().query(&ask.provider, error.reason(), took, 0),
        }
        let Some(pass) = self.passes.get_mut(&id) else {
            return;
        };
        let Some(Asked::Open(waiting)) = pass.asked.remove(ask) else {
            return;
        };
        // Who has data at all is a long answer that is read once; a rule that comes later with the same question asks
        // again.
        if !waiting.iter().all(|(_, part)| matches!(part, Part::Present(_))) {
            pass.asked.insert(ask.clone(), Asked::Done(told.clone()));
        }
        for (name, part) in waiting {
            self.answer(id, &name, part, told.clone());
        }
    }

    fn answer(&mut self, id: u64, name: &Arc<str>, part: Part, told: Told) {
        let Some(pass) = self.passes.get_mut(&id) else {
            return;
        };
        let Some(rule_pass) = pass.rules.get_mut(name) else {
            return;
        };
        rule_pass.answers.insert(part, told);
        rule_pass.open -= 1;
        if rule_pass.open > 0 {
            return;
        }
        let Some(rule_pass) = pass.rules.remove(name) else {
            return;
        };
        self.complete(id, name, rule_pass);
        if self.passes.get(&id).is_some_and(|pass| pass.rules.is_empty())
            && let Some(pass) = self.passes.remove(&id)
        {
            self.metrics().pass(pass.began.elapsed());
        }
    }

    /// All that was asked for a rule is answered: judge, or look deeper first.
    fn complete(&mut self, id: u64, name: &Arc<str>, mut pass: RulePass) {
        let time = pass.time;
        let current = self
            .rules
            .get(name)
            .and_then(|r| r.rule())
            .is_some_and(|r| Arc::ptr_eq(r, &pass.rule) || r.hash == pass.rule.hash);
        if !current {
            if let Some(entry) = self.rules.get_mut(name) {
                entry.polling = false;
            }
            return;
        }
        if let Some(error) = pass.error() {
            let (reason, message) = (error.reason(), error.to_string());
            self.no_data(name, time, reason, &message);
            return;
        }
        if let Some(down) = pass.down() {
            let message = format!(
                "{down} scrape targets are down (up == 0), and the provider's ignore_unhealthy_targets is false"
            );
            self.no_data(name, time, "UnhealthyTargets", &message);
            return;
        }
        if matches!(pass.rule.action, Action::Pool { .. }) {
            self.judge_pools(name, &pass);
            return;
        }
        let Some(entry) = self.rules.get(name) else { return };
        let now = self.now();
        let facts = pass.facts(&self.world, &entry.selected, now);
        if !pass.deep && deep_look_due(&entry.scan, &facts.counts, self.needed(name, &pass.rule, &facts), now)
        {
            let wanted = deep_questions(&pass.rule);
            pass.deep = true;
            if !wanted.is_empty() {
                pass.open = wanted.len();
                if let Some(all) = self.passes.get_mut(&id) {
                    all.rules.insert(Arc::clone(name), pass);
                }
                self.ask(id, name, wanted, time);
                return;
            }
        }
        self.judge_objects(name, &pass, &facts, now);
    }

    /// Who waits for the word that conditions do not hold, or that there is data at all.
    fn needed(&self, name: &Arc<str>, rule: &Rule, facts: &Facts) -> Need {
        let Some(entry) = self.rules.get(name) else { return Need::Nobody };
        let mut need = Need::Nobody;
        // Somebody who could not be judged at the last deep look may wait; everybody else is told in this pass.
        let mut ask = |slot: u32| {
            if facts.judge(rule, slot).0 == Verdict::NoData {
                let waits = entry.without_data.contains(slot as usize);
                need = need.max(if waits { Need::Later } else { Need::Now });
            }
            need == Need::Now
        };
        if entry.initializing().any(&mut ask) {
            return Need::Now;
        }
        let waiting = |slot: &u32| {
            self.world.claims.get(*slot).is_some_and(|claim| {
                let pair = Pair { object: claim.volume().into(), rule: Arc::clone(name) };
                let journal = || self.world.journal(&claim.namespace, &pair);
                self.pairs.get(&pair).is_some_and(|p| p.needs_not_met(journal))
            })
        };
        // Most of them are told in this pass, and that is soon seen.
        let unknown = |slot: &u32| facts.judge(rule, *slot).0 == Verdict::NoData;
        let slots = entry.busy.ones().filter_map(|slot| u32::try_from(slot).ok());
        slots.filter(unknown).filter(waiting).any(&mut ask);
        if need == Need::Nobody && matches!(entry.data, Data::Missing(..)) {
            need = Need::Later;
        }
        need
    }

    fn judge_objects(&mut self, name: &Arc<str>, pass: &RulePass, facts: &Facts, now: Timestamp) {
        let rule = &pass.rule;
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        entry.polling = false;
        let mut candidates: Vec<u32> = facts.hits.iter().flat_map(|hits| hits.keys().copied()).collect();
        candidates.extend(entry.paired.ones().filter_map(|slot| u32::try_from(slot).ok()));
        let absence = Facts::absence_counts(rule);
        if pass.deep || absence {
            candidates.extend(entry.initializing());
        }
        if absence {
            candidates.extend(entry.selected.ones().filter_map(|slot| u32::try_from(slot).ok()));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let judged: Vec<_> = candidates.into_iter().map(|slot| (slot, facts.judge(rule, slot))).collect();
        for (slot, _) in judged.iter().filter(|(_, (verdict, _))| *verdict != Verdict::NoData) {
            entry.without_data.grow(*slot as usize + 1);
            entry.without_data.set(*slot as usize, false);
        }
        if facts.hits.iter().any(|hits| !hits.is_empty()) {
            entry.scan.strangers = false;
        }
        if pass.deep {
            self.look_deep(name, rule, facts, now);
        }
        self.judge_data(name, facts, now);
        for (slot, (verdict, values)) in judged {
            self.judge_one(name, slot, verdict, values, pass.time);
        }
    }

    fn judge_one(
        &mut self,
        name: &Arc<str>,
        slot: u32,
        verdict: Verdict,
        values: Vec<Option<super::pass::Value>>,
        time: Timestamp,
    ) {
        let Some(claim) = self.world.claims.get(slot) else {
            return;
        };
        let pair = Pair { object: claim.volume().into(), rule: Arc::clone(name) };
        if verdict == Verdict::NotMet
            && time.as_second() > i64::from(claim.resized)
            && let Some(entry) = self.rules.get_mut(name)
        {
            entry.cleared.grow(slot as usize + 1);
            entry.cleared.insert(slot as usize);
        }
        if let Some(entry) = self.pairs.get_mut(&pair) {
            let before = entry.reading.verdict;
            entry.reading.take(verdict, time, values);
            if before != verdict || entry.needs_look(verdict) {
                self.dirty.insert(pair.clone());
            }
            if entry.state == RuleState::Normal {
                // Selected again: its journal says that it is Normal, and nobody needs to be told.
                self.mark_normal(&pair);
            } else if entry.state == RuleState::Initializing && verdict == Verdict::NotMet && !entry.in_flight
            {
                self.becomes_normal(name, slot);
                self.set_state(&pair, RuleState::Normal);
            }
            return;
        }
        match verdict {
            Verdict::Met => {
                let quiet = self.quiet_state(&pair);
                let mut entry = super::pairs::PairEntry::new(quiet);
                entry.reading.take(verdict, time, values);
                self.insert_pair(pair.clone(), entry);
                self.dirty.insert(pair);
            }
            Verdict::NotMet => self.becomes_normal(name, slot),
            Verdict::NoData => {}
        }
    }

    fn becomes_normal(&mut self, name: &Arc<str>, slot: u32) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let index = slot as usize;
        if !entry.selected.contains(index) || entry.normal.contains(index) || entry.busy.contains(index) {
            return;
        }
        entry.normal.grow(index + 1);
        entry.normal.insert(index);
        entry.untold.push(slot);
        self.dirty_rules.insert(Arc::clone(name));
    }

    /// Takes in which of the selected objects have data.
    fn look_deep(&mut self, name: &Arc<str>, rule: &Rule, facts: &Facts, now: Timestamp) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let mut without = fixedbitset::FixedBitSet::with_capacity(entry.selected.len());
        let mut strangers = true;
        for index in entry.selected.ones() {
            let Ok(slot) = u32::try_from(index) else { continue };
            strangers &= facts.unknown(rule, slot);
            without.set(index, facts.judge(rule, slot).0 == Verdict::NoData);
        }
        let left = without.count_ones(..) > 0 || facts.counts.contains(&Some(0));
        entry.scan.strangers = strangers;
        entry.scan.fruitless = if left { entry.scan.fruitless.saturating_add(1) } else { 0 };
        entry.scan.last = Some(now);
        if !without.is_subset(&entry.without_data) {
            // Others than before: these are told of in their turn.
            entry.lacking_since = None;
        }
        entry.scan.counts.clone_from(&facts.counts);
        if entry.without_data != without {
            entry.without_data = without;
            self.dirty_rules.insert(Arc::clone(name));
        }
    }

    fn judge_data(&mut self, name: &Arc<str>, facts: &Facts, now: Timestamp) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let selected = entry.selected.count_ones(..);
        let without = entry.without_data.count_ones(..);
        let empty = facts.counts.iter().position(|count| *count == Some(0));
        let silent = facts.warnings.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        let data = if let Some(i) = empty {
            Data::Missing(
                "NoSeries",
                format!("expressions[{i}]: the query answers no series; is its metric scraped? {silent}")
                    .trim_end()
                    .to_owned(),
            )
        } else if selected > 0 && without >= selected && entry.scan.strangers {
            Data::Missing(
                "NoMatchingSeries",
                format!(
                    "no series belongs to any of the {selected} selected objects: a series needs a finite value and \
                     label volumename, or namespace and persistentvolumeclaim, or pv"
                ),
            )
        } else if selected > 0 && without >= selected {
            Data::Missing(
                "NoMatchingSeries",
                format!(
                    "none of the {selected} selected objects can be judged: for each, an expression has no series"
                ),
            )
        } else if without > 0 {
            Data::Available(
                format!("{without} of {selected} objects cannot be judged: an expression has no data for them {silent}")
                    .trim_end()
                    .to_owned(),
            )
        } else {
            Data::Available(silent)
        };
        self.metrics().set_no_data(name, i64::try_from(without).unwrap_or(i64::MAX));
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        let lacking = (without > 0).then(|| entry.lacking_since.unwrap_or(now));
        if entry.data != data || entry.lacking_since != lacking {
            entry.data = data;
            entry.lacking_since = lacking;
            self.dirty_rules.insert(Arc::clone(name));
        }
    }

    fn judge_pools(&mut self, name: &Arc<str>, pass: &RulePass) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        entry.polling = false;
        let pools = pass.pools();
        let data = if pools.is_empty() {
            Data::Missing("NoMatchingSeries", "no series carries a label pool and a finite value".to_owned())
        } else {
            Data::Available(String::new())
        };
        if entry.pools != pools || entry.data != data {
            entry.pools = pools;
            entry.data = data;
            self.dirty_rules.insert(Arc::clone(name));
        }
    }

    /// A rule whose questions got no answer: nothing is known of any of its objects.
    fn no_data(&mut self, name: &Arc<str>, time: Timestamp, reason: &'static str, message: &str) {
        let Some(entry) = self.rules.get_mut(name) else {
            return;
        };
        entry.polling = false;
        let data = Data::Missing(reason, message.to_owned());
        if entry.data != data {
            tracing::warn!(rule = %name, reason, why = message, "no data");
            entry.data = data;
            self.dirty_rules.insert(Arc::clone(name));
        }
        for (pair, entry) in &mut self.pairs {
            if pair.rule == *name {
                entry.reading.take(Verdict::NoData, time, Vec::new());
            }
        }
    }
}
