//! Given rules, PVCs and providers that go: whose series leave the metrics, and whose stay.

use autopilot_shared::api::AutopilotRule;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::act::{Actor, Outcome};
use crate::engine::core::{CLUSTER, Engine, Parts};
use crate::observe::{Observation, Pair, WatchEvent};
use crate::prometheus::Ask;
use crate::telemetry::{Failure, Heartbeat, Metrics, Readiness};

const PROVIDERS: &str = "providers:
- name: one
  type: prometheus
  params: url=http://one:9090
- name: two
  type: prometheus
  params: url=http://two:9090
";

/// An engine in a cluster with nothing but a namespace. Nothing that it spawns ever runs.
struct Stage {
    engine: Engine,
    metrics: Metrics,
    _leads: watch::Sender<bool>,
}

fn object<T: DeserializeOwned>(json: Value) -> Box<T> {
    Box::new(serde_json::from_value(json).unwrap())
}

fn claim(name: &str, version: u32, labels: &Value) -> Box<PersistentVolumeClaim> {
    object(json!({
        "metadata": {
            "namespace": "ns", "name": name, "uid": name, "labels": labels, "resourceVersion": version.to_string(),
        },
        "spec": { "volumeName": format!("pvc-{name}"), "resources": { "requests": { "storage": "10Gi" } } },
        "status": { "phase": "Bound", "capacity": { "storage": "10Gi" } },
    }))
}

fn rule(name: &str, version: u32, labels: &Value) -> AutopilotRule {
    *object(json!({
        "metadata": { "name": name, "uid": name, "resourceVersion": version.to_string() },
        "spec": {
            "selector": { "matchLabels": labels },
            "namespaceSelector": { "matchLabels": { "name": "ns" } },
            "conditions": { "expressions": [{ "key": "used", "operator": "Gt", "values": ["70"] }] },
            "actions": [{ "name": "openstorage.io.action.volume/resize", "params": { "scalepercentage": "100" } }],
        },
    }))
}

fn journal(rule: &str, claim: &str) -> Value {
    let volume = format!("pvc-{claim}");
    json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1",
        "kind": "AutopilotRuleObject",
        "metadata": {
            "namespace": "ns", "name": format!("{volume}-{rule}"), "uid": "j", "resourceVersion": "5",
            "labels": { "rule": rule },
            "ownerReferences": [{
                "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRule", "name": rule, "uid": rule,
            }],
        },
        "spec": {},
        "status": {
            "state": "ActionsDeclined",
            "object": {
                "name": claim, "namespace": "ns", "uid": volume, "kind": "PersistentVolumeClaim", "apiVersion": "v1",
            },
        },
    })
}

impl Stage {
    fn new() -> Stage {
        let metrics = Metrics::new();
        let client = kube::Client::new(axum::Router::<()>::new(), "ns");
        let (leads, follows) = watch::channel(true);
        let engine = Engine::new(Parts {
            actor: Actor::new(client, metrics.clone()),
            metrics: metrics.clone(),
            observations: mpsc::channel(1).1,
            config_file: None,
            forge: watch::channel(None).0,
            leads: follows,
            readiness: Readiness::waiting_for([CLUSTER]),
            heartbeat: Heartbeat::new(),
            namespace: "ns".to_owned(),
            random: StdRng::seed_from_u64(1),
            clock: || Timestamp::UNIX_EPOCH,
        });
        let mut stage = Stage { engine, metrics, _leads: leads };
        stage.engine.config_file(Some(PROVIDERS.to_owned()));
        stage.namespace(1, &json!({ "name": "ns" }));
        stage.see(Observation::Rule(WatchEvent::ResetEnd));
        stage.see(Observation::Approval(WatchEvent::ResetEnd));
        stage.see(Observation::Journal(WatchEvent::ResetEnd));
        stage.see(Observation::Pvc(WatchEvent::ResetEnd));
        stage.see(Observation::Namespace(WatchEvent::ResetEnd));
        stage.see(Observation::Class(WatchEvent::ResetEnd));
        stage.see(Observation::Quota(WatchEvent::ResetEnd));
        stage.settle();
        stage
    }

    fn see(&mut self, observation: Observation) {
        self.engine.observe(observation);
    }

    fn settle(&mut self) {
        self.engine.settle();
    }

    fn rule(&mut self, rule: AutopilotRule) {
        self.engine.rule_is(rule);
    }

    fn namespace(&mut self, version: u32, labels: &Value) {
        let namespace: Box<Namespace> = object(json!({
            "metadata": { "name": "ns", "uid": "ns", "labels": labels, "resourceVersion": version.to_string() },
        }));
        self.see(Observation::Namespace(WatchEvent::Apply(namespace)));
    }

    fn claim(&mut self, claim: Box<PersistentVolumeClaim>) {
        self.see(Observation::Pvc(WatchEvent::Apply(claim)));
    }

