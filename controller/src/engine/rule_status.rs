//! What is written for a rule itself: finalizer, events, status.

use autopilot_shared::RuleState;
use autopilot_shared::api::AutopilotRuleStatus;
use autopilot_shared::rule::{Action, RuleProblem};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::ResourceExt as _;

use super::rules::{Data, RuleEntry, signed};
use crate::act::RuleEffect;
use crate::decide::{EventDraft, Regarding, has_finalizer};
use crate::observe::{Claim, World};

/// Objects without data that a status names.
pub const WITHOUT_DATA_SHOWN: usize = 25;
/// `Initializing => Normal` events per rule and wave, beyond which the rest is told in one.
pub const TOLD_ONE_BY_ONE: usize = 25;
/// Trouble with data that lasts this long is told in an event.
pub const TROUBLE_LASTS: SignedDuration = SignedDuration::from_secs(300);

impl RuleEntry {
    /// The next write for the rule itself. `suspended`: why the configuration lets no rule start anything.
    pub fn decide(
        &self,
        world: &World,
        suspended: Option<&'static str>,
        now: Timestamp,
    ) -> (Option<RuleEffect>, Option<Timestamp>) {
        let finalizers = self.raw.metadata.finalizers.clone().unwrap_or_default();
        if !has_finalizer(&finalizers) {
            let finalizers =
                finalizers.into_iter().chain([autopilot_shared::api::FINALIZER.to_owned()]).collect();
            return (Some(RuleEffect::AddFinalizer { target: self.target(), finalizers }), None);
        }
        if let Some(events) = self.problems_to_tell(now).or_else(|| self.objects_to_tell(world)) {
            return (Some(RuleEffect::Tell(events)), None);
        }
        let mut wake = None;
        if let Some(since) = self.trouble_since() {
            if now >= since + TROUBLE_LASTS && self.told_trouble != Some(since) {
                return (Some(RuleEffect::Tell(vec![self.trouble(world, since)])), None);
            }
            wake = (self.told_trouble != Some(since)).then(|| since + TROUBLE_LASTS);
        }
        if now < self.next_status {
            return (None, Some(wake.map_or(self.next_status, |w: Timestamp| w.min(self.next_status))));
        }
        let wanted = self.status(world, suspended, now);
        if self.raw.status.as_ref() == Some(&wanted) {
            return (None, wake);
        }
        (Some(RuleEffect::Status { target: self.target(), status: Box::new(wanted) }), None)
    }

    /// Since when there has been no data, as the status has it; or not enough for some objects.
    pub(crate) fn trouble_since(&self) -> Option<Timestamp> {
        if matches!(self.data, Data::Available(_)) {
            return self.lacking_since;
        }
        matches!(self.data, Data::Missing(..)).then_some(())?;
        let condition = self.raw.status.as_ref()?.conditions.iter().find(|c| c.type_ == "DataAvailable")?;
        (condition.status == "False").then_some(condition.last_transition_time.0)
    }

    fn trouble(&self, world: &World, since: Timestamp) -> EventDraft {
        let (which, when, message) = match &self.data {
            Data::Missing(reason, message) => {
                (since.as_second().to_string(), since, format!("no data since {since}: {reason}: {message}"))
            }
            // Only memory knows since when: the name follows from the objects.
            Data::Available(message) => {
                let lacking = self.lacking(world).fold((String::new(), 0), |(names, newest), claim| {
                    (names + claim.volume() + ", ", newest.max(claim.created))
                });
                let (names, newest) = (lacking.0.trim_end_matches(", "), lacking.1);
                let message = format!("no data for {names}: {message}");
                (names.to_owned(), Timestamp::from_second(newest).unwrap_or(since), message)
            }
            Data::Unknown => (String::new(), since, String::new()),
        };
        EventDraft {
            regarding: self.regarding(),
            when: when + TROUBLE_LASTS,
            step: 0,
            seed: vec![self.uid().to_owned(), "NoData".to_owned(), which],
            warning: true,
            reason: "NoData",
            message,
        }
    }

    /// Objects without data, the first few.
    fn lacking<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a Claim> {
        let claims = self.without_data.ones().filter_map(|slot| world.claims.get(u32::try_from(slot).ok()?));
        claims.take(WITHOUT_DATA_SHOWN)
    }

