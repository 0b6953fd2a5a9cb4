//! Edits of the configuration: what makes no sense changes nothing, what does takes effect without a restart.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::{FaultProxy, TempDir};
use autopilot_tests::install::prometheus_config as text;
use autopilot_tests::{RuleText, Scene, SceneOptions};
use kube::ResourceExt as _;
use serde_json::json;

use crate::{metric, warnings};

/// Texts instead of a good configuration, and parts of the message about each.
#[rustfmt::skip]
const INVALID: [(&str, &str); 7] = [
    ("providers: [", "line 1"),
    ("min_poll_interval: soon", "min_poll_interval: give a whole number of seconds from 1 to 3600"),
    ("min_poll_interval: 0", "min_poll_interval: give a whole number of seconds from 1 to 3600"),
    ("min_pol_interval: 2", "min_pol_interval"),
    ("providers:\n- name: default\n  type: prometheus\n  params: url=prometheus", "providers[0].params.url: give an address"),
    ("providers:\n- type: prometheus\n  params: url=http://prometheus:9090", "providers[0].name: missing"),
    ("providers:\n- {name: a, type: prometheus, params: url=http://a}\n- {name: a, type: prometheus, params: url=http://b}", "providers[1].name: \"a\" is taken"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_configuration_keeps_the_last_good_one_and_a_valid_one_takes_effect_at_once() -> Result<()>
{
    // Given a controller with a good configuration.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let url = scene.prometheus.as_ref().context("a Prometheus")?.url().to_owned();
    let metrics = FaultProxy::to_plain(&url)?;
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    scene.configure_text(&text(&metrics.url(), "")).await?;
    scene.controller().await?;
    scene.cluster.apply(&RuleText::new("ask").text()).await?;

    // When it is edited into nonsense, then an event, a line of the log and a metric say so, and all goes on.
    for (i, (nonsense, said)) in INVALID.iter().enumerate() {
        scene.configure_text(nonsense).await?;
        scene
            .until(&format!("an event that says {said:?}"), async || {
                let told =
                    warnings(&scene, "kube-system", "ConfigMap", "autopilot-config", "InvalidConfiguration")
                        .await?;
                let about = told
                    .iter()
                    .filter(|m| m.contains(said) && m.contains("the last good one stays in force"));
                ensure!(told.len() <= i + 1, "an edit is told once: {told:?}");
                Ok((about.count() > 0).then_some(()))
            })
            .await?;
        let log = scene.running()?.log();
        let line = log.lines().rfind(|l| l.contains("the configuration is not valid")).unwrap_or_default();
        let line: serde_json::Value = serde_json::from_str(line)?;
        ensure!(
            line["level"] == "ERROR" && line["problem"].as_str().is_some_and(|p| p.contains(said)),
            "{line}"
        );
        ensure!(metric(scene.running()?, "autopilot_config_valid").await? == Some(0.0));
    }
    let first = scene.claim("pg1", "first", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&first, 6.0, 10.0);
    let question = scene.until_pending("pg1", "ask", &first).await?;

    // A valid one takes effect: all rules are suspended, the question is taken back,
    scene.configure_text(&text(&metrics.url(), "suspend: true")).await?;
    scene.until_state("pg1", "ask", &first, RuleState::Normal).await?;
    scene
        .until("the question is taken back", async || {
            Ok(scene.approval("pg1", "ask", &first).await?.is_none().then_some(()))
        })
        .await?;
    ensure!(metric(scene.running()?, "autopilot_config_valid").await? == Some(1.0));
    let (reason, _) = scene.until_condition("ask", "Suspended", "True").await?;
    ensure!(reason == "Configuration", "suspended by {reason}");
    // and asked anew when they are not.
    scene.configure_text(&text(&metrics.url(), "suspend: false")).await?;
    let again = scene.until_pending("pg1", "ask", &first).await?;
    ensure!(again.metadata.uid != question.metadata.uid, "a question taken back is not asked again");
    scene.until_condition("ask", "Suspended", "False").await?;

    // Another address is asked at once, and missed at once where there is nobody.
    scene.configure_text(&text("http://127.0.0.1:9", "")).await?;
    scene.until_condition("ask", "DataAvailable", "False").await?;
    metrics.clear_log();
    scene.configure_text(&text(&metrics.url(), "")).await?;
    scene.until_condition("ask", "DataAvailable", "True").await?;
    ensure!(!metrics.requests().is_empty());

    // A longer interval is kept at once, and a shorter one is not waited for.
    let seldom = text(&metrics.url(), "").replace("min_poll_interval: 1", "min_poll_interval: 3600");
    let before = taken_into_force(&scene)?;
    scene.configure_text(&seldom).await?;
    scene
        .until("the longer interval", async || Ok((taken_into_force(&scene)? > before).then_some(())))
        .await?;
    let second = scene.claim("pg1", "second", "10Gi", &[("app", "postgres")]).await?;
    let third = scene.claim("pg1", "third", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&third, 1.0, 10.0);
    scene
        .until("the objects that are new are looked at", async || {
            let states = scene.rule("ask").await?.status.unwrap_or_default().states;
            Ok((states.values().sum::<i64>() == 3).then_some(()))
        })
        .await?;
    metrics.clear_log();
    scene.usage(&second, 6.0, 10.0);
    let prometheus = scene.prometheus.as_ref().context("a Prometheus")?;
    // Five scrapes, which are five seconds.
    let seen = format!("count_over_time(px_volume_usage_bytes{{volumename=\"{second}\"}}[1h]) >= 5");
    prometheus.wait_for_series(&seen, std::time::Duration::from_secs(40)).await?;
    ensure!(metrics.requests().len() <= 4, "asked {} times in five seconds", metrics.requests().len());
    scene.configure_text(&text(&metrics.url(), "")).await?;
    scene.until_pending("pg1", "ask", &second).await?;
    drop(metrics);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_configuration_and_a_restart_take_no_question_back() -> Result<()> {
    // Given an open question.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let url = scene.prometheus.as_ref().context("a Prometheus")?.url().to_owned();
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    scene.configure_text(&text(&url, "")).await?;
    scene.controller_without_lease().await?;
    scene.cluster.apply(&RuleText::new("ask").text()).await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    let question = scene.until_pending("pg1", "ask", &volume).await?;
    // When the ConfigMap loses its key. Then that is told, and all goes on.
    let other = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "autopilot-config", "namespace": "kube-system" },
        "data": { "config.yml": "suspend: true" },
    });
    scene.cluster.apply(&other.to_string()).await?;
    until_warned(&scene, &["key config.yaml is missing", "the last good one stays in force"]).await?;
    let more = scene.claim("pg1", "more", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&more, 6.0, 10.0);
    scene.until_pending("pg1", "ask", &more).await?;
    // When it is nonsense, the controller starts anew, and somebody answers meanwhile.
    scene.configure_text("min_poll_interval: soon").await?;
    until_warned(&scene, &["min_poll_interval", "the last good one stays in force"]).await?;
    scene.controllers.clear();
    scene.controller_without_lease().await?;
    until_warned(&scene, &["min_poll_interval", "nothing is started, answered or taken back"]).await?;
    let (reason, why) = scene.until_condition("ask", "Suspended", "True").await?;
    ensure!(reason == "Configuration" && why.contains("not valid"), "{reason}: {why}");
    scene.answer("pg1", &question.name_any(), "approved").await?;
    // Then the question still stands, and nothing has come of the answer yet.
    seen_by_now(&scene).await?;
    let stands = scene.approval("pg1", "ask", &volume).await?.context("the question was taken back")?;
    ensure!(stands.metadata.uid == question.metadata.uid, "another question");
    ensure!(stands.status.is_some_and(|status| status.decision.is_none()), "the answer was taken");
    scene.until_state("pg1", "ask", &volume, RuleState::ActionAwaitingApproval).await?;
    // When it makes sense again. Then the answer counts.
    scene.configure_text(&text(&url, "")).await?;
    scene.until_request("pg1", "data", "20Gi").await?;
    // When it is broken once more. Then the good one stays in force: it is answered.
    scene.configure_text("min_poll_interval: soon").await?;
    scene
        .running()?
        .wait_for_log("the last good one stays in force", std::time::Duration::from_secs(40))
        .await?;
    let left = scene.approval("pg1", "ask", &more).await?.context("the other question was taken back")?;
    ensure!(left.spec.approval_state.as_deref() == Some("pending"));
    scene.answer("pg1", &left.name_any(), "approved").await?;
    scene.until_request("pg1", "more", "20Gi").await
}

