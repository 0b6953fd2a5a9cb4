//! What a decision about a rule is made from, taken from the engine's record of it.

use std::collections::BTreeMap;

use autopilot_shared::RuleState;

use super::RuleEntry;
use crate::decide::rule::view::{
    ANNOUNCED_ONE_BY_ONE, ObjectRef, RuleView, SelectedObjects, Unannounced, WITHOUT_DATA_SHOWN,
};
use crate::engine::pair_sets::PairSets;
use crate::observe::{Pvc, World};

impl RuleEntry {
    /// Returns the rule as decisions see it. `suspended`: why the configuration lets no rule start anything.
    pub(crate) fn view<'a>(
        &'a self,
        world: &'a World,
        counts: &'a BTreeMap<RuleState, i64>,
        suspended: Option<&'static str>,
    ) -> RuleView<'a> {
        let object = |slot: u32| world.claims.get(slot).map(object_ref);
        RuleView {
            raw: &self.raw,
            parsed: &self.parsed,
            edited: self.edited,
            suspended,
            data: &self.data,
            without_data_since: self.without_data_since,
            without_data: self.without_data.iter().filter_map(object).take(WITHOUT_DATA_SHOWN).collect(),
            unannounced: self.unannounced(world),
            objects: self.objects(),
            counts,
            looked_deep: self.looked_deep(),
            next_status: self.next_status,
            announced_problems: self.announced_problems,
            announced_outage: self.announced_outage,
        }
    }

    /// Returns the selected objects as the status needs them.
    pub(crate) fn selected_objects<'a>(
        &'a self,
        world: &'a World,
        pairs: &'a PairSets,
    ) -> SelectedObjects<'a> {
        let selected = self.selected.iter().filter_map(|slot| world.claims.get(slot));
        SelectedObjects {
            newest: selected.map(|claim| claim.created).max(),
            initializing: pairs
                .initializing(&self.selected)
                .filter_map(|slot| world.claims.get(slot))
                .map(object_ref)
                .collect(),
        }
    }

    fn unannounced<'a>(&self, world: &'a World) -> Option<Unannounced<'a>> {
        let claim = |slot: &u32| world.claims.get(*slot);
        (!self.unannounced.is_empty()).then(|| Unannounced {
            shown: self
                .unannounced
                .iter()
                .take(ANNOUNCED_ONE_BY_ONE)
                .filter_map(claim)
                .map(object_ref)
                .collect(),
            rest: self.unannounced.len().saturating_sub(ANNOUNCED_ONE_BY_ONE),
            first_of_rest: self.unannounced.get(ANNOUNCED_ONE_BY_ONE).and_then(claim).map(Pvc::volume),
        })
    }
}

fn object_ref(claim: &Pvc) -> ObjectRef<'_> {
    ObjectRef {
        namespace: &claim.namespace,
        name: claim.name(),
        uid: claim.uid(),
        volume: claim.volume(),
        created: claim.created,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::decide::RuleEffect;
    use crate::decide::rule::{self, status};
    use crate::evaluate::availability::Availability;

    const SINCE: &str = "2026-01-01T00:00:00Z";

    /// A rule that has had no data since [`SINCE`], and says so.
    fn without_data() -> RuleEntry {
        let rule = json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1",
            "kind": "AutopilotRule",
            "metadata": { "name": "r", "uid": "u", "generation": 1, "finalizers": [autopilot_shared::api::FINALIZER] },
            "spec": {
                "conditions": { "expressions": [{ "key": "k", "operator": "Gt", "values": ["1"] }] },
                "actions": [{ "name": "openstorage.io.action.volume/resize" }],
            },
        });
        let since: Timestamp = SINCE.parse().unwrap();
        let mut entry = RuleEntry::new(serde_json::from_value(rule).unwrap(), since);
        entry.data = Availability::Missing("Unreachable", "cannot reach prometheus:9090".to_owned());
        let (world, counts) = (World::default(), entry.counts(&PairSets::default()));
        let status = status::wanted(&entry.view(&world, &counts, None), &SelectedObjects::default(), since);
        entry.raw.status = Some(status);
        entry
    }

    #[test]
    fn trouble_that_lasts_is_told_once() {
        let (world, none) = (World::default(), PairSets::default());
        let since: Timestamp = SINCE.parse().unwrap();
        let mut entry = without_data();
        let at = |entry: &RuleEntry, seconds: i64| {
            let (counts, now) = (entry.counts(&none), since + SignedDuration::from_secs(seconds));

            let view = entry.view(&world, &counts, None);
            let decision = rule::decide(&view, || entry.selected_objects(&world, &none), now);
            (decision.effect, decision.wake.map(|w| w.duration_since(since).as_secs()))
        };
        assert!(matches!(at(&entry, 299), (None, Some(300))), "not yet, but looked at again in time");
        let (Some(effect), _) = at(&entry, 300) else { panic!("nothing is told") };
        let RuleEffect::EmitEvents(events) = &effect else { panic!("{effect:?}") };
        let told: Vec<_> = events.iter().map(|e| (e.reason, e.warning, e.message.as_str())).collect();
        let words = "no data since 2026-01-01T00:00:00Z: Unreachable: cannot reach prometheus:9090";
        assert_eq!(told, [("NoData", true, words)]);
        // A restart tells it again, under the same name: the event is there already.
        let again = without_data();
        let (Some(RuleEffect::EmitEvents(same)), _) = at(&again, 9000) else { panic!("nothing is told") };
        assert_eq!((&events[0].seed, events[0].when), (&same[0].seed, same[0].when));

        let told = entry.write_started(&effect, since);
        entry.write_succeeded(told, since);
        assert!(matches!(at(&entry, 9000), (None, None)), "told once");
        entry.data = Availability::Available(String::new());
        assert!(matches!(at(&entry, 9000), (Some(RuleEffect::Status { .. }), _)), "and taken back");
    }
}
