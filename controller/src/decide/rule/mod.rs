//! What is written for a rule itself: finalizer, events, status.
//!
//! Pure, like all of `decide`. One call decides at most one write.

pub(crate) mod events;
pub(crate) mod finalizer;
pub(crate) mod status;
pub(crate) mod view;

use jiff::Timestamp;

use self::view::{RuleView, SelectedObjects};
use super::effect::RuleEffect;

/// The next write for a rule, and when to look again.
#[derive(Debug)]
pub(crate) struct RuleDecision {
    /// The next write.
    pub(crate) effect: Option<RuleEffect>,
    /// Look again then, if nothing happens before.
    pub(crate) wake: Option<Timestamp>,
}

/// Decides the next write for a rule. `selected` is called only if the status is due: it looks at every object.
pub(crate) fn decide<'a>(
    view: &RuleView<'a>,
    selected: impl FnOnce() -> SelectedObjects<'a>,
    now: Timestamp,
) -> RuleDecision {
    let write = |effect| RuleDecision { effect: Some(effect), wake: None };
    if let Some(effect) = finalizer::add(view) {
        return write(effect);
    }
    if let Some(events) = events::problems(view, now).or_else(|| events::objects(view)) {
        return write(RuleEffect::EmitEvents(events));
    }
    let (outage, outage_due) = events::outage(view, now);
    if let Some(event) = outage {
        return write(RuleEffect::EmitEvents(vec![event]));
    }
    if now < view.next_status {
        let wake = outage_due.map_or(view.next_status, |due| due.min(view.next_status));
        return RuleDecision { effect: None, wake: Some(wake) };
    }
    let effect = status::due(view, &selected(), now);
    let wake = outage_due.filter(|_| effect.is_none());
    RuleDecision { effect, wake }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use autopilot_shared::RuleState;
    use autopilot_shared::api::{AutopilotRule, AutopilotRuleStatus, FINALIZER};
    use autopilot_shared::rule::{Rule, RuleProblem};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::view::{ObjectRef, Unannounced, WITHOUT_DATA_SHOWN};
    use super::*;
    use crate::decide::precondition::announced;
    use crate::evaluate::availability::Availability;

    /// A rule with our finalizer that is understood, has data, and no status yet.
    struct Given {
        raw: AutopilotRule,
        parsed: Result<Arc<Rule>, Vec<RuleProblem>>,
        data: Availability,
        counts: BTreeMap<RuleState, i64>,
    }

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn given() -> Given {
        let raw: AutopilotRule = serde_json::from_value(json!({
            "metadata": { "name": "r", "uid": "u", "generation": 3, "finalizers": [FINALIZER] },
            "spec": {
                "conditions": { "expressions": [{ "key": "k", "operator": "Gt", "values": ["1"] }] },
                "actions": [{ "name": "openstorage.io.action.volume/resize" }],
            },
        }))
        .unwrap();
        let parsed = Ok(Arc::new(Rule::parse(&raw).unwrap()));
        Given { raw, parsed, data: Availability::Available(String::new()), counts: BTreeMap::new() }
    }

    impl Given {
        fn view(&self) -> RuleView<'_> {
            RuleView {
                raw: &self.raw,
                parsed: &self.parsed,
                edited: None,
                suspended: None,
                data: &self.data,
                without_data_since: None,
                without_data: Vec::new(),
                unannounced: None,
                objects: 2,
                counts: &self.counts,
                looked_deep: true,
                next_status: start(),
                announced_problems: None,
                announced_outage: None,
            }
        }
    }

    fn object(volume: &'static str, created: i64) -> ObjectRef<'static> {
        ObjectRef { namespace: "n", name: "c", uid: "u", volume, created }
    }

    fn say(decision: &RuleDecision) -> String {
        match &decision.effect {
            None => "nothing".to_owned(),
            Some(RuleEffect::AddFinalizer { .. }) => "finalizer".to_owned(),
            Some(RuleEffect::EmitEvents(events)) => format!("{} {}", events.len(), events[0].reason),
            Some(RuleEffect::Status { .. }) => "status".to_owned(),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_rule_gets_its_finalizer_then_events_then_status() {
        let problem = || RuleProblem { field: "spec".to_owned(), problem: "no".to_owned() };
        let later = |seconds| start() + SignedDuration::from_secs(seconds);
        let decide_at = |view: &RuleView<'_>, seconds| decide(view, SelectedObjects::default, later(seconds));
        let (mut fresh, given) = (given(), given());
        fresh.raw.metadata.finalizers = None;
        fresh.parsed = Err(vec![problem()]);
        assert_eq!(say(&decide_at(&fresh.view(), 0)), "finalizer", "before anything is said");

        let mut invalid = self::given();
        invalid.parsed = Err(vec![problem()]);
        assert_eq!(say(&decide_at(&invalid.view(), 0)), "1 InvalidRule");
        let said = RuleView { announced_problems: Some(3), ..invalid.view() };
        assert_eq!(say(&decide_at(&said, 0)), "status", "once for each generation");
        let edited = RuleView { announced_problems: Some(2), ..invalid.view() };
        assert_eq!(say(&decide_at(&edited, 0)), "1 InvalidRule");

        let shown = vec![object("v1", 1), object("v2", 2)];
        let some = Unannounced { shown: shown.clone(), rest: 0, first_of_rest: None };
        let view = RuleView { unannounced: Some(some), ..given.view() };
        assert_eq!(say(&decide_at(&view, 0)), "4 Transition", "for the rule and for the PVC");
        let many = Unannounced { shown, rest: 7, first_of_rest: Some("v3") };
        let view = RuleView { unannounced: Some(many), ..given.view() };
        assert_eq!(say(&decide_at(&view, 0)), "5 Transition", "the rest in one");

        let lacking = || RuleView {
            without_data_since: Some(start()),
            without_data: vec![object("v1", 1)],
            next_status: later(1000),
            ..given.view()
        };
        let early = decide_at(&lacking(), 299);
        assert_eq!((say(&early), early.wake), ("nothing".to_owned(), Some(later(300))));
        assert_eq!(say(&decide_at(&lacking(), 300)), "1 NoData");
        let said = RuleView { announced_outage: Some(start()), ..lacking() };
        let decision = decide_at(&said, 300);
        assert_eq!((say(&decision), decision.wake), ("nothing".to_owned(), Some(later(1000))));
    }

    fn status_of(view: &RuleView<'_>, selected: &SelectedObjects<'_>) -> AutopilotRuleStatus {
        status::wanted(view, selected, start())
    }

    #[test]
    fn a_status_says_whether_the_rule_is_understood_has_data_and_may_start_anything() {
        let said = |given: &Given, suspended: Option<&'static str>| {
            let view = RuleView { suspended, ..given.view() };
            let status = status_of(&view, &SelectedObjects::default());
            let said = status.conditions.iter().map(|c| format!("{}={} {}", c.type_, c.status, c.reason));
            said.collect::<Vec<_>>()
        };
        let mut given = given();
        assert_eq!(
            said(&given, None),
            [
                "Ready=True Understood",
                "Actionable=True Resize",
                "DataAvailable=True DataAvailable",
                "Suspended=False Active"
            ]
        );
        given.data = Availability::Missing("NoSeries", "none".to_owned());
        let suspended = said(&given, Some("all rules are suspended"));
        assert_eq!(suspended[2..], ["DataAvailable=False NoSeries", "Suspended=True Configuration"]);
        given.data = Availability::Unknown;
        assert_eq!(said(&given, None)[2], "DataAvailable=Unknown NotAsked");
        given.parsed = Err(vec![RuleProblem { field: "spec".to_owned(), problem: "no".to_owned() }]);
        assert_eq!(said(&given, None)[..2], ["Ready=False InvalidRule", "DataAvailable=Unknown InvalidRule"]);
    }

    #[test]
    fn after_a_restart_the_status_stands_until_the_metrics_have_been_asked() {
        let mut given = given();
        given.data = Availability::Missing("NoSeries", "none".to_owned());
        let first = RuleView { without_data: vec![object("v1", 1)], ..given.view() };
        let status = status_of(&first, &SelectedObjects::default());
        given.raw.status = Some(status.clone());
        given.data = Availability::Unknown;
        let restarted = RuleView { looked_deep: false, ..given.view() };
        let after = status_of(&restarted, &SelectedObjects::default());
        assert_eq!((&after.conditions, &after.without_data), (&status.conditions, &status.without_data));
        let asked = status_of(&given.view(), &SelectedObjects::default());
        assert!(asked != after && asked.without_data.is_empty());
    }

    #[test]
    fn an_object_that_was_named_stays_named_until_it_has_left_initializing() {
        let mut given = given();
        let waits = object("v1", 5);
        let status = |given: &Given, without: &[ObjectRef<'static>], initializing: &[ObjectRef<'static>]| {
            let view = RuleView { without_data: without.to_vec(), ..given.view() };
            status_of(&view, &SelectedObjects { newest: Some(5), initializing: initializing.to_vec() })
        };
        // Given a mark that covers an object without data, which is named.
        let named = status(&given, &[waits], &[waits]);
        assert_eq!(named.initialized_through.as_ref().map(|t| t.0.as_second()), Some(5));
        given.raw.status = Some(named);
        // When its data comes, and nobody has said yet what it is in, then it is announced for nobody.
        let with_data = status(&given, &[], &[waits]);
        assert_eq!(with_data.without_data, ["v1"]);
        assert!(!announced(&with_data, "v1", 5));
        // Others that have no data are named beside it, as many as are shown.
        let others: Vec<ObjectRef<'static>> = (0..WITHOUT_DATA_SHOWN)
            .map(|n| object(Box::leak(format!("other-{n}").into_boxed_str()), 1))
            .collect();
        let beside = status(&given, &others, &[waits]).without_data;
        assert_eq!(
            (beside.len(), beside[0].as_str(), beside[1].as_str()),
            (WITHOUT_DATA_SHOWN, "v1", "other-0")
        );
        // One that comes late, bound or labelled after younger ones were announced, is named at once, also while the
        // rule was not asked since the start.
        let late = object("late", 3);
        let came = status(&given, &[], &[waits, late]).without_data;
        assert_eq!(came, ["v1", "late"]);
        let started = RuleView { looked_deep: false, ..given.view() };
        let started = status_of(&started, &SelectedObjects { newest: Some(5), initializing: vec![late] });
        assert_eq!(started.without_data, ["v1", "late"]);
        // When that is said, by a journal or by an event, it is.
        let left = status(&given, &[], &[]);
        assert!(left.without_data.is_empty() && announced(&left, "v1", 5));
    }

    #[test]
    fn objects_are_initialized_through_the_newest_or_up_to_the_first_that_waits_unnamed() {
        let given = given();
        let through = |newest, initializing: &[ObjectRef<'static>], without: &[ObjectRef<'static>]| {
            let view = RuleView { without_data: without.to_vec(), ..given.view() };
            let selected = SelectedObjects { newest, initializing: initializing.to_vec() };
            status_of(&view, &selected).initialized_through.map(|time| time.0.as_second())
        };
        let (old, young) = (object("old", 5), object("young", 8));
        assert_eq!(through(None, &[], &[]), None);
        assert_eq!(through(Some(9), &[], &[]), Some(9));
        assert_eq!(through(Some(9), &[young, old], &[]), Some(4), "the oldest that waits");
        assert_eq!(through(Some(9), &[young, old], &[old]), Some(7), "one that is named does not count");
        assert_eq!(through(Some(9), &[old], &[old]), Some(9));
    }
}
