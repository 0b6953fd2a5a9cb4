//! What the query results of one pass say of each object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use autopilot_shared::rule::{Rule, Test};
use jiff::Timestamp;

use super::queries::Part;
use super::reading::Value;
use super::samples::{named, with_values};
use super::verdict::{ExpressionResult, Verdict, judge};
use crate::observe::{SlotSet, World};
use crate::prometheus::{Answer, QueryError, Sample};

/// Result of a query.
pub(crate) type QueryResult = Result<Arc<Answer>, Arc<QueryError>>;

/// The query results of one rule in one pass.
#[derive(Debug)]
pub(crate) struct RuleResults {
    /// The rule as it was when the pass began; a rule that was edited since is not judged by it.
    pub(crate) rule: Arc<Rule>,
    /// How far a query looks back for a sample, in seconds.
    pub(crate) lookback: i64,
    /// The time that all queries carry.
    pub(crate) time: Timestamp,
    /// Results so far.
    pub(crate) results: HashMap<Part, QueryResult>,
}

/// The findings of a pass for each object, by the slot of its PVC.
#[derive(Debug)]
pub(crate) struct SampleFacts {
    /// Per expression: the objects that pass, with the value.
    pub(crate) hits: Vec<HashMap<u32, Value>>,
    /// Per expression: the objects with data; `None` if it was not asked.
    pub(crate) present: Vec<Option<SlotSet>>,
    /// Series per expression, where counted.
    pub(crate) counts: Vec<Option<u64>>,
    /// Warnings of the server.
    pub(crate) warnings: BTreeSet<String>,
}

impl RuleResults {
    /// Returns the first error, counts aside: they only say when to look deeper.
    pub(crate) fn error(&self) -> Option<&Arc<QueryError>> {
        let mut errors: Vec<(&Part, &Arc<QueryError>)> = self
            .results
            .iter()
            .filter(|(part, _)| !matches!(part, Part::Count(_)))
            .filter_map(|(part, result)| Some((part, result.as_ref().err()?)))
            .collect();
        errors.sort_by_key(|(part, _)| **part);
        errors.first().map(|(_, error)| *error)
    }

    /// Returns how many scrape targets are down; `None` if that was not asked or none is.
    pub(crate) fn down(&self) -> Option<f64> {
        let answer = self.results.get(&Part::Down)?.as_ref().ok()?;
        answer.samples.first().map(|sample| sample.value).filter(|down| *down > 0.0)
    }

    /// Reads the answers. `selected` bounds what is kept.
    pub(crate) fn facts(&self, world: &World, selected: &SlotSet, now: Timestamp) -> SampleFacts {
        let number = self.rule.expressions.len();
        let mut facts = SampleFacts {
            hits: vec![HashMap::new(); number],
            present: vec![None; number],
            counts: vec![None; number],
            warnings: BTreeSet::new(),
        };
        // As old as it was at the time that the queries carry, however late the answer.
        let oldest = self.time.min(now).as_second() - self.lookback;
        for (part, result) in &self.results {
            let Ok(answer) = result else { continue };
            // Of one part only, and in an order of its own: what is said must not change from pass to pass.
            if matches!(part, Part::Matching(_)) {
                facts
                    .warnings
                    .extend(answer.warnings.iter().map(|warning| without_position(warning).to_owned()));
            }
            match *part {
                Part::Down => {}
                Part::Count(i) => facts.counts[i] = Some(count(answer)),
                Part::Matching(i) => match self.rule.expressions[i].test {
                    // A warning says that samples may be missing: then nothing is known to be absent.
                    Test::DoesNotExist if !answer.warnings.is_empty() => {}
                    Test::DoesNotExist => {
                        let there = named(world, selected, answer);
                        facts.present[i] = Some(SlotSet::of(selected.capacity(), there));
                    }
                    Test::Exists => {
                        let there = with_values(world, selected, answer, oldest);
                        let slots = there.iter().map(|(slot, _)| *slot);
                        facts.present[i] = Some(SlotSet::of(selected.capacity(), slots));
                        facts.hits[i] =
                            there.into_iter().map(|(slot, sample)| (slot, value(sample))).collect();
                    }
                    ref test => facts.add_hits(i, test, &with_values(world, selected, answer, oldest)),
                },
                Part::Present(i) => {
                    let there = with_values(world, selected, answer, oldest);
                    // A sample bears the time at which its scrape began: it may be there for this query and not yet for
                    // the first one of the same time. One that passes is a hit, not a miss.
                    facts.add_hits(i, &self.rule.expressions[i].test, &there);
                    facts.present[i] =
                        Some(SlotSet::of(selected.capacity(), there.into_iter().map(|(slot, _)| slot)));
                }
            }
        }
        facts
    }

    /// Returns the pools that samples name, and whether the conditions hold for them. Data is what a deep look found.
    pub(crate) fn pools(&self) -> BTreeMap<Box<str>, bool> {
        let mut pools: HashMap<&str, Vec<ExpressionResult>> = HashMap::new();
        let number = self.rule.expressions.len();
        for (part, result) in &self.results {
            let Ok(answer) = result else { continue };
            for sample in &answer.samples {
                let Some(pool) = sample.pool.as_deref().filter(|_| sample.value.is_finite()) else {
                    continue;
                };
                let all = pools.entry(pool).or_insert_with(|| vec![ExpressionResult::Unknown; number]);
                match *part {
                    Part::Matching(i) if self.rule.expressions[i].test.holds(sample.value) => {
                        all[i] = ExpressionResult::Hit(sample.value, sample.text.clone());
                    }
                    Part::Matching(i) | Part::Present(i) if all[i] == ExpressionResult::Unknown => {
                        all[i] = ExpressionResult::Miss
                    }
                    _ => {}
                }
            }
        }
        pools.into_iter().map(|(pool, all)| (pool.into(), judge(&self.rule, &all) == Verdict::Met)).collect()
    }
}

