//! The meaning of conditions, expression by expression, as the real Prometheus evaluates it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use autopilot_stack::FaultProxy;
use autopilot_tests::{RuleText, Scene, SceneOptions};
use serde_json::json;

use super::snapshot::{data, rules, until_passes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// `Initializing => Triggered`.
    Met,
    /// `Initializing => Normal`.
    NotMet,
    /// Stays `Initializing`, and nothing is told.
    NoData,
}
use Verdict::{Met, NoData, NotMet};

/// Key, operator, values.
type Expression = (&'static str, &'static str, &'static [&'static str]);

/// The volume's series: `fifty` is 50, `ten` is 10, `broken` is NaN, and there is no `missing`.
const ALONE: &[(Expression, Verdict)] = &[
    (("fifty", "Gt", &["49.9"]), Met),
    (("fifty", "Gt", &["50"]), NotMet),
    (("fifty", "GtEq", &["50"]), Met),
    (("fifty", "GtEq", &["50.1"]), NotMet),
    (("fifty", "Lt", &["50.1"]), Met),
    (("fifty", "Lt", &["50"]), NotMet),
    (("fifty", "LtEq", &["50"]), Met),
    (("fifty", "LtEq", &["49.9"]), NotMet),
    (("fifty", "In", &["10", "50"]), Met),
    (("fifty", "In", &["5e1"]), Met),
    (("fifty", "In", &["10", "51"]), NotMet),
    (("fifty", "NotIn", &["10", "51"]), Met),
    (("fifty", "NotIn", &["10", "50"]), NotMet),
    (("fifty", "InRange", &["50", "60"]), Met),
    (("fifty", "InRange", &["40", "50"]), Met),
    (("fifty", "InRange", &["51", "60"]), NotMet),
    (("fifty", "NotInRange", &["51", "60"]), Met),
    (("fifty", "NotInRange", &["50", "60"]), NotMet),
    (("fifty", "Exists", &[]), Met),
    (("missing", "Exists", &[]), NoData),
    (("fifty", "DoesNotExist", &[]), NotMet),
    (("missing", "DoesNotExist", &[]), NoData),
    (("broken", "Gt", &["0"]), NoData),
    (("broken", "Exists", &[]), NoData),
    (("broken", "DoesNotExist", &[]), NotMet),
    (("missing", "Gt", &["0"]), NoData),
    (("fifty # percent, of the volume", "Gt", &["40"]), Met),
    (("missing or fifty", "Gt", &["40"]), Met),
    (("sum by (volumename) (fifty)", "Gt", &["40"]), Met),
    (("sum(fifty)", "Gt", &["40"]), NoData),
    (("-fifty", "Lt", &["-49"]), Met),
];

/// Several expressions, how many must match, and what follows.
const TOGETHER: &[(&[Expression], u64, Verdict)] = &[
    (&[("fifty", "Gt", &["40"]), ("ten", "Lt", &["20"])], 0, Met),
    (&[("fifty", "Gt", &["40"]), ("ten", "Lt", &["5"])], 0, NotMet),
    (&[("fifty", "Gt", &["40"]), ("ten", "Lt", &["5"])], 1, Met),
    (&[("fifty", "Gt", &["40"]), ("missing", "Gt", &["1"]), ("ten", "Lt", &["20"])], 2, Met),
    (&[("fifty", "Gt", &["60"]), ("missing", "Gt", &["1"]), ("ten", "Lt", &["20"])], 2, NoData),
    (&[("fifty", "Gt", &["60"]), ("missing", "Gt", &["1"])], 0, NotMet),
    (&[("fifty", "Gt", &["40"]), ("missing", "Gt", &["1"])], 0, NoData),
    (&[("fifty", "Gt", &["40"]), ("missing", "DoesNotExist", &[])], 0, Met),
    (&[("fifty", "Gt", &["60"]), ("missing", "DoesNotExist", &[])], 0, NotMet),
    (&[("fifty", "Gt", &["60"]), ("missing", "DoesNotExist", &[])], 1, Met),
    (&[("fifty", "Gt", &["40"]), ("ten", "DoesNotExist", &[])], 0, NotMet),
    (&[("fifty", "Gt", &["40"]), ("broken", "DoesNotExist", &[])], 0, NotMet),
];

fn rows() -> Vec<(Vec<Expression>, u64, Verdict)> {
    let alone = ALONE.iter().map(|(expression, verdict)| (vec![*expression], 0, *verdict));
    let together = TOGETHER.iter().map(|(all, required, verdict)| (all.to_vec(), *required, *verdict));
    alone.chain(together).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_mean_what_the_table_says() -> Result<()> {
    // Given a volume with two series, and a rule for each row that stays in Triggered when it is met.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let origin = scene.prometheus.as_ref().context("a Prometheus of its own")?.url().to_owned();
    let proxy = FaultProxy::to_plain(&origin)?;
    scene.configure(&proxy.url(), "").await?;
    scene.cluster.namespace("db", &[("type", "db")]).await?;
    let volume = scene.claim("db", "data", "10Gi", &[("app", "postgres")]).await?;
    for (series, value) in [("fifty", 50.0), ("ten", 10.0), ("broken", f64::NAN)] {
        scene.exporter.set(series, &[("volumename", &volume)], value);
    }
    let rows = rows();
    let mut manifests = String::new();
    for (i, (expressions, required, _)) in rows.iter().enumerate() {
        let expressions: Vec<_> = expressions
            .iter()
            .map(|(key, operator, values)| json!({ "key": key, "operator": operator, "values": values }))
            .collect();
        let rule = RuleText::new(&format!("row-{i:02}"))
            .set("/conditions/for", json!(3600))
            .set("/conditions/expressions", json!(expressions))
            .set("/conditions/requiredMatches", json!(required));
        manifests += &rule.text();
    }
    scene.controller().await?;

    // When they are asked.
    scene.cluster.apply(&manifests).await?;
    scene
        .until("every rule was judged", async || {
            let rules = rules(&scene).await?;
            let judged = rows.iter().enumerate().all(|(i, (_, _, verdict))| {
                let Some(status) = rules.get(&format!("row-{i:02}")) else { return false };
                let moved = !status.states.contains_key("Initializing");
                matches!(data(status).status, "True" | "False") && (moved || *verdict == NoData)
            });
            Ok(judged.then_some(()))
        })
        .await?;
    until_passes(&scene, &proxy, 3).await?;

    // Then each is in the state of its row, and has told of it once.
    let rules = rules(&scene).await?;
    let mut wrong = Vec::new();
    for (i, (expressions, required, verdict)) in rows.iter().enumerate() {
        let name = format!("row-{i:02}");
        let (state, path): (_, &[&str]) = match verdict {
            Met => ("Triggered", &["Initializing => Triggered"]),
            NotMet => ("Normal", &["Initializing => Normal"]),
            NoData => ("Initializing", &[]),
        };
        let states = rules.get(&name).map(|s| s.states.clone()).unwrap_or_default();
        let told = scene.path(&name, &volume).await?;
        if states != BTreeMap::from([(state.to_owned(), 1)]) || told != path {
            wrong.push(format!(
                "{expressions:?}, {required} required: {verdict:?}, but {states:?}, told {told:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(scene.csi.requests("db", "data"), ["10Gi"]);
    Ok(())
}