    /// Counts a failure on the volume of a PVC, and settles.
    fn fails(&mut self, claim: &str) {
        self.metrics.action_failed("resize", &format!("pvc-{claim}"), Failure::Failed);
        self.settle();
    }

    /// Whether the volume of a PVC has series of its own.
    fn shows(&self, claim: &str) -> bool {
        self.text().contains(&format!("object=\"pvc-{claim}\""))
    }

    fn text(&self) -> String {
        self.metrics.exposition().unwrap()
    }
}

#[tokio::test]
async fn series_of_an_object_go_with_its_claim() {
    let mut stage = Stage::new();
    stage.rule(rule("r", 1, &json!({})));
    stage.claim(claim("a", 1, &json!({})));
    stage.claim(claim("b", 2, &json!({})));
    stage.fails("a");
    stage.fails("b");
    assert!(stage.shows("a") && stage.shows("b"));
    stage.see(Observation::Pvc(WatchEvent::Delete(claim("a", 9, &json!({})))));
    stage.settle();
    assert!(!stage.shows("a") && stage.shows("b"));
    assert!(stage.text().contains("autopilot_action_failed_count{state=\"failed\"} 2\n"));
}

#[tokio::test]
async fn series_of_an_object_stay_as_long_as_any_rule_has_it() {
    let (db, web) = (json!({ "app": "db" }), json!({ "app": "web" }));
    let mut stage = Stage::new();
    stage.rule(rule("one", 1, &db));
    stage.rule(rule("two", 2, &db));
    stage.claim(claim("a", 3, &db));
    stage.fails("a");
    stage.engine.rule_gone("one", None);
    stage.settle();
    assert!(stage.shows("a"), "the other rule selects it");
    stage.rule(rule("two", 4, &web));
    stage.settle();
    assert!(!stage.shows("a"), "nobody selects it");
    stage.rule(rule("two", 5, &db));
    stage.fails("a");
    assert!(stage.shows("a"));
    stage.claim(claim("a", 6, &web));
    stage.settle();
    assert!(!stage.shows("a"), "its labels are others");
    stage.claim(claim("a", 7, &db));
    stage.fails("a");
    assert!(stage.shows("a"));
    stage.namespace(8, &json!({ "name": "other" }));
    stage.settle();
    assert!(!stage.shows("a"), "its namespace has other labels");
    stage.namespace(9, &json!({ "name": "ns" }));
    stage.fails("a");
    assert!(stage.shows("a"));
    stage.engine.rule_gone("two", None);
    stage.settle();
    assert!(!stage.shows("a"), "there is no rule");
}

#[tokio::test]
async fn series_of_an_object_stay_until_its_journal_has_gone_too() {
    let mut stage = Stage::new();
    stage.rule(rule("r", 1, &json!({})));
    stage.claim(claim("a", 2, &json!({})));
    stage.see(Observation::Journal(WatchEvent::Apply(object(journal("r", "a")))));
    stage.fails("a");
    stage.see(Observation::Pvc(WatchEvent::Delete(claim("a", 9, &json!({})))));
    stage.settle();
    assert!(stage.shows("a"), "the journal is still there");
    let pair = Pair { object: "pvc-a".into(), rule: "r".into() };
    stage.engine.pair_done(pair, Ok(Outcome::NoPvc { namespace: "ns".to_owned(), name: "a".to_owned() }));
    stage.see(Observation::Journal(WatchEvent::Delete(object(journal("r", "a")))));
    stage.settle();
    assert!(!stage.shows("a"));
}

#[tokio::test]
async fn series_of_a_provider_go_with_its_configuration_and_a_late_answer_does_not_bring_them_back() {
    let mut stage = Stage::new();
    let answered = |stage: &mut Stage, provider: &str| {
        let ask = Ask { provider: provider.into(), query: "up".into() };
        let told = Err(std::sync::Arc::new(crate::prometheus::QueryError::TimedOut {
            host: "h".into(),
            timeout: std::time::Duration::from_secs(1),
        }));
        stage.engine.take_result(0, &ask, &told, Timestamp::UNIX_EPOCH);
    };
    let shows = |stage: &Stage, provider: &str| stage.text().contains(&format!("provider=\"{provider}\""));
    answered(&mut stage, "one");
    answered(&mut stage, "two");
    assert!(shows(&stage, "one") && shows(&stage, "two"));
    let one = PROVIDERS.split("- name: two").next().unwrap();
    stage.engine.config_file(Some(one.to_owned()));
    assert!(shows(&stage, "one") && !shows(&stage, "two"), "{}", stage.text());
    answered(&mut stage, "two");
    answered(&mut stage, "one");
    assert!(shows(&stage, "one") && !shows(&stage, "two"), "{}", stage.text());
}
