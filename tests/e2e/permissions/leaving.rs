//! SIGTERM in the middle of work.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::{Action, Behaviour, FaultProxy, Match};
use autopilot_tests::transitions::ASKED_AND_APPROVED as ONCE;
use autopilot_tests::{RuleText, Scene, SceneOptions};

/// From the signal to the end of the process.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_api_server_takes_its_time_ends_well_and_the_work_is_done_once() -> Result<()> {
    // A patch of the PVC that is answered in time is waited for; one that is not is done by the next one, and comes to
    // nothing when it arrives after that.
    for (i, delay) in [Duration::from_secs(3), Duration::from_secs(15)].into_iter().enumerate() {
        let in_time = delay < LIMIT;
        let mut scene = Scene::start(SceneOptions::default()).await?;
        let proxy = FaultProxy::to_cluster(&scene.cluster)?;
        scene.cluster.namespace("pg1", &[("type", "db")]).await?;
        let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
        scene.usage(&volume, 6.0, 10.0);
        let rule = RuleText::new("ask").set("/actionsCoolDownPeriod", serde_json::json!(5));
        scene.cluster.apply(&rule.text()).await?;
        scene.controller_at(&proxy.url(), &[]).await?;
        let question = scene.until_pending("pg1", "ask", &volume).await?;

        // Given a resize on its way,
        let patches = Match::writes().method("PATCH").path("/persistentvolumeclaims/");
        let slow = proxy.rule(patches.times(1), Action::Delay(delay));
        scene.answer("pg1", question.metadata.name.as_deref().context("a name")?, "approved").await?;
        scene.until("the resize is on its way", async || Ok((proxy.applied(slow) > 0).then_some(()))).await?;

        // when the controller is asked to leave, then it does, in time and well.
        scene.running()?.sigterm()?;
        let status = scene.running()?.wait(LIMIT).await.with_context(|| scene.controllers[0].tail(30))?;
        ensure!(status.success(), "{i}: {status}");
        let size = scene.request("pg1", "data").await?;
        ensure!(size == if in_time { "20Gi" } else { "10Gi" }, "{i}: {size} when it had left");

        // What it left is finished by the next one, once.
        scene.controller_at(&proxy.url(), &[]).await?;
        scene.until_request("pg1", "data", "20Gi").await?;
        scene.usage(&volume, 6.0, 20.0);
        scene.until_state("pg1", "ask", &volume, RuleState::Normal).await?;
        let resizes = async || {
            let writes = proxy.writes();
            let resizes = writes.iter().filter(|w| w.resource().contains("/persistentvolumeclaims/"));
            let answers: Vec<Option<u16>> = resizes.map(|w| w.upstream).collect();
            Ok(answers.iter().all(Option::is_some).then_some(answers))
        };
        let answers = scene.until("every resize has arrived", resizes).await?;
        // The late one met its own test of the old size.
        let expected: &[Option<u16>] = if in_time { &[Some(200)] } else { &[Some(422), Some(200)] };
        ensure!(answers == expected, "{i}: {answers:?}");
        ensure!(scene.csi.requests("pg1", "data") == ["10Gi", "20Gi"]);
        let path = scene
            .until("all is told", async || {
                let path = scene.path("ask", &volume).await?;
                Ok((path.len() >= ONCE.len()).then_some(path))
            })
            .await?;
        ensure!(path == ONCE, "{i}: {path:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_storage_takes_its_time_leaves_the_resize_to_the_next_one() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let proxy = FaultProxy::to_cluster(&scene.cluster)?;
    scene.csi.set_default(Behaviour::Never);
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    let volume = scene.claim("pg1", "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    scene.cluster.apply(&RuleText::new("ask").text()).await?;
    scene.controller_at(&proxy.url(), &[]).await?;
    let question = scene.until_pending("pg1", "ask", &volume).await?;
    scene.answer("pg1", question.metadata.name.as_deref().context("a name")?, "approved").await?;
    scene.until_request("pg1", "data", "20Gi").await?;

    scene.running()?.sigterm()?;
    let status = scene.running()?.wait(LIMIT).await?;
    ensure!(status.success(), "{status}");

    scene.controller_at(&proxy.url(), &[]).await?;
    scene.running()?.wait_for_log("deciding begins", Duration::from_secs(40)).await?;
    scene.until_state("pg1", "ask", &volume, RuleState::ActiveActionsInProgress).await?;
    scene.csi.set_default(Behaviour::Immediate);
    scene.until_state("pg1", "ask", &volume, RuleState::ActiveActionsTaken).await?;
    scene.usage(&volume, 6.0, 20.0);
    scene.until_state("pg1", "ask", &volume, RuleState::Normal).await?;
    let patches = proxy.writes().iter().filter(|w| w.resource().contains("/persistentvolumeclaims/")).count();
    ensure!(patches == 1, "{patches} patches of the PVC");
    scene
        .until("all is told, once", async || Ok((scene.path("ask", &volume).await? == ONCE).then_some(())))
        .await
}
