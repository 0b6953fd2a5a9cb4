//! Asking the metrics: when, what, and what the answers say of each object.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use autopilot_shared::rule::{Action, Expression, Rule, Test};
use fixedbitset::FixedBitSet;
use jiff::{SignedDuration, Timestamp};

use crate::decide::{Seen, Verdict, judge};
use crate::observe::World;
use crate::prometheus::{Answer, Ask, QueryError, Sample, pushdown};

/// A deep look at which objects have data, at least this often.
const DEEP: SignedDuration = SignedDuration::from_secs(600);
/// A deep look because the number of series changed, at most this often.
const DEEP_ON_CHANGE: SignedDuration = SignedDuration::from_secs(60);
/// Longest pause between deep looks for objects that stay unknown.
const LONGEST_SCAN_PAUSE: SignedDuration = SignedDuration::from_secs(300);
/// Deep looks with every pass before the pauses begin.
const EAGER_LOOKS: u32 = 6;

/// How urgent a deep look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nobody waits for it.
    Nobody,
    /// Only objects wait that had no data the last time.
    Later,
    /// A state depends on it.
    Now,
}

/// What became of a question.
pub type Told = Result<Arc<Answer>, Arc<QueryError>>;

/// The part of a question in a rule's evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// How many scrape targets are down.
    Down,
    /// Which objects pass the test of this expression.
    Matching(usize),
    /// How many series this expression has.
    Count(usize),
    /// Which objects this expression has data for.
    Present(usize),
}

/// One rule in one pass.
#[derive(Debug)]
pub struct RulePass {
    /// The rule as it was when the pass began; a rule that was edited since is not judged by it.
    pub rule: Arc<Rule>,
    /// Where samples matched by name begin to count, in seconds.
    pub lookback: i64,
    /// Answers so far.
    pub answers: HashMap<Part, Told>,
    /// What is still asked.
    pub open: usize,
    /// The deep look was asked for.
    pub deep: bool,
    /// The time that all questions carry.
    pub time: Timestamp,
}

/// One pass: all its questions carry the same time.
#[derive(Debug)]
pub struct Pass {
    /// When it began.
    pub began: std::time::Instant,
    /// The rules in it.
    pub rules: HashMap<Arc<str>, RulePass>,
    /// Questions, and who waits for their answer.
    pub asked: HashMap<Ask, Asked>,
}

impl Default for Pass {
    fn default() -> Self {
        Pass { began: std::time::Instant::now(), rules: HashMap::new(), asked: HashMap::new() }
    }
}

/// A question.
#[derive(Debug)]
pub enum Asked {
    /// Under way.
    Open(Vec<(Arc<str>, Part)>),
    /// Answered.
    Done(Told),
}

/// How many series a key has, in one sample.
pub fn count_query(expression: &Expression) -> String {
    format!("count(({}\n))", expression.key)
}

/// How many scrape targets are down, in one sample; none when all are up. Asked where the configuration says that nothing
/// may happen while one is down.
pub const DOWN: &str = "count(up == 0)";

/// What a rule asks at first. The tests of presence ask one thing only.
pub fn questions(rule: &Rule) -> Vec<(Part, String)> {
    let mut all = Vec::new();
    for (i, expression) in rule.expressions.iter().enumerate() {
        all.push((Part::Matching(i), pushdown::matching(expression)));
        if !about_presence(&expression.test) {
            all.push((Part::Count(i), count_query(expression)));
        }
    }
    all
}

/// What a rule asks to tell objects without data from objects whose conditions do not hold.
pub fn deep_questions(rule: &Rule) -> Vec<(Part, String)> {
    let expressions = rule.expressions.iter().enumerate().filter(|(_, e)| !about_presence(&e.test));
    expressions.map(|(i, e)| (Part::Present(i), pushdown::present(e))).collect()
}

fn about_presence(test: &Test) -> bool {
    matches!(test, Test::Exists | Test::DoesNotExist)
}