    fn problems_to_tell(&self, now: Timestamp) -> Option<Vec<EventDraft>> {
        let Err(problems) = &self.parsed else { return None };
        let generation = self.raw.metadata.generation.unwrap_or_default();
        (self.told_problems != Some(generation)).then(|| {
            vec![EventDraft {
                regarding: self.regarding(),
                // The name of an event holds its time: that of the edit is the same for everybody who tells of it.
                when: self.edited.unwrap_or(now),
                step: 0,
                seed: vec![self.uid().to_owned(), "InvalidRule".to_owned(), generation.to_string()],
                warning: true,
                reason: "InvalidRule",
                message: sentence(problems),
            }]
        })
    }

    /// The events for objects that left Initializing. Their names follow from the object alone, so that a second
    /// telling is none.
    fn objects_to_tell(&self, world: &World) -> Option<Vec<EventDraft>> {
        if self.untold.is_empty() {
            return None;
        }
        let name = self.raw.name_any();
        let mut all = Vec::new();
        for slot in self.untold.iter().take(TOLD_ONE_BY_ONE) {
            let Some(claim) = world.claims.get(*slot) else {
                continue;
            };
            let message = crate::decide::transition_message(
                &name,
                claim.volume(),
                RuleState::Initializing,
                RuleState::Normal,
            );
            let when = Timestamp::from_second(claim.created).unwrap_or_default();
            let claim_ref = Regarding::Claim {
                namespace: claim.namespace.to_string(),
                name: claim.name().to_owned(),
                uid: claim.uid().to_owned(),
            };
            for (regarding, kind) in [(self.regarding(), "rule"), (claim_ref, "claim")] {
                all.push(EventDraft {
                    regarding,
                    when,
                    step: 0,
                    seed: vec![
                        self.uid().to_owned(),
                        claim.volume().to_owned(),
                        claim.uid().to_owned(),
                        kind.to_owned(),
                    ],
                    warning: false,
                    reason: "Transition",
                    message: message.clone(),
                });
            }
        }
        let rest = self.untold.len().saturating_sub(TOLD_ONE_BY_ONE);
        if rest > 0 {
            let first = self.untold.get(TOLD_ONE_BY_ONE).and_then(|slot| world.claims.get(*slot));
            let created = self.raw.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
            all.push(EventDraft {
                regarding: self.regarding(),
                when: created,
                step: 1,
                seed: vec![
                    self.uid().to_owned(),
                    "and others".to_owned(),
                    first.map(|c| c.volume().to_owned()).unwrap_or_default(),
                ],
                warning: false,
                reason: "Transition",
                message: format!("rule: {name}: {rest} more objects transition from Initializing => Normal"),
            });
        }
        Some(all)
    }

