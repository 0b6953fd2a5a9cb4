//! What the metrics of a rule say of its objects.

use std::collections::BTreeMap;

use autopilot_shared::rule::Rule;
use jiff::Timestamp;

use super::RuleEntry;
use crate::engine::pair_sets::PairSets;
use crate::evaluate::availability::{self, Availability};
use crate::evaluate::deep_look::{LookDepth, Scan};
use crate::evaluate::facts::SampleFacts;
use crate::evaluate::objects::{Judgement, RuleObjects, look_deep};
use crate::evaluate::verdict::Verdict;

impl RuleEntry {
    /// Drops what was measured: it was measured for other conditions.
    pub(super) fn drop_measured(&mut self, now: Timestamp) {
        self.data = Availability::Unknown;
        self.scan = Scan::default();
        self.cleared.clear();
        self.without_data.clear();
        self.without_data_since = None;
        self.pools.clear();
        self.next_poll = now;
    }

    /// Notes whether there is data. Returns whether that is news.
    pub(crate) fn set_data(&mut self, data: Availability) -> bool {
        let news = self.data != data;
        if news {
            self.data = data;
        }
        news
    }

    /// Returns whether it is known that there is no data.
    pub(crate) fn data_missing(&self) -> bool {
        matches!(self.data, Availability::Missing(..))
    }

    /// Returns the objects of the rule as the evaluation takes them.
    pub(crate) fn objects_to_judge<'a>(&'a self, pairs: &'a PairSets) -> RuleObjects<'a> {
        RuleObjects {
            selected: &self.selected,
            paired: pairs.paired(),
            busy: pairs.busy(),
            normal: pairs.normal(),
            without_data: &self.without_data,
        }
    }

    /// Returns whether there has been a deep look.
    pub(crate) fn looked_deep(&self) -> bool {
        self.scan.last.is_some()
    }

    /// Returns whether a deep look is due, given the series counted now.
    pub(crate) fn deep_look_due(&self, counts: &[Option<u64>], depth: LookDepth, now: Timestamp) -> bool {
        self.scan.is_due(counts, depth, now)
    }

    /// Takes in these judgements: objects that could be judged have data.
    pub(crate) fn take_judgements(&mut self, judgements: &[Judgement], facts: &SampleFacts) {
        for judged in judgements.iter().filter(|judged| judged.verdict != Verdict::NoData) {
            self.without_data.set(judged.slot, false);
        }
        if facts.hits.iter().any(|hits| !hits.is_empty()) {
            self.scan.none_matched = false;
        }
    }

    /// Takes in a deep look. Returns whether other objects lack data than before.
    pub(crate) fn take_deep_look(&mut self, rule: &Rule, facts: &SampleFacts, now: Timestamp) -> bool {
        let look = look_deep(rule, &self.selected, facts);
        let left = !look.without_data.is_empty() || facts.counts.contains(&Some(0));
        self.scan.record(&facts.counts, look.none_matched, left, now);
        if !look.without_data.is_subset(&self.without_data) {
            // Others than before: these are told of in their turn.
            self.without_data_since = None;
        }
        let news = self.without_data != look.without_data;
        if news {
            self.without_data = look.without_data;
        }
        news
    }

    /// Returns how many objects have no data.
    pub(crate) fn without_data(&self) -> usize {
        self.without_data.len()
    }

    /// Notes what a pass says of the data of all objects. Returns whether that is news.
    pub(crate) fn take_availability(&mut self, facts: &SampleFacts, now: Timestamp) -> bool {
        let without = self.without_data();
        let data = availability::of_objects(facts, self.selected.len(), without, self.scan.none_matched);
        let since = (without > 0).then(|| self.without_data_since.unwrap_or(now));
        let news = self.data != data || self.without_data_since != since;
        if news {
            self.data = data;
            self.without_data_since = since;
        }
        news
    }

    /// Takes in these pools. Returns whether they are news.
    pub(crate) fn take_pools(&mut self, pools: BTreeMap<Box<str>, bool>) -> bool {
        let data = availability::of_pools(pools.len());
        let news = self.pools != pools || self.data != data;
        if news {
            self.pools = pools;
            self.data = data;
        }
        news
    }

    /// The conditions were seen not to hold for a PVC since its size changed.
    pub(crate) fn note_cleared(&mut self, slot: u32) {
        self.cleared.insert(slot);
    }

    /// Returns whether the conditions were seen not to hold for a PVC since its size changed.
    pub(crate) fn was_cleared(&self, slot: u32) -> bool {
        self.cleared.contains(slot)
    }

    /// The size of a PVC changed: what its conditions were before says nothing any more.
    pub(crate) fn size_changed(&mut self, slot: u32) {
        self.cleared.remove(slot);
    }

    /// A PVC turned out to be Normal, which is still to be told. Returns whether the rule selects it.
    pub(crate) fn becomes_normal(&mut self, slot: u32) -> bool {
        let selected = self.selected.contains(slot);
        if selected {
            self.unannounced.push(slot);
        }
        selected
    }
}