/// What the answers say, by position of the PVC.
#[derive(Debug)]
pub struct Facts {
    /// Per expression: who passes, with the value.
    pub hits: Vec<HashMap<u32, (f64, Box<str>)>>,
    /// Per expression: who has data; `None` when it was not asked.
    pub present: Vec<Option<FixedBitSet>>,
    /// Series per expression, where counted.
    pub counts: Vec<Option<u64>>,
    /// Remarks of the server.
    pub warnings: BTreeSet<String>,
}

impl RulePass {
    /// The first error among the answers, counts aside: they only say when to look deeper.
    pub fn error(&self) -> Option<&Arc<QueryError>> {
        let mut errors: Vec<(&Part, &Arc<QueryError>)> = self
            .answers
            .iter()
            .filter(|(part, _)| !matches!(part, Part::Count(_)))
            .filter_map(|(part, told)| Some((part, told.as_ref().err()?)))
            .collect();
        errors.sort_by_key(|(part, _)| **part);
        errors.first().map(|(_, error)| *error)
    }

    /// How many scrape targets are down, if that was asked and any is.
    pub fn down(&self) -> Option<f64> {
        let answer = self.answers.get(&Part::Down)?.as_ref().ok()?;
        answer.samples.first().map(|sample| sample.value).filter(|down| *down > 0.0)
    }

    /// Reads the answers. `selected` bounds what is kept.
    pub fn facts(&self, world: &World, selected: &FixedBitSet, now: Timestamp) -> Facts {
        let number = self.rule.expressions.len();
        let mut facts = Facts {
            hits: vec![HashMap::new(); number],
            present: vec![None; number],
            counts: vec![None; number],
            warnings: BTreeSet::new(),
        };
        for (part, told) in &self.answers {
            let Ok(answer) = told else { continue };
            // Of one part only, and in an order of its own: what is said must not change from pass to pass.
            if matches!(part, Part::Matching(_)) {
                facts
                    .warnings
                    .extend(answer.warnings.iter().map(|warning| without_position(warning).to_owned()));
            }
            match *part {
                Part::Down => {}
                Part::Count(i) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a count of series is a small natural number"
                    )]
                    let count = answer.samples.first().map_or(0, |s| s.value.max(0.0) as u64);
                    facts.counts[i] = Some(count);
                }
                Part::Matching(i) => {
                    let test = &self.rule.expressions[i].test;
                    match test {
                        // A warning says that samples may be missing: then nothing is known to be absent.
                        Test::DoesNotExist if !answer.warnings.is_empty() => {}
                        Test::DoesNotExist => {
                            let there = Self::named(world, selected, answer);
                            facts.present[i] = Some(bits(selected.len(), there));
                        }
                        Test::Exists => {
                            let there = self.slots(world, selected, answer, now);
                            facts.present[i] =
                                Some(bits(selected.len(), there.iter().map(|(slot, _)| *slot)));
                            let hit =
                                |(slot, sample): (u32, &Sample)| (slot, (sample.value, sample.text.clone()));
                            facts.hits[i] = there.into_iter().map(hit).collect();
                        }
                        _ => {
                            for (slot, sample) in self.slots(world, selected, answer, now) {
                                if test.holds(sample.value) {
                                    facts.hits[i]
                                        .entry(slot)
                                        .or_insert_with(|| (sample.value, sample.text.clone()));
                                }
                            }
                        }
                    }
                }
                Part::Present(i) => {
                    let there = self.slots(world, selected, answer, now);
                    // A sample bears the time at which its scrape began: it may be there for this question and not
                    // yet for the first one of the same time. One that passes is a hit, not a miss.
                    let test = &self.rule.expressions[i].test;
                    for (slot, sample) in there.iter().filter(|(_, sample)| test.holds(sample.value)) {
                        facts.hits[i].entry(*slot).or_insert_with(|| (sample.value, sample.text.clone()));
                    }
                    facts.present[i] = Some(bits(selected.len(), there.into_iter().map(|(slot, _)| slot)));
                }
            }
        }
        facts
    }

    /// The selected objects that samples with a real value belong to.
    fn slots<'a>(
        &self,
        world: &World,
        selected: &FixedBitSet,
        answer: &'a Answer,
        now: Timestamp,
    ) -> Vec<(u32, &'a Sample)> {
        // As old as it was at the time that the questions carry, however late the answer.
        let oldest = self.time.min(now).as_second() - self.lookback;
        answer
            .samples
            .iter()
            .filter(|sample| sample.value.is_finite())
            .filter_map(|sample| Some((owner(world, sample, oldest)?, sample)))
            .filter(|(slot, _)| selected.contains(*slot as usize))
            .collect()
    }

    /// The selected objects that samples name, whatever their value and age: for these a series is there.
    fn named<'a>(
        world: &'a World,
        selected: &'a FixedBitSet,
        answer: &'a Answer,
    ) -> impl Iterator<Item = u32> + use<'a> {
        let slots = answer.samples.iter().filter_map(|sample| owner(world, sample, i64::MAX));
        slots.filter(|slot| selected.contains(*slot as usize))
    }

    /// The pools that samples name, and whether the conditions hold for them. Data is what a deep look found.
    pub fn pools(&self) -> std::collections::BTreeMap<Box<str>, bool> {
        let mut seen: HashMap<&str, Vec<Seen>> = HashMap::new();
        let number = self.rule.expressions.len();
        for (part, told) in &self.answers {
            let Ok(answer) = told else { continue };
            for sample in &answer.samples {
                let Some(pool) = sample.pool.as_deref().filter(|_| sample.value.is_finite()) else {
                    continue;
                };
                let all = seen.entry(pool).or_insert_with(|| vec![Seen::Unknown; number]);
                match *part {
                    Part::Matching(i) if self.rule.expressions[i].test.holds(sample.value) => {
                        all[i] = Seen::Hit(sample.value, sample.text.clone());
                    }
                    Part::Matching(i) | Part::Present(i) if all[i] == Seen::Unknown => all[i] = Seen::Miss,
                    _ => {}
                }
            }
        }
        seen.into_iter().map(|(pool, all)| (pool.into(), judge(&self.rule, &all) == Verdict::Met)).collect()
    }
}