    /// The status as it should be.
    fn status(&self, world: &World, suspended: Option<&str>, now: Timestamp) -> AutopilotRuleStatus {
        let old = self.raw.status.clone().unwrap_or_default();
        let mut conditions = old.conditions.clone();
        let generation = self.raw.metadata.generation;
        // After a restart what was known of this spec stands until it has been asked again: a start is no news.
        let stands = self.scan.last.is_none()
            && self.objects() > 0
            && old.observed_generation == generation
            && old
                .conditions
                .iter()
                .any(|c| c.type_ == "DataAvailable" && c.observed_generation == generation);
        let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
            let message: String = message.chars().take(1000).collect();
            match conditions.iter_mut().find(|c| c.type_ == kind) {
                Some(known) => {
                    if known.status != status {
                        known.last_transition_time = Time(whole_seconds(now));
                    }
                    known.status = status.to_owned();
                    known.reason = reason.to_owned();
                    known.message = message;
                    known.observed_generation = generation;
                }
                None => conditions.push(Condition {
                    type_: kind.to_owned(),
                    status: status.to_owned(),
                    reason: reason.to_owned(),
                    message,
                    last_transition_time: Time(whole_seconds(now)),
                    observed_generation: generation,
                }),
            }
        };
        match &self.parsed {
            Ok(rule) => {
                set("Ready", "True", "Understood", "the rule is understood");
                let (status, reason, text) = match &rule.action {
                    Action::Pool { .. } if !rule.selector.is_empty() => (
                        "False",
                        "NoStorageProvider",
                        "no storage provider is configured that could act on pools; spec.selector is not supported \
                         on pool rules, and all pools that samples name are evaluated",
                    ),
                    Action::Pool { .. } => (
                        "False",
                        "NoStorageProvider",
                        "no storage provider is configured that could act on pools; they are only evaluated",
                    ),
                    Action::ResizeVolume { .. } => ("True", "Resize", "PVCs are resized through Kubernetes"),
                };
                set("Actionable", status, reason, text);
            }
            Err(problems) => set("Ready", "False", "InvalidRule", &sentence(problems)),
        }
        match &self.data {
            Data::Unknown if self.parsed.is_err() => {
                set("DataAvailable", "Unknown", "InvalidRule", "not asked")
            }
            Data::Unknown if stands => {}
            Data::Unknown => {
                set("DataAvailable", "Unknown", "NotAsked", "no object is selected, or not asked yet")
            }
            Data::Available(remark) => set("DataAvailable", "True", "DataAvailable", remark),
            Data::Missing(reason, message) => set("DataAvailable", "False", reason, message),
        }
        match suspended {
            _ if self.parsed.as_ref().is_ok_and(|r| r.suspended) => {
                set("Suspended", "True", "SpecSuspend", "spec.suspend is true: nothing new is started");
            }
            Some(why) => set("Suspended", "True", "Configuration", why),
            None => set("Suspended", "False", "Active", ""),
        }
        let without: Vec<String> = if stands {
            old.without_data.clone()
        } else {
            self.lacking(world).map(|claim| claim.volume().to_owned()).collect()
        };
        // Everything that left Initializing has been told when this is decided. An object that waits for data keeps
        // the mark where it is, unless it is named.
        let unnamed = self
            .initializing()
            .filter_map(|slot| world.claims.get(slot))
            .filter(|claim| !without.iter().any(|w| **w == *claim.volume()))
            .map(|claim| claim.created)
            .min();
        let newest = self
            .selected
            .ones()
            .filter_map(|slot| world.claims.get(u32::try_from(slot).ok()?))
            .map(|claim| claim.created)
            .max();
        let through = match (newest, unnamed) {
            (Some(newest), None) => Some(newest),
            (Some(newest), Some(waits)) => Some(newest.min(waits - 1)),
            (None, _) => None,
        };
        let known = old.initialized_through.as_ref().map(|t| t.0.as_second());
        let through = through.max(known).and_then(|s| Timestamp::from_second(s).ok()).map(MicroTime);
        AutopilotRuleStatus {
            observed_generation: generation,
            conditions,
            objects: Some(signed(self.objects())),
            states: self.counts().into_iter().map(|(s, n)| (s.as_str().to_owned(), n)).collect(),
            without_data: without,
            initialized_through: through,
        }
    }
}

fn sentence(problems: &[RuleProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What the API keeps of a time in a condition.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        entry.data = Data::Missing("Unreachable", "cannot reach prometheus:9090".to_owned());
        entry.raw.status = Some(entry.status(&World::default(), None, since));
        entry
    }

    #[test]
    fn trouble_that_lasts_is_told_once() {
        let world = World::default();
        let since: Timestamp = SINCE.parse().unwrap();
        let mut entry = without_data();
        let at = |entry: &RuleEntry, seconds: i64| {
            let (effect, wake) = entry.decide(&world, None, since + SignedDuration::from_secs(seconds));
            (effect, wake.map(|w| w.duration_since(since).as_secs()))
        };
        assert!(matches!(at(&entry, 299), (None, Some(300))), "not yet, but looked at again in time");
        let (Some(effect), _) = at(&entry, 300) else { panic!("nothing is told") };
        let RuleEffect::Tell(events) = &effect else { panic!("{effect:?}") };
        let told: Vec<_> = events.iter().map(|e| (e.reason, e.warning, e.message.as_str())).collect();
        let words = "no data since 2026-01-01T00:00:00Z: Unreachable: cannot reach prometheus:9090";
        assert_eq!(told, [("NoData", true, words)]);
        // A restart tells it again, under the same name: the event is there already.
        let again = without_data();
        let (Some(RuleEffect::Tell(same)), _) = at(&again, 9000) else { panic!("nothing is told") };
        assert_eq!((&events[0].seed, events[0].when), (&same[0].seed, same[0].when));

        let told = entry.what_is_told(&effect);
        entry.told(told);
        assert!(matches!(at(&entry, 9000), (None, None)), "told once");
        entry.data = Data::Available(String::new());
        assert!(matches!(at(&entry, 9000), (Some(RuleEffect::Status { .. }), _)), "and taken back");
    }
}