/// Waits until the controller has seen what was written to approvals so far: a watch tells in order.
async fn seen_by_now(scene: &Scene) -> Result<()> {
    let stranger = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "ActionApproval",
        "metadata": { "namespace": "pg1", "name": "stranger", "labels": { "rule": "none", "object": "none" } },
        "spec": { "approvalState": "pending" },
    });
    scene.cluster.apply(&stranger.to_string()).await?;
    let approvals =
        kube::Api::<autopilot_shared::api::ActionApproval>::namespaced(scene.client.clone(), "pg1");
    scene
        .until("the stranger is looked at", async || {
            let status = approvals.get("stranger").await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            Ok(conditions.iter().any(|c| c.type_ == "StaleApproval").then_some(()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_file_is_followed_and_the_config_map_is_not() -> Result<()> {
    // Given a controller that reads a file, and a ConfigMap that says the opposite.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let url = scene.prometheus.as_ref().context("a Prometheus")?.url().to_owned();
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    scene.configure_text(&text(&url, "suspend: true")).await?;
    let folder = TempDir::new("configuration")?;
    let file = folder.join("config.yaml");
    std::fs::write(&file, text(&url, ""))?;
    let server = scene.cluster.url().to_owned();
    scene.controller_at(&server, &["--config", &file.to_string_lossy()]).await?;
    scene.cluster.apply(&RuleText::new("ask").set("/pollInterval", json!(1)).text()).await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    scene.until_pending("pg1", "ask", &volume).await?;

    // When the file becomes nonsense, then the log and the metric say so, and the last good one stays in force;
    std::fs::write(&file, "min_poll_interval: soon")?;
    let line = scene
        .running()?
        .wait_for_log(
            "the configuration is not valid; the last good one stays in force",
            std::time::Duration::from_secs(40),
        )
        .await?;
    ensure!(line.contains("min_poll_interval: give a whole number of seconds"), "{line}");
    ensure!(metric(scene.running()?, "autopilot_config_valid").await? == Some(0.0));
    let other = scene.claim("pg1", "other", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&other, 6.0, 10.0);
    scene.until_pending("pg1", "ask", &other).await?;

    // when it makes sense again, it takes effect. Replaced by a rename, as a mounted ConfigMap is.
    let next = folder.join("next.yaml");
    std::fs::write(&next, text(&url, "suspend: true"))?;
    std::fs::rename(&next, &file)?;
    for volume in [&volume, &other] {
        scene.until_state("pg1", "ask", volume, RuleState::Normal).await?;
    }
    ensure!(metric(scene.running()?, "autopilot_config_valid").await? == Some(1.0));
    Ok(())
}

/// Waits for a warning about the ConfigMap with all these words.
async fn until_warned(scene: &Scene, words: &[&str]) -> Result<()> {
    scene
        .until(&format!("an event that says {words:?}"), async || {
            let all = warnings(scene, "kube-system", "ConfigMap", "autopilot-config", "InvalidConfiguration");
            let found = all.await?.iter().any(|message| words.iter().all(|word| message.contains(word)));
            Ok(found.then_some(()))
        })
        .await
}

/// Returns how often the controller says that it took a configuration into force.
fn taken_into_force(scene: &Scene) -> Result<usize> {
    Ok(scene.running()?.log().matches("a new configuration is in force").count())
}