/// The object that a sample belongs to. One that is recognized by its PVC's name counts only for a PVC that was made at
/// `oldest` or before: a name may have been used before, and samples of the old volume may still be answered.
fn owner(world: &World, sample: &Sample, oldest: i64) -> Option<u32> {
    if let Some(volume) = &sample.volume
        && let Some(slot) = world.claims.by_volume(volume)
    {
        return Some(slot);
    }
    if let (Some(namespace), Some(claim)) = (&sample.namespace, &sample.claim)
        && let Some(slot) = world.claims.by_name(namespace, claim)
    {
        return world.claims.get(slot).is_some_and(|c| c.created <= oldest).then_some(slot);
    }
    world.claims.by_volume(sample.pv.as_deref()?)
}

/// A remark of Prometheus without the position in the query that it ends in: each part of a pass wraps the key in another
/// way.
fn without_position(warning: &str) -> &str {
    let Some((text, position)) = warning.rsplit_once(" (") else { return warning };
    let inside = position.strip_suffix(')').unwrap_or("x");
    let is_position = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || c == ':');
    if is_position { text } else { warning }
}

fn bits(len: usize, slots: impl Iterator<Item = u32>) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(len);
    for slot in slots {
        set.insert(slot as usize);
    }
    set
}

/// A value, as Prometheus printed it.
pub type Value = (f64, Box<str>);

