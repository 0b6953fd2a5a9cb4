//! Two controllers at work at once, without servers: what one announces, the other sees in the rule's status.

use std::collections::BTreeSet;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::FINALIZER;
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::act::{Actor, Failure, Outcome};
use crate::decide::{Decision, Effect, Precondition, RuleEffect, Target, rule as rules};
use crate::engine::core::{CLUSTER, Engine, Parts};
use crate::engine::rule_entry::writes::RuleAnnouncement;
use crate::evaluate::facts::SampleFacts;
use crate::evaluate::objects::Judgement;
use crate::evaluate::verdict::Verdict;
use crate::observe::{Observation, Pair, SlotSet, WatchEvent};
use crate::telemetry::{Heartbeat, Metrics, Readiness};

const RULE: &str = "r";
const VOLUME: &str = "pvc-1";
const NOW: &str = "2026-01-01T01:00:00Z";
/// When the PVC was created.
const CREATED: &str = "2026-01-01T00:00:00Z";

fn clock() -> Timestamp {
    NOW.parse().unwrap()
}

fn of<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

fn pair() -> Pair {
    Pair { object: VOLUME.into(), rule: RULE.into() }
}

fn rule(version: &str, status: &Value) -> Value {
    json!({
        "metadata": {
            "name": RULE, "uid": "rule-uid", "resourceVersion": version, "generation": 1, "finalizers": [FINALIZER],
        },
        "spec": {
            "selector": { "matchLabels": { "app": "db" } },
            "conditions": { "expressions": [{ "key": "usage", "operator": "Gt", "values": ["50"] }] },
            "actions": [{ "name": "openstorage.io.action.volume/resize", "params": { "scalepercentage": "100" } }],
        },
        "status": status,
    })
}

/// A controller that nobody answers: what it would write is looked at, not written.
struct Controller {
    engine: Engine,
    /// Kept open: an engine whose channels close ends.
    _channels: (mpsc::Sender<Observation>, watch::Sender<bool>),
}

impl Controller {
    /// Starts in a cluster with one PVC, and a rule with this status that selects it.
    fn start(status: &Value) -> Controller {
        let client =
            kube::Client::try_from(kube::Config::new("http://127.0.0.1:9".parse().unwrap())).unwrap();
        let (seen, observations) = mpsc::channel(1);
        let (lead, leads) = watch::channel(true);
        let mut engine = Engine::new(Parts {
            actor: Actor::new(client, Metrics::new()),
            metrics: Metrics::new(),
            observations,
            config_file: None,
            forge: watch::channel(None).0,
            leads,
            readiness: Readiness::waiting_for([CLUSTER]),
            heartbeat: Heartbeat::new(),
            namespace: "kube-system".to_owned(),
            random: StdRng::seed_from_u64(1),
            clock,
        });
        engine.observe(Observation::Namespace(WatchEvent::Apply(of(json!({ "metadata": { "name": "n" } })))));
        let mut controller = Controller { engine, _channels: (seen, lead) };
        controller.sees_pvc("1", &json!({ "app": "db" }));
        controller.sees_rule("1", status);
        controller.engine.was_ready = true;
        controller.engine.start();
        controller
    }

    fn sees_rule(&mut self, version: &str, status: &Value) {
        let guard: DeserializeGuard<_> = of(rule(version, status));
        self.engine.observe(Observation::Rule(WatchEvent::Apply(Box::new(guard))));
    }

    /// The PVC has these labels now.
    fn sees_pvc(&mut self, version: &str, labels: &Value) {
        self.engine.observe(Observation::Pvc(WatchEvent::Apply(of(json!({
            "metadata": {
                "namespace": "n", "name": "data", "uid": "u", "resourceVersion": version, "labels": labels,
                "creationTimestamp": CREATED,
            },
            "spec": { "volumeName": VOLUME, "resources": { "requests": { "storage": "10Gi" } } },
            "status": { "phase": "Bound", "capacity": { "storage": "10Gi" } },
        })))));
    }

    /// A deep look finds the PVC without data, or with data that meets the conditions.
    fn looks_deep(&mut self, found: bool) {
        let slots = || found.then_some(0);
        let facts = SampleFacts {
            hits: vec![slots().into_iter().map(|slot| (slot, (60.0, "60".into()))).collect()],
            present: vec![Some(SlotSet::of(0, slots().into_iter()))],
            counts: vec![Some(u64::from(found))],
            warnings: BTreeSet::new(),
        };
        let entry = self.engine.rules.get_mut(RULE).unwrap();
        let rule = Arc::clone(entry.rule().unwrap());
        entry.take_deep_look(&rule, &facts, clock());
        entry.take_availability(&facts, clock());
    }