fn value(sample: &Sample) -> Value {
    (sample.value, sample.text.clone())
}

/// Returns how many series a count query found.
fn count(answer: &Answer) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of series is a small natural number"
    )]
    answer.samples.first().map_or(0, |sample| sample.value.max(0.0) as u64)
}

/// Returns a warning of Prometheus without the position in the query that it ends in: each part of a pass wraps the key in
/// another way.
fn without_position(warning: &str) -> &str {
    let Some((text, position)) = warning.rsplit_once(" (") else { return warning };
    let inside = position.strip_suffix(')').unwrap_or("x");
    let is_position = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || c == ':');
    if is_position { text } else { warning }
}

impl SampleFacts {
    fn add_hits(&mut self, expression: usize, test: &Test, samples: &[(u32, &Sample)]) {
        for (slot, sample) in samples.iter().filter(|(_, sample)| test.holds(sample.value)) {
            self.hits[expression].entry(*slot).or_insert_with(|| value(sample));
        }
    }

    /// Returns the result of each expression for one object.
    fn results(&self, rule: &Rule, slot: u32) -> Vec<ExpressionResult> {
        rule.expressions
            .iter()
            .enumerate()
            .map(|(i, expression)| {
                let present = self.present[i].as_ref().map(|set| set.contains(slot));
                match (self.hits[i].get(&slot), &expression.test, present) {
                    (Some((value, text)), _, _) => ExpressionResult::Hit(*value, text.clone()),
                    (None, Test::DoesNotExist, Some(false)) => ExpressionResult::Absent,
                    (None, _, Some(true)) => ExpressionResult::Miss,
                    (None, _, _) => ExpressionResult::Unknown,
                }
            })
            .collect()
    }

    /// Returns the verdict on one object, and the values that passed.
    pub(crate) fn judge(&self, rule: &Rule, slot: u32) -> (Verdict, Vec<Option<Value>>) {
        let results = self.results(rule, slot);
        let verdict = judge(rule, &results);
        let values = results
            .into_iter()
            .map(|result| match result {
                ExpressionResult::Hit(value, text) => Some((value, text)),
                _ => None,
            })
            .collect();
        (verdict, values)
    }

    /// Returns whether no expression has data for an object.
    pub(crate) fn unknown(&self, rule: &Rule, slot: u32) -> bool {
        self.results(rule, slot)
            .iter()
            .all(|result| matches!(result, ExpressionResult::Unknown | ExpressionResult::Absent))
    }

    /// Returns whether absence can meet a condition of the rule: then every selected object is judged.
    pub(crate) fn absence_counts(rule: &Rule) -> bool {
        rule.expressions.iter().any(|e| matches!(e.test, Test::DoesNotExist))
    }
}

#[cfg(test)]
mod tests {
    use autopilot_shared::api::AutopilotRule;
    use serde_json::json;

    use super::*;

    fn answered(values: &[f64]) -> QueryResult {
        let sample = |value: &f64| Sample {
            volume: Some("pvc-1".into()),
            value: *value,
            text: value.to_string().into(),
            ..Sample::default()
        };
        Ok(Arc::new(Answer { samples: values.iter().map(sample).collect(), ..Answer::default() }))
    }

    #[test]
    fn a_sample_that_came_between_two_queries_of_one_pass_is_no_miss() {
        let rule: AutopilotRule = serde_json::from_value(json!({
            "metadata": { "name": "r" },
            "spec": {
                "conditions": { "expressions": [{ "key": "usage", "operator": "Gt", "values": ["50"] }] },
                "actions": [{
                    "name": "openstorage.io.action.volume/resize", "params": { "scalepercentage": "100" },
                }],
            },
        }))
        .unwrap();
        let mut world = World::default();
        let claim = json!({
            "metadata": { "namespace": "n", "name": "c", "uid": "u", "resourceVersion": "1" },
            "spec": { "volumeName": "pvc-1" },
            "status": { "phase": "Bound" },
        });
        world.claim(&serde_json::from_value(claim).unwrap()).unwrap();
        let rule = Arc::new(Rule::parse(&rule).unwrap());
        let verdict = |matching: &[f64], present: &[f64]| {
            let results =
                [(Part::Matching(0), answered(matching)), (Part::Present(0), answered(present))].into();
            let time = Timestamp::UNIX_EPOCH;
            let pass = RuleResults { rule: Arc::clone(&rule), lookback: 0, time, results };
            let mut selected = SlotSet::with_capacity(1);
            selected.insert(0);
            pass.facts(&world, &selected, time).judge(&rule, 0).0
        };
        let table = [
            (&[][..], &[60.0][..], Verdict::Met),
            (&[60.0], &[60.0], Verdict::Met),
            (&[], &[40.0], Verdict::NotMet),
            (&[], &[], Verdict::NoData),
        ];
        for (matching, present, expected) in table {
            assert_eq!(verdict(matching, present), expected, "{matching:?} {present:?}");
        }
    }
}
