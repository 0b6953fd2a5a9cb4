//! The storage is slow, fails, cannot, or is as large as it may be.

use std::time::Duration;

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::Behaviour;
use serde_json::json;

use super::stage::{Case, Stage};

const STARTED: [&str; 3] = [
    "Initializing => Triggered",
    "Triggered => ActiveActionsPending",
    "ActiveActionsPending => ActiveActionsInProgress",
];
const DONE: [&str; 2] = ["ActiveActionsInProgress => ActiveActionsTaken", "ActiveActionsTaken => Normal"];

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_is_waited_for_and_never_asked_twice() -> Result<()> {
    let stage = Stage::start().await?;
    tokio::try_join!(
        slow(stage.case("slow").await?),
        failing(stage.case("failing").await?),
        infeasible(stage.case("infeasible").await?),
        largest(stage.case("largest").await?),
    )?;
    Ok(())
}

async fn finished(case: Case<'_>, volume: &str) -> Result<()> {
    case.usage(volume, 6.0, 20.0);
    case.state(volume, RuleState::Normal).await?;
    case.path(volume, &[&STARTED[..], &DONE].concat()).await?;
    ensure!(case.writes("data") == 1, "{}: the size was written {} times", case.name, case.writes("data"));
    Ok(())
}

async fn slow(case: Case<'_>) -> Result<()> {
    // Given a storage that takes its time.
    case.stage.scene.csi.set(case.name, "data", Behaviour::Slow(Duration::from_secs(6)));
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule().without_approval()).await?;
    // Then the journal says what it waits for, and the size is written once.
    let words = "the storage is working on it: ControllerResizeInProgress";
    case.says(&volume, RuleState::ActiveActionsInProgress, words).await?;
    finished(case, &volume).await
}

async fn failing(case: Case<'_>) -> Result<()> {
    // Given a storage that fails, and tries again by itself.
    let full = "the array is out of space";
    case.stage.scene.csi.set(case.name, "data", Behaviour::Failing(full.to_owned()));
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule().without_approval()).await?;
    // Then the journal shows its error, and nothing is asked again.
    let words = format!("the storage reports an error: {full}");
    case.says(&volume, RuleState::ActiveActionsInProgress, &words).await?;
    case.stage.further_passes(4).await?;
    case.path(&volume, &STARTED).await?;
    // When there is space. Then the resize is done.
    case.stage.scene.csi.set(case.name, "data", Behaviour::Immediate);
    finished(case, &volume).await
}

async fn infeasible(case: Case<'_>) -> Result<()> {
    // Given a storage that can never do it.
    case.stage.scene.csi.set(case.name, "data", Behaviour::Infeasible);
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    case.asked(&volume).await?;
    case.answer(&volume, "approved").await?;
    // Then the action ends in an event and a state, and its approval goes.
    let told = case.event("FailedAction", "the storage cannot do the resize from 10Gi to 20Gi").await?;
    ensure!(told.contains("size 20Gi is not feasible for this volume"), "{told}");
    case.state(&volume, RuleState::ActionsDeclined).await?;
    case.unasked(&volume).await?;
    let path = [
        "Initializing => Triggered",
        "Triggered => ActionAwaitingApproval",
        "ActionAwaitingApproval => ActiveActionsPending",
        "ActiveActionsPending => ActiveActionsInProgress",
        "ActiveActionsInProgress => ActiveActionsDeclined",
    ];
    case.path(&volume, &path).await?;
    // And it is quiet afterwards.
    case.stage.further_passes(4).await?;
    case.path(&volume, &path).await?;
    ensure!(case.writes("data") == 1, "the size was written {} times", case.writes("data"));
    Ok(())
}

async fn largest(case: Case<'_>) -> Result<()> {
    // Given a limit below the double.
    let volume = case.full_claim("data").await?;
    let rule = case.rule().without_approval();
    case.apply(&rule.clone().set("/actions/0/params/maxsize", json!("15Gi"))).await?;
    // Then it grows up to the limit.
    case.requests("data", "15Gi").await?;
    case.usage(&volume, 6.0, 15.0);
    case.state(&volume, RuleState::Normal).await?;
    // When it is full again. Then the action is declined by the controller, which says why, once.
    case.usage(&volume, 14.0, 15.0);
    case.event("ActionDeclined", "the PVC requests 15Gi, maxsize is 15Gi").await?;
    let declined = ["Normal => Triggered", "Triggered => ActiveActionsDeclined"];
    let declined = [&STARTED[..], &DONE, &declined].concat();
    case.path(&volume, &declined).await?;
    let version = async || -> Result<_> {
        let journal = case.stage.scene.journal(case.name, case.name, &volume).await?;
        Ok(journal.and_then(|j| j.metadata.resource_version))
    };
    // What was told is noted once; from then on nothing is written.
    case.stage.further_passes(5).await?;
    let before = version().await?;
    case.stage.further_passes(5).await?;
    ensure!(before == version().await?, "the journal of a declined object was written");
    case.path(&volume, &declined).await?;
    // When the limit is raised. Then it grows.
    case.apply(&rule).await?;
    case.requests("data", "30Gi").await?;
    case.usage(&volume, 14.0, 30.0);
    case.state(&volume, RuleState::Normal).await?;
    case.sizes("data", &["10Gi", "15Gi", "30Gi"])
}