    /// A pass says this of the PVC.
    fn measures(&mut self, verdict: Verdict) {
        let judged = Judgement { slot: 0, verdict, values: vec![None] };
        self.engine.apply_judgement(&RULE.into(), judged, clock());
    }

    /// Its journal was created, and has no entry yet.
    fn created_the_journal(&mut self) {
        let journal = of(json!({
            "metadata": {
                "namespace": "n", "name": format!("{VOLUME}-{RULE}"), "uid": "j", "resourceVersion": "5",
                "labels": { "rule": RULE, "object": VOLUME },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "AutopilotRule", "name": RULE, "uid": "rule-uid" }],
            },
            "spec": {},
        }));
        self.engine.pair_done(pair(), Ok(Outcome::Journal(Box::new(journal))));
    }

    fn next_write(&self) -> (Decision, Option<Precondition>) {
        self.engine.decide_pair(&pair(), Some(0), "n", clock(), 1)
    }

    /// The first entry of the journal that it would write.
    fn first_entry(&self) -> String {
        let (decision, _) = self.next_write();
        let Some(Effect::WriteJournal { status, .. }) = decision.effect else { panic!("{decision:?}") };
        status.items[0].message.split_once(" transition from ").unwrap().1.to_owned()
    }

    fn says_of_rule(&self) -> Option<RuleEffect> {
        let (entry, world) = (self.engine.rules.get(RULE).unwrap(), &self.engine.world);
        let pairs = self.engine.pairs.sets(RULE);
        let counts = entry.counts(pairs);
        let view = entry.view(world, &counts, None);
        rules::decide(&view, || entry.selected_objects(world, pairs), clock()).effect
    }

    /// The status that it writes for the rule.
    fn status(&self) -> Value {
        let Some(RuleEffect::Status { status, .. }) = self.says_of_rule() else {
            panic!("{:?}", self.says_of_rule());
        };
        json!(status)
    }
}

fn writes_status(status: &Value) -> RuleEffect {
    let target = Target {
        namespace: String::new(),
        name: RULE.to_owned(),
        uid: "rule-uid".to_owned(),
        version: "1".to_owned(),
    };
    RuleEffect::Status { target, status: Box::new(of(status.clone())) }
}

/// What a controller writes into the rule's status once it has told that the PVC is Normal.
fn announced() -> Value {
    let mut first = Controller::start(&json!({}));
    first.measures(Verdict::NotMet);
    let Some(effect @ RuleEffect::EmitEvents(_)) = first.says_of_rule() else { panic!("nothing is told") };
    // Another status was written just now; what was announced waits for no pause.
    let name = RULE.into();
    let entry = first.engine.rules.get_mut(RULE).unwrap();
    entry.write_started(&writes_status(&json!({})), clock());
    let told = entry.write_started(&effect, clock());
    assert!(matches!(told, RuleAnnouncement::Objects(_)), "{told:?}");
    first.engine.rule_done(&name, told, Ok(Outcome::EventsEmitted(2)));
    first.status()
}

#[tokio::test]
async fn an_object_that_another_controller_announced_is_initializing_for_nobody() {
    let announced = announced();
    assert_eq!(announced["initializedThrough"], "2026-01-01T00:00:00.000000Z");

    // Given a controller that started before that was written, when the rule's status comes and then the conditions hold.
    let mut second = Controller::start(&json!({}));
    second.sees_rule("2", &announced);
    second.measures(Verdict::Met);
    second.created_the_journal();
    assert_eq!(second.first_entry(), "Normal => Triggered");
    assert!(second.next_write().1.is_none(), "nothing more needs to be read");

    // Given one that sees it after the conditions hold, between two writes.
    let mut third = Controller::start(&json!({}));
    third.measures(Verdict::Met);
    third.created_the_journal();
    let (_, expected) = third.next_write();
    let unannounced = Precondition::Unannounced {
        rule: RULE.to_owned(),
        object: VOLUME.to_owned(),
        created: CREATED.parse::<Timestamp>().unwrap().as_second(),
    };
    assert_eq!(expected, Some(unannounced), "its first entry rests on a status that may be old");
    assert_eq!(third.first_entry(), "Initializing => Triggered");
    third.engine.pair_done(pair(), Ok(Outcome::Rule(Box::new(of(rule("2", &announced))))));
    assert_eq!(third.first_entry(), "Normal => Triggered");
}