impl Facts {
    /// What is known of one object, expression by expression.
    pub fn seen(&self, rule: &Rule, slot: u32) -> Vec<Seen> {
        rule.expressions
            .iter()
            .enumerate()
            .map(|(i, expression)| {
                let present = self.present[i].as_ref().map(|set| set.contains(slot as usize));
                match (self.hits[i].get(&slot), &expression.test, present) {
                    (Some((value, text)), _, _) => Seen::Hit(*value, text.clone()),
                    (None, Test::DoesNotExist, Some(false)) => Seen::Absent,
                    (None, _, Some(true)) => Seen::Miss,
                    (None, _, _) => Seen::Unknown,
                }
            })
            .collect()
    }

    /// The verdict on one object, and the values that passed.
    pub fn judge(&self, rule: &Rule, slot: u32) -> (Verdict, Vec<Option<Value>>) {
        let seen = self.seen(rule, slot);
        let verdict = judge(rule, &seen);
        let values = seen
            .into_iter()
            .map(|s| match s {
                Seen::Hit(value, text) => Some((value, text)),
                _ => None,
            })
            .collect();
        (verdict, values)
    }

    /// Whether nothing at all is known of an object.
    pub fn unknown(&self, rule: &Rule, slot: u32) -> bool {
        self.seen(rule, slot).iter().all(|s| matches!(s, Seen::Unknown | Seen::Absent))
    }

    /// Whether absence can meet a condition of the rule: then every selected object is looked at.
    pub fn absence_counts(rule: &Rule) -> bool {
        rule.expressions.iter().any(|e| matches!(e.test, Test::DoesNotExist))
    }
}

/// Whether a deep look is due, given the series counted now.
pub fn deep_look_due(scan: &super::rules::Scan, counts: &[Option<u64>], need: Need, now: Timestamp) -> bool {
    let Some(last) = scan.last else { return true };
    let since = now.duration_since(last);
    // Objects that stay unknown are looked for again and again, less and less often.
    let pause = i64::from(scan.fruitless.saturating_sub(EAGER_LOOKS)) * 10;
    let pause = SignedDuration::from_secs(pause).min(LONGEST_SCAN_PAUSE);
    let changed = counts.iter().zip(&scan.counts).any(|(now, then)| now.is_some() && now != then);
    need == Need::Now
        || (need == Need::Later && since >= pause)
        || (changed && since >= DEEP_ON_CHANGE)
        || since >= DEEP
}

/// When a rule is asked next: passes of the same interval fall together, so that their questions do.
pub fn next_poll(now: Timestamp, poll: u64, floor: std::time::Duration) -> Timestamp {
    let interval = i64::try_from(poll.max(floor.as_secs()).max(1)).unwrap_or(i64::MAX);
    let slot = now.as_second().div_euclid(interval).saturating_add(1);
    Timestamp::from_second(slot.saturating_mul(interval)).unwrap_or(Timestamp::MAX)
}

/// Whether a rule has anything to ask for.
pub fn asks(rule: &Rule, selected: usize) -> bool {
    selected > 0 || matches!(rule.action, Action::Pool { .. })
}

#[cfg(test)]
mod tests {
    use autopilot_shared::api::AutopilotRule;
    use serde_json::json;

    use super::*;

    fn answered(values: &[f64]) -> Told {
        let sample = |value: &f64| Sample {
            volume: Some("pvc-1".into()),
            value: *value,
            text: value.to_string().into(),
            ..Sample::default()
        };
        Ok(Arc::new(Answer { samples: values.iter().map(sample).collect(), ..Answer::default() }))
    }

    #[test]
    fn a_sample_that_came_between_two_questions_of_one_pass_is_no_miss() {
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
            let answers =
                [(Part::Matching(0), answered(matching)), (Part::Present(0), answered(present))].into();
            let time = Timestamp::UNIX_EPOCH;
            let pass = RulePass { rule: Arc::clone(&rule), lookback: 0, answers, open: 0, deep: true, time };
            let mut selected = FixedBitSet::with_capacity(1);
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
