//! Metrics, readiness, liveness and log of the process.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::fetch;
use autopilot_tests::controllers::serving_url;
use autopilot_tests::{RuleText, Scene};
use serde_json::Value;

/// Samples that must be there after one resize, with their labels; the original's names, which dashboards and alerts use.
const AS_THE_ORIGINAL: &[&str] = &[
    "autopilot_rules_in_system 1",
    "autopilot_objects_total{rule_name=\"grow\"} 1",
    "autopilot_objects_with_rules_total{object_type=\"volume\"} 1",
    "autopilot_rule_state_total{action=\"resize\",state=\"Normal\",rule_name=\"grow\"} 1",
    "autopilot_rule_state_total{action=\"resize\",state=\"ActiveActionsPending\",rule_name=\"grow\"} 0",
    "autopilot_rule_state_total{action=\"resize\",state=\"ActiveActionsInProgress\",rule_name=\"grow\"} 0",
    "autopilot_rule_state_total{action=\"resize\",state=\"ActionAwaitingApproval\",rule_name=\"grow\"} 0",
    "autopilot_rule_state_total{action=\"resize\",state=\"ActiveActionsTaken\",rule_name=\"grow\"} 0",
    "autopilot_action_duration_count{action=\"resize\",rule_name=\"grow\"} 1",
    "autopilot_action_failed_count{state=\"failed\"} 0",
    "autopilot_action_failed_count{state=\"declined\"} 0",
    "autopilot_action_taken_total{rule_name=\"grow\"} 1",
];

/// Families of ours, and those of the original that have no sample yet.
const FAMILIES: &[&str] = &[
    "autopilot_action_duration_sum",
    "autopilot_action_failed",
    "autopilot_queries",
    "autopilot_query_seconds",
    "autopilot_query_answer_bytes",
    "autopilot_no_data_objects",
    "autopilot_api_writes",
    "autopilot_effects_in_flight",
    "autopilot_leader",
    "autopilot_config_valid",
    "autopilot_watch_errors",
    "autopilot_pass_seconds",
    "autopilot_build_info",
];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_readiness_and_life_are_served_where_the_first_line_says() -> Result<()> {
    let mut scene = Scene::with_namespace("pg1").await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);

    // A process that sees no cluster lives, and is not ready.
    scene.controller_at("http://127.0.0.1:9", &[]).await?;
    let blind = serving_url(scene.running()?).await?;
    let (status, body) = fetch::get(&format!("{blind}/ready")).await?;
    ensure!(status == 503, "{status}: {body:?}");
    ensure!(String::from_utf8_lossy(&body).contains("cluster"), "{body:?}");
    ensure!(fetch::get(&format!("{blind}/live")).await?.0 == 200);
    scene.controllers.pop();

    // One that sees it becomes ready, by the address in its first line.
    scene.controller().await?;
    let url = serving_url(scene.running()?).await?;
    let log = scene.running()?.log();
    let first: Value = serde_json::from_str(log.lines().next().context("a line")?)?;
    ensure!(first["address"].as_str().is_some_and(|a| url.ends_with(a)), "{first}");
    scene
        .until("ready", async || Ok((fetch::get(&format!("{url}/ready")).await?.0 == 200).then_some(())))
        .await?;
    ensure!(fetch::get(&format!("{url}/live")).await?.0 == 200);
    ensure!(fetch::get(&format!("{url}/secrets")).await?.0 == 404);

    // After a resize the metrics tell of it.
    scene.cluster.apply(&RuleText::new("grow").without_approval().text()).await?;
    scene.until_request("pg1", "data", "20Gi").await?;
    scene.usage(&volume, 6.0, 20.0);
    scene.until_state("pg1", "grow", &volume, RuleState::Normal).await?;
    scene
        .until("all metrics", async || {
            let (status, body) = fetch::get(&format!("{url}/metrics")).await?;
            let text = String::from_utf8(body.to_vec())?;
            ensure!(status == 200, "{status}");
            let missing: Vec<&&str> =
                AS_THE_ORIGINAL.iter().filter(|sample| !text.lines().any(|line| line == **sample)).collect();
            ensure!(missing.is_empty(), "missing: {missing:#?} in\n{text}");
            let missing: Vec<&&str> =
                FAMILIES.iter().filter(|name| !text.contains(&format!("# TYPE {name} "))).collect();
            ensure!(missing.is_empty(), "missing: {missing:#?} in\n{text}");
            Ok(Some(()))
        })
        .await?;

    // Every line of its log is JSON, and those about an object name it and its rule.
    for line in scene.running()?.log().lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let about = line["message"] == "journal" || line["message"] == "resize";
        ensure!(!about || (line["rule"] == "grow" && line["object"] == volume.as_str()), "{line}");
    }
    Ok(())
}
