//! Several rules on one PVC: one proposal at a time.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRule};
use autopilot_tests::{RuleText, Scene};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn of_several_rules_on_one_pvc_the_heavier_then_the_older_asks_and_the_others_say_for_whom_they_wait()
-> Result<()> {
    // Given three rules that select one PVC; by name and by creation they would come in another order than by weight.
    let mut scene = Scene::with_namespace("pg1").await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 1.0, 10.0);
    scene.cluster.apply(&RuleText::new("z-older").text()).await?;
    a_second_later(&scene, "z-older").await?;
    scene.cluster.apply(&RuleText::new("a-younger").text()).await?;
    a_second_later(&scene, "a-younger").await?;
    scene.cluster.apply(&RuleText::new("m-heavy").set("/weight", json!(10)).text()).await?;
    scene.controller().await?;
    for rule in ["z-older", "a-younger", "m-heavy"] {
        scene.until_condition(rule, "DataAvailable", "True").await?;
    }

    // When the condition of all holds, then the heaviest asks and the others wait for it;
    scene.usage(&volume, 6.0, 10.0);
    let question = scene.until_pending("pg1", "m-heavy", &volume).await?;
    waits(&scene, &volume, "z-older", "m-heavy").await?;
    waits(&scene, &volume, "a-younger", "m-heavy").await?;
    ensure!(approvals(&scene).await? == 1, "one question at a time");

    // also when it has been declined;
    scene.answer("pg1", question.metadata.name.as_deref().context("a name")?, "declined").await?;
    scene.until_state("pg1", "m-heavy", &volume, RuleState::ActionsDeclined).await?;
    waits(&scene, &volume, "z-older", "m-heavy").await?;
    ensure!(approvals(&scene).await? == 1, "a declined question is one, too");

    // when it is gone, the older of the rest asks,
    Api::<AutopilotRule>::all(scene.client.clone()).delete("m-heavy", &DeleteParams::default()).await?;
    let question = scene.until_pending("pg1", "z-older", &volume).await?;
    waits(&scene, &volume, "a-younger", "z-older").await?;
    ensure!(approvals(&scene).await? == 1, "one question at a time");

    // and what it does is done once: the other finds its condition gone.
    scene.answer("pg1", question.metadata.name.as_deref().context("a name")?, "approved").await?;
    scene.until_request("pg1", "data", "20Gi").await?;
    scene.usage(&volume, 6.0, 20.0);
    scene.until_state("pg1", "z-older", &volume, RuleState::Normal).await?;
    scene.until_state("pg1", "a-younger", &volume, RuleState::Normal).await?;
    ensure!(scene.csi.requests("pg1", "data") == ["10Gi", "20Gi"]);
    let path = scene.path("a-younger", &volume).await?;
    ensure!(!path.iter().any(|step| step.contains("ActionAwaitingApproval")), "it never asked: {path:?}");
    Ok(())
}

/// Waits for the next second: creation times are whole seconds.
async fn a_second_later(scene: &Scene, rule: &str) -> Result<()> {
    let created =
        scene.rule(rule).await?.metadata.creation_timestamp.context("a rule was created some time")?.0;
    scene
        .until("the next second", async || {
            Ok((Timestamp::now() >= created + SignedDuration::from_millis(1_100)).then_some(()))
        })
        .await
}

async fn waits(scene: &Scene, volume: &str, rule: &str, rival: &str) -> Result<()> {
    let expected = format!("waits for rule {rival}, which goes first on this PVC");
    scene
        .until(&format!("{rule} {expected}"), async || {
            let journal =
                scene.journal("pg1", rule, volume).await?.and_then(|j| j.status).unwrap_or_default();
            let so =
                journal.state == Some(RuleState::Triggered) && journal.reason.as_deref() == Some(&expected);
            Ok((so && journal.proposal.is_none()).then_some(()))
        })
        .await
}

async fn approvals(scene: &Scene) -> Result<usize> {
    Ok(Api::<ActionApproval>::all(scene.client.clone()).list(&ListParams::default()).await?.items.len())
}
