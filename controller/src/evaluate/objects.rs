//! The verdict on each object that a pass says anything about.

use autopilot_shared::rule::Rule;

use super::deep_look::LookDepth;
use super::facts::SampleFacts;
use super::reading::Value;
use super::verdict::Verdict;
use crate::observe::SlotSet;

/// The objects of a rule, by the position of their PVC.
pub(crate) struct RuleObjects<'a> {
    /// Those that the rule selects.
    pub(crate) selected: &'a SlotSet,
    /// Those with a pair, whatever its state.
    pub(crate) paired: &'a SlotSet,
    /// Those with a pair that is not Normal.
    pub(crate) busy: &'a SlotSet,
    /// Those that are Normal without a journal saying so.
    pub(crate) normal: &'a SlotSet,
    /// Those that could not be judged at the last deep look.
    pub(crate) without_data: &'a SlotSet,
}

impl RuleObjects<'_> {
    /// Returns those that are neither Normal nor anything else yet.
    fn initializing(&self) -> impl Iterator<Item = u32> {
        self.selected.outside(self.normal, self.busy)
    }
}

/// The verdict on one object.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// Position of its PVC.
    pub(crate) slot: u32,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// The values that passed, in the order of the rule's expressions.
    pub(crate) values: Vec<Option<Value>>,
}

/// Result of a deep look.
#[derive(Debug)]
pub(crate) struct DeepLook {
    /// Selected objects that cannot be judged.
    pub(crate) without_data: SlotSet,
    /// No series belongs to any of them.
    pub(crate) none_matched: bool,
}

/// Returns the verdict on each object that a pass says anything about. `deep`: the pass knows which objects have data.
pub(crate) fn judge_objects(
    rule: &Rule,
    objects: &RuleObjects<'_>,
    facts: &SampleFacts,
    deep: bool,
) -> Vec<Judgement> {
    let mut candidates: Vec<u32> = facts.hits.iter().flat_map(|hits| hits.keys().copied()).collect();
    candidates.extend(objects.paired.iter());
    let absence = SampleFacts::absence_counts(rule);
    if deep || absence {
        candidates.extend(objects.initializing());
    }
    if absence {
        candidates.extend(objects.selected.iter());
    }
    candidates.sort_unstable();
    candidates.dedup();
    let judge = |slot| {
        let (verdict, values) = facts.judge(rule, slot);
        Judgement { slot, verdict, values }
    };
    candidates.into_iter().map(judge).collect()
}

/// Returns which of the selected objects a deep look found no data for.
pub(crate) fn look_deep(rule: &Rule, selected: &SlotSet, facts: &SampleFacts) -> DeepLook {
    let mut without_data = SlotSet::with_capacity(selected.capacity());
    let mut none_matched = true;
    for slot in selected.iter() {
        none_matched &= facts.unknown(rule, slot);
        without_data.set(slot, facts.judge(rule, slot).0 == Verdict::NoData);
    }
    DeepLook { without_data, none_matched }
}

/// Returns how urgent it is to learn that conditions do not hold, or that there is data at all. `waits`: whether the state
/// of an object can only change with that; `missing`: at the last pass there was no data for the rule.
pub(crate) fn look_depth(
    rule: &Rule,
    objects: &RuleObjects<'_>,
    facts: &SampleFacts,
    waits: impl Fn(u32) -> bool,
    missing: bool,
) -> LookDepth {
    let mut depth = LookDepth::Shallow;
    let unknown = |slot: u32| facts.judge(rule, slot).0 == Verdict::NoData;
    // Objects that could not be judged at the last deep look may wait; all others are judged in this pass.
    let mut needs = |slot: u32| {
        if unknown(slot) {
            let known_without = objects.without_data.contains(slot);
            depth = depth.max(if known_without { LookDepth::DeepInTime } else { LookDepth::DeepNow });
        }
        depth == LookDepth::DeepNow
    };
    if objects.initializing().any(&mut needs) {
        return LookDepth::DeepNow;
    }
    // Most of them are judged in this pass, and that is soon seen.
    objects.busy.iter().filter(|slot| unknown(*slot)).filter(|slot| waits(*slot)).any(needs);
    if depth == LookDepth::Shallow && missing {
        depth = LookDepth::DeepInTime;
    }
    depth
}