#[tokio::test]
async fn an_object_whose_data_comes_late_is_announced_by_nobody_before_its_journal() {
    // Given an object without data, which the rule's status names beside a mark that covers it.
    let mut first = Controller::start(&json!({}));
    first.looks_deep(false);
    let named = first.status();
    assert_eq!(named["withoutData"], json!([VOLUME]));
    let mut second = Controller::start(&json!({}));
    second.sees_rule("2", &named);
    first.sees_rule("2", &named);
    // When data comes that meets the conditions, and the status is written before the first entry of the journal.
    first.looks_deep(true);
    first.measures(Verdict::Met);
    let unsaid = first.status();
    second.sees_rule("3", &unsaid);
    second.measures(Verdict::Met);
    second.created_the_journal();
    // Then it leaves Initializing by that entry, whoever writes it, a controller that starts now, too.
    assert_eq!(second.first_entry(), "Initializing => Triggered");
    let mut third = Controller::start(&unsaid);
    third.measures(Verdict::Met);
    third.created_the_journal();
    assert_eq!(third.first_entry(), "Initializing => Triggered");
}

#[tokio::test]
async fn what_another_controller_announced_is_neither_announced_again_nor_counted_twice() {
    let announced = announced();
    for before in [Verdict::NoData, Verdict::NotMet] {
        let mut second = Controller::start(&json!({}));
        second.measures(before);
        second.sees_rule("2", &announced);
        second.measures(Verdict::NotMet);
        let counts = second.engine.rules.get(RULE).unwrap().counts(second.engine.pairs.sets(RULE));
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(RuleState::Normal, 1)], "{before:?}");
        assert!(!matches!(second.says_of_rule(), Some(RuleEffect::EmitEvents(_))), "{before:?}");
    }
}

#[tokio::test]
async fn an_object_that_was_selected_after_the_mark_is_announced() {
    // Given a status from before the PVC was selected, which covers its age.
    let mut covers = announced();
    let mut first = Controller::start(&covers);
    first.engine.pairs.forget_slot(0);
    // When somebody writes the status anew, with the same mark.
    covers["states"] = json!({ "Initializing": 1 });
    first.sees_rule("2", &covers);
    // Then it still is Initializing, and nothing has to be read before its journal says so.
    assert_eq!(first.engine.quiet_state(&pair()), RuleState::Initializing);
    first.measures(Verdict::Met);
    first.created_the_journal();
    assert_eq!(first.first_entry(), "Initializing => Triggered");
    assert_eq!(first.next_write().1, None);
}

#[tokio::test]
async fn an_object_whose_conditions_cease_before_its_journal_has_an_entry_is_announced() {
    // Given an object that met the conditions, and a journal that is being created.
    let mut first = Controller::start(&json!({}));
    first.measures(Verdict::Met);
    first.engine.reconcile_pair(&pair());
    // When they hold no more before the answer comes.
    first.measures(Verdict::NotMet);
    first.created_the_journal();
    first.engine.reconcile_pair(&pair());
    // Then it is Normal, and an event says so.
    assert_eq!(first.engine.quiet_state(&pair()), RuleState::Normal);
    assert!(matches!(first.says_of_rule(), Some(RuleEffect::EmitEvents(_))), "{:?}", first.says_of_rule());
}

#[tokio::test]
async fn its_own_status_is_no_news() {
    // Given a status that is being written, and a PVC of the same second that came meanwhile.
    let status = announced();
    let mut first = Controller::start(&json!({}));
    first.engine.rules.get_mut(RULE).unwrap().write_started(&writes_status(&status), clock());
    first.sees_rule("2", &status);
    assert_eq!(first.engine.quiet_state(&pair()), RuleState::Initializing);
}

#[tokio::test]
async fn its_own_status_is_no_news_after_a_lost_answer_either() {
    let status = announced();
    let mut first = Controller::start(&json!({}));
    let told = first.engine.rules.get_mut(RULE).unwrap().write_started(&writes_status(&status), clock());
    // Given a write that was carried out, and whose answer was lost.
    let lost = Failure {
        what: "write of the rule".into(),
        why: "connection closed".into(),
        after: None,
        denied: None,
    };
    first.engine.rule_done(&RULE.into(), told, Err(lost));
    // When the watch shows what was written, then a PVC that came meanwhile is not taken for announced.
    first.sees_rule("2", &status);
    assert_eq!(first.engine.quiet_state(&pair()), RuleState::Initializing);
}

#[tokio::test]
async fn an_object_that_is_not_selected_any_more_is_normal_for_nobody() {
    // Given an object that became Normal and then left the rule, before anybody announced it.
    let mut first = Controller::start(&json!({}));
    first.measures(Verdict::NotMet);
    first.sees_pvc("2", &json!({}));
    // When another controller, which saw that later, announces it, and it comes back.
    first.sees_rule("2", &announced());
    first.sees_pvc("3", &json!({ "app": "db" }));
    // Then it is Initializing, as every object that is selected anew.
    assert_eq!(first.engine.quiet_state(&pair()), RuleState::Initializing);
}
