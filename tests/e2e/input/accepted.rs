//! Rules as they are found in clusters, also those that ask for more than is there.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_tests::{GIB, Scene};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};

use autopilot_shared::api::{ActionApproval, AutopilotRule};

/// The files in tests/fixtures/rules, by the name of their rule.
const RULES: [&str; 5] =
    ["volume-resize", "liberal", "pool-expand-window", "pool-rebalance", "pool-selector"];

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_real_clusters_are_understood_and_do_what_they_can() -> Result<()> {
    // Given volumes, and pools in an odd state: one full, one empty.
    let mut scene = Scene::with_namespace("pg1").await?;
    let asked = scene.claim("pg1", "asked", "10Gi", &[("app", "postgres")]).await?;
    let unasked = scene.claim("pg1", "unasked", "10Gi", &[("app", "generous")]).await?;
    scene.usage(&asked, 6.0, 10.0);
    scene.usage(&unasked, 8.0, 10.0);
    for (pool, used) in [("a-full-pool", 90.0), ("an-empty-pool", 10.0)] {
        for (series, value) in
            [("available", 100.0 - used), ("total", 100.0), ("used", used), ("provisioned", 50.0)]
        {
            scene.exporter.set(&format!("px_pool_stats_{series}_bytes"), &[("pool", pool)], value * GIB);
        }
    }
    scene.controller().await?;

    // When the rules are applied as strictly as kubectl can, both ways.
    let strict = ["apply", "--validate=strict", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rules")];
    scene.cluster.kubectl(&[&strict[..], &["--server-side", "--dry-run=server"]].concat()).await?.ok()?;
    let said = scene.cluster.kubectl(&strict).await?;
    ensure!(!said.stderr.contains("unknown field"), "{}", said.stderr);
    said.ok()?;

    // Then all are understood;
    for rule in RULES {
        scene.until_condition(rule, "Ready", "True").await?;
    }
    // one asks a person, one does not, although it "enforces" something;
    let question = scene.until_pending("pg1", "volume-resize", &asked).await?;
    scene.until_request("pg1", "unasked", "15Gi").await?;
    scene.usage(&unasked, 8.0, 15.0);
    scene.until_state("pg1", "liberal", &unasked, RuleState::Normal).await?;
    let approvals = Api::<ActionApproval>::all(scene.client.clone()).list(&ListParams::default()).await?;
    ensure!(approvals.items.len() == 1, "one rule asks: {approvals:?}");
    ensure!(approvals.items[0].metadata.name == question.metadata.name);

    // pools are evaluated, and told to be nobody's to act on;
    let pools = [
        ("pool-expand-window", [("Triggered", 1), ("Normal", 1)].as_slice(), "they are only evaluated"),
        // Of 90 and 10 used both deviate from the mean of 50; provisioned is equal.
        ("pool-rebalance", &[("Triggered", 2)], "they are only evaluated"),
        ("pool-selector", &[("Normal", 2)], "spec.selector is not supported"),
    ];
    for (rule, states, said) in pools {
        let (reason, message) = scene.until_condition(rule, "Actionable", "False").await?;
        ensure!(reason == "NoStorageProvider" && message.contains(said), "{rule}: {reason}: {message}");
        scene.until_condition(rule, "DataAvailable", "True").await?;
        let expected: BTreeMap<String, i64> = states.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
        scene
            .until(&format!("{rule} counts {expected:?}"), async || {
                let status = scene.rule(rule).await?.status.unwrap_or_default();
                Ok((status.states == expected && status.objects == Some(2)).then_some(()))
            })
            .await?;
    }
    // and a field of a later version is kept as it was written.
    let resource = ApiResource::erase::<AutopilotRule>(&());
    let kept =
        Api::<DynamicObject>::all_with(scene.client.clone(), &resource).get("pool-expand-window").await?;
    let written: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../fixtures/rules/pool-expand-window.yaml"))?;
    ensure!(kept.data["spec"] == written["spec"], "{:#}", kept.data["spec"]);
    Ok(())
}

/// Rules that are understood, but whose question gets no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_an_answer_is_told_on_its_rule_alone() -> Result<()> {
    use autopilot_tests::RuleText;
    use serde_json::json;
    let mut scene = Scene::with_namespace("pg1").await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    let key = "/conditions/expressions/0/key";
    let rows = [
        ("syntax", key, "100 * (px_volume_usage_bytes", "parse error"),
        ("comparison-of-strings", key, "px_volume_usage_bytes > \"a\"", "parse error"),
        (
            "two-vectors",
            key,
            "px_volume_usage_bytes + on(nothing) group_left px_volume_usage_bytes + on() px_volume_usage_bytes{volumename=~\"(\"}",
            "parse error",
        ),
        ("no-such-series", key, "px_volume_misspelt_bytes", "the query answers no series"),
        ("no-label", key, "sum(px_volume_usage_bytes)", "no series belongs to any of the 1 selected objects"),
        (
            "provider",
            "/conditions/provider",
            "datadog",
            "no metric provider has the name or type \"datadog\"",
        ),
    ];
    for (name, pointer, value, _) in rows {
        let text = RuleText::new(name).without_approval().set(pointer, json!(value)).text();
        scene.cluster.apply(&text).await?;
    }
    scene.controller().await?;
    scene.cluster.apply(&RuleText::new("good").without_approval().text()).await?;
    scene.until_request("pg1", "data", "20Gi").await?;
    for (name, _, _, said) in rows {
        scene.until_condition(name, "Ready", "True").await?;
        let (reason, message) = scene.until_condition(name, "DataAvailable", "False").await?;
        ensure!(message.contains(said), "{name}: {reason}: {message}");
    }
    scene.until_condition("good", "DataAvailable", "True").await?;
    Ok(())
}
