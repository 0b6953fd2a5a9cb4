//! Malformed rules.

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_shared::api::AutopilotRule;
use autopilot_tests::{PX_KEY, RuleText, Scene, SceneOptions};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};

use self::Must::{Refused, Reported};
use crate::warnings;

/// The required fate of a rule.
enum Must {
    /// The API server refuses it; its message says this.
    Refused(&'static str),
    /// The rule's status says `Ready=False`, and why: the field, and what is wrong with it.
    Reported(&'static str, &'static str),
}

/// A field of a good rule, by JSON pointer, and what it is set to.
type Change = (&'static str, fn() -> Value);
/// A name, what is changed in a good rule, and what must become of it.
type Row = (&'static str, &'static [Change], Must);

/// An expression about the usual key.
macro_rules! compare {
    ($operator:literal $(, $value:expr)*) => {
        ("/conditions/expressions/0", || json!({ "key": PX_KEY, "operator": $operator, "values": [$($value),*] }))
    };
}

/// A parameter of the resize.
macro_rules! param {
    ($name:literal, $value:expr) => {
        (concat!("/actions/0/params/", $name), || json!($value))
    };
}

macro_rules! set {
    ($pointer:literal, $($value:tt)+) => { ($pointer, || json!($($value)+)) };
}

const ONE: Must = Refused("Gt, GtEq, Lt and LtEq take exactly 1 value");
const TWO: Must = Refused("InRange and NotInRange take exactly 2 values");
const SOME: Must = Refused("In and NotIn take at least 1 value");
const NONE: Must = Refused("Exists and DoesNotExist take no values");
const KEYS: Must = Refused("give either key (PromQL without a comparison) or keyAlias");
const LABELS: Must = Refused("In and NotIn take at least 1 value, Exists and DoesNotExist none");
const EXPRESSIONS: Must = Refused("conditions.expressions needs at least one expression");
const FIRST_VALUE: Must = Reported("spec.conditions.expressions[0].values[0]", "is no number");
const PERCENT: Must = Reported("spec.actions[0].params.scalepercentage", "is no whole number above 0");

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // How many values each operator takes.
    ("gt-0",             &[compare!("Gt")], ONE),
    ("gt-2",             &[compare!("Gt", "50", "60")], ONE),
    ("gteq-0",           &[compare!("GtEq")], ONE),
    ("gteq-2",           &[compare!("GtEq", "50", "60")], ONE),
    ("lt-0",             &[compare!("Lt")], ONE),
    ("lt-2",             &[compare!("Lt", "50", "60")], ONE),
    ("lteq-0",           &[compare!("LtEq")], ONE),
    ("lteq-2",           &[compare!("LtEq", "50", "60")], ONE),
    ("inrange-0",        &[compare!("InRange")], TWO),
    ("inrange-1",        &[compare!("InRange", "50")], TWO),
    ("inrange-3",        &[compare!("InRange", "50", "60", "70")], TWO),
    ("notinrange-0",     &[compare!("NotInRange")], TWO),
    ("notinrange-1",     &[compare!("NotInRange", "50")], TWO),
    ("notinrange-3",     &[compare!("NotInRange", "50", "60", "70")], TWO),
    ("in-0",             &[compare!("In")], SOME),
    ("notin-0",          &[compare!("NotIn")], SOME),
    ("exists-1",         &[compare!("Exists", "1")], NONE),
    ("doesnotexist-1",   &[compare!("DoesNotExist", "1")], NONE),
    ("values-missing",   &[set!("/conditions/expressions/0", { "key": PX_KEY, "operator": "Gt" })], ONE),
    // What the values are.
    ("value-word",       &[compare!("Gt", "fifty")], FIRST_VALUE),
    ("value-percent",    &[compare!("Gt", "50%")], FIRST_VALUE),
    ("value-comma",      &[compare!("Gt", "50,5")], FIRST_VALUE),
    ("value-empty",      &[compare!("Gt", "")], FIRST_VALUE),
    ("value-nan",        &[compare!("Gt", "NaN")], FIRST_VALUE),
    ("value-inf",        &[compare!("Lt", "+Inf")], FIRST_VALUE),
    ("value-in",         &[compare!("In", "1", "two")], Reported("spec.conditions.expressions[0].values[1]", "is no number")),
    ("value-bare",       &[compare!("Gt", 50)], Refused("spec.conditions.expressions[0].values[0] in body must be of type string")),
    ("range-reversed",   &[compare!("InRange", "60", "50")], Reported("spec.conditions.expressions[0].values", "the range starts at 60 and ends before it")),
    // Operators and keys.
    ("operator-unknown", &[compare!("GreaterThan", "50")], Refused("operator must be one of In, NotIn")),
    ("operator-case",    &[compare!("gt", "50")], Refused("operator must be one of In, NotIn")),
    ("operator-missing", &[set!("/conditions/expressions/0", { "key": PX_KEY, "values": ["50"] })], Refused("operator must be one of In, NotIn")),
    ("key-missing",      &[set!("/conditions/expressions/0", { "operator": "Gt", "values": ["50"] })], KEYS),
    ("key-empty",        &[set!("/conditions/expressions/0", { "key": "", "operator": "Gt", "values": ["50"] })], KEYS),
    ("key-blank",        &[set!("/conditions/expressions/0", { "key": " ", "operator": "Gt", "values": ["50"] })], Reported("spec.conditions.expressions[0].key", "missing")),
    ("key-and-alias",    &[set!("/conditions/expressions/0/keyAlias", "PoolUsageDeviationPerc")], KEYS),
    ("alias-unknown",    &[set!("/conditions/expressions/0", { "keyAlias": "PoolSadness", "operator": "Gt", "values": ["50"] })], Reported("spec.conditions.expressions[0].keyAlias", "is unknown; use PoolProvDeviationPerc")),
    ("other-provider",   &[set!("/conditions/expressions/0", { "expression": "avg:px.usage{*}", "operator": "Gt", "values": ["50"] })], Reported("spec.conditions.expressions[0].expression", "not supported; use key")),
    // Conditions.
    ("no-conditions",    &[set!("/conditions", null)], EXPRESSIONS),
    ("no-expressions",   &[set!("/conditions/expressions", [])], EXPRESSIONS),
    ("matches-too-many", &[set!("/conditions/requiredMatches", 2)], Refused("requiredMatches is greater than the number of expressions")),
    ("matches-negative", &[set!("/conditions/requiredMatches", (-1))], Refused("spec.conditions.requiredMatches in body should be greater than or equal to 0")),
    ("type-unknown",     &[set!("/conditions/type", "logs")], Reported("spec.conditions.type", "is unknown; leave it empty, or use monitoring or metrics")),
    // Times.
    ("for-negative",     &[set!("/conditions/for", (-1))], Refused("spec.conditions.for in body should be greater than or equal to 0")),
    ("for-text",         &[set!("/conditions/for", "30s")], Refused("spec.conditions.for in body must be of type integer")),
    ("poll-negative",    &[set!("/pollInterval", (-1))], Refused("spec.pollInterval in body should be greater than or equal to 0")),
    ("poll-fraction",    &[set!("/pollInterval", 0.5)], Refused("spec.pollInterval in body must be of type integer")),
    ("cool-negative",    &[set!("/actionsCoolDownPeriod", (-1))], Refused("spec.actionsCoolDownPeriod in body should be greater than or equal to 0")),
    ("cool-too-long",    &[set!("/actionsCoolDownPeriod", 99_999_999_999_i64)], Refused("spec.actionsCoolDownPeriod in body should be less than or equal to")),
    // Actions.
    ("no-actions",       &[set!("/actions", null)], Refused("actions needs an action, such as openstorage.io.action.volume/resize")),
    ("two-actions",      &[set!("/actions", [{ "name": "openstorage.io.action.volume/resize" }, { "name": "openstorage.io.action.volume/resize" }])], Reported("spec.actions", "2 actions; one rule takes one action")),
    ("action-unknown",   &[set!("/actions/0/name", "openstorage.io.action.volume/shrink")], Reported("spec.actions[0].name", "is unknown; use openstorage.io.action.volume/resize")),
    ("action-short",     &[set!("/actions/0/name", "resize")], Reported("spec.actions[0].name", "is unknown; use openstorage.io.action.volume/resize")),
    ("action-empty",     &[set!("/actions/0/name", "")], Reported("spec.actions[0].name", "is unknown")),
    ("percent-word",     &[param!("scalepercentage", "half")], PERCENT),
    ("percent-sign",     &[param!("scalepercentage", "50%")], PERCENT),
    ("percent-zero",     &[param!("scalepercentage", "0")], PERCENT),
    ("percent-negative", &[param!("scalepercentage", "-50")], PERCENT),
    ("percent-fraction", &[param!("scalepercentage", "12.5")], PERCENT),
    ("percent-bare",     &[param!("scalepercentage", 100)], Refused("spec.actions[0].params.scalepercentage in body must be of type string")),
    ("maxsize-word",     &[param!("maxsize", "plenty")], Reported("spec.actions[0].params.maxsize", "has no number; write a number with a suffix, such as 10Gi")),
    ("maxsize-unit",     &[param!("maxsize", "400GB")], Reported("spec.actions[0].params.maxsize", "which is no suffix; use one of")),
    ("maxsize-empty",    &[param!("maxsize", "")], Reported("spec.actions[0].params.maxsize", "a quantity is missing; write a number")),
    ("maxsize-zero",     &[param!("maxsize", "0")], Reported("spec.actions[0].params.maxsize", "is not above zero")),
    ("maxsize-negative", &[param!("maxsize", "-1Gi")], Reported("spec.actions[0].params.maxsize", "is not above zero")),
    ("maxsize-case",     &[param!("maxSize", "400Gi")], Reported("spec.actions[0].params.maxSize", "does not know it; use scalepercentage, maxsize")),
    ("size-on-volume",   &[param!("scalesize", "10Gi")], Reported("spec.actions[0].params.scalesize", "does not know it; use scalepercentage, maxsize")),
    ("size-and-percent", &[set!("/actions/0", { "name": "openstorage.io.action.storagepool/expand", "params": { "scalepercentage": "50", "scalesize": "10Gi" } })], Reported("spec.actions[0].params.scalesize", "cannot be combined with scalepercentage")),
    ("scaletype",        &[set!("/actions/0", { "name": "openstorage.io.action.storagepool/expand", "params": { "scaletype": "bigger" } })], Reported("spec.actions[0].params.scaletype", "is unknown; use add-disk")),
    // Selectors.
    ("selector-operator", &[set!("/selector/matchExpressions", [{ "key": "app", "operator": "Like", "values": ["post*"] }])], Refused("Unsupported value: \"Like\"")),
    ("selector-values",  &[set!("/selector/matchExpressions", [{ "key": "app", "operator": "In" }])], LABELS),
    ("selector-exists",  &[set!("/namespaceSelector/matchExpressions", [{ "key": "app", "operator": "Exists", "values": ["x"] }])], LABELS),
    ("selector-label",   &[set!("/selector/matchLabels", { "app": 5 })], Refused("spec.selector.matchLabels.app in body must be of type string")),
    ("selector-list",    &[set!("/selector", ["app=postgres"])], Refused("spec.selector in body must be of type object")),
];

/// Two things wrong with one rule: both are told.
const BOTH: [&str; 2] = ["spec.conditions.expressions[0].values[0]: ", "spec.actions[0].params.maxsize: "];

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_rule_is_refused_or_reported_and_stops_no_other() -> Result<()> {
    // Given all malformed rules, and a good one that came last.
    let mut scene = Scene::with_namespace("pg1").await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    let mut wrong = Vec::new();
    for (name, changes, must) in TABLE {
        match (create(&scene, &rule(name, changes)).await, must) {
            (Err(said), Refused(part)) if said.to_string().contains(part) => {}
            (Ok(()), Reported(..)) => {}
            (Ok(()), Refused(_)) => wrong.push(format!("{name}: the API server takes it")),
            (Err(said), _) => wrong.push(format!("{name}: the API server says {said}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both = RuleText::new("two-problems")
        .set("/conditions/expressions/0/values", json!(["fifty"]))
        .set("/actions/0/params/maxsize", json!("plenty"));
    create(&scene, &both).await?;
    scene.controller().await?;
    create(&scene, &RuleText::new("good").without_approval()).await?;

    // Then the good one does its work,
    scene.until_request("pg1", "data", "20Gi").await?;
    // and each bad one says what is wrong and where: in its status, and once in an event.
    for (name, _, must) in TABLE {
        let Reported(field, problem) = must else { continue };
        let (reason, message) = scene.until_condition(name, "Ready", "False").await?;
        ensure!(reason == "InvalidRule", "{name}: reason {reason}");
        let expected = message.strip_prefix(&format!("{field}: ")).is_some_and(|rest| rest.contains(problem));
        ensure!(expected, "{name}: {message}");
        let told = told_once(&scene, name).await?;
        ensure!(told == message, "{name}: the event says {told}");
    }
    let (_, message) = scene.until_condition("two-problems", "Ready", "False").await?;
    ensure!(BOTH.iter().all(|part| message.contains(part)), "{message}");
    // An edit that mends a rule takes effect.
    scene.cluster.apply(&RuleText::new("value-word").without_approval().text()).await?;
    scene.until_condition("value-word", "Ready", "True").await?;
    Ok(())
}

/// An empty field in YAML (`values:`) is null, which is no error where nothing is needed.
#[tokio::test(flavor = "multi_thread")]
async fn empty_fields_of_a_rule_are_absent_ones() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    scene.controller().await?;
    let empty = [
        ("/weight", "weight"),
        ("/pollInterval", "poll"),
        ("/enforcement", "enforcement"),
        ("/suspend", "suspend"),
        ("/selector", "selector"),
        ("/namespaceSelector", "namespaces"),
        ("/actionsCoolDownPeriod", "cool-down"),
        ("/actionWindow", "window"),
        ("/conditions/for", "for"),
        ("/conditions/requiredMatches", "matches"),
        ("/conditions/type", "type"),
        ("/conditions/provider", "provider"),
        ("/conditions/expressions/0/keyAlias", "alias"),
        ("/actions/0/params", "params"),
    ];
    for (pointer, name) in empty {
        // RuleText takes a null for a removal: set to something first, then emptied in the text.
        let text = RuleText::new(name).set(pointer, json!("EMPTY")).text().replace("\"EMPTY\"", "null");
        scene.cluster.apply(&text).await.with_context(|| name.to_owned())?;
        scene.until_condition(name, "Ready", "True").await?;
    }
    let exists = json!({ "key": PX_KEY, "operator": "Exists", "values": null });
    let text = RuleText::new("exists").set("/conditions/expressions/0", exists).text();
    scene.cluster.apply(&text).await?;
    scene.until_condition("exists", "Ready", "True").await?;
    Ok(())
}

/// A misspelt field would be silence: `kubectl` says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_field_is_named_by_kubectl() -> Result<()> {
    let scene = Scene::start(SceneOptions::default()).await?;
    let rows = [
        ("/enforcment", "unknown field \"spec.enforcment\""),
        ("/conditions/For", "unknown field \"spec.conditions.For\""),
        ("/conditions/expressions/0/keyalias", "unknown field \"spec.conditions.expressions[0].keyalias\""),
        ("/actions/0/param", "unknown field \"spec.actions[0].param\""),
    ];
    for (pointer, said) in rows {
        let text = RuleText::new("misspelt").set(pointer, json!("1")).text();
        let output = scene.cluster.kubectl_stdin(&["apply", "-f", "-"], &text).await?;
        ensure!(!output.status.success() && output.stderr.contains(said), "{pointer}: {}", output.stderr);
    }
    Ok(())
}

fn rule(name: &str, changes: &[Change]) -> RuleText {
    changes.iter().fold(RuleText::new(name), |rule, (pointer, value)| rule.set(pointer, value()))
}

/// Creates a rule without any check on our side; the server's words, if it refuses.
async fn create(scene: &Scene, rule: &RuleText) -> Result<()> {
    let resource = ApiResource::erase::<AutopilotRule>(&());
    let api: Api<DynamicObject> = Api::all_with(scene.client.clone(), &resource);
    let object: DynamicObject = serde_json::from_str(&rule.text())?;
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 422 => bail!("{}", status.message),
        Err(error) => Err(error.into()),
    }
}

/// Returns the one event about a rule that is not understood.
async fn told_once(scene: &Scene, rule: &str) -> Result<String> {
    scene
        .until(&format!("an event about {rule}"), async || {
            let mut told = warnings(scene, "default", "AutopilotRule", rule, "InvalidRule").await?;
            ensure!(told.len() < 2, "told {} times", told.len());
            Ok(told.pop())
        })
        .await
}
