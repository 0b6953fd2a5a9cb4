//! The claim changes under an open question, or after its answer.

use anyhow::{Result, ensure};
use autopilot_shared::{RuleState, names};
use autopilot_stack::Behaviour;
use autopilot_tests::objects::digest;
use autopilot_tests::transitions::ASKED;
use serde_json::{Value, json};

use super::stage::{Case, Stage};

const ASKED_AGAIN: [&str; 3] =
    ["ActionAwaitingApproval => Normal", "Normal => Triggered", "Triggered => ActionAwaitingApproval"];

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_changes_is_another_question() -> Result<()> {
    let stage = Stage::start().await?;
    tokio::try_join!(
        relabelled(stage.case("relabelled").await?),
        namespace_relabelled(stage.case("moved").await?),
        deleted(stage.case("dropped").await?),
        recreated(stage.case("recreated").await?),
        enlarged_while_asked(stage.case("enlarged").await?),
        enlarged_after_the_answer(stage.case("overtaken").await?),
        declined_then_relabelled(stage.case("declined").await?),
        named_at_length(stage.case("lengthy").await?),
    )?;
    Ok(())
}

/// Plays a volume whose id makes no label; that of its approval is cut, and looks like another id.
async fn named_at_length(case: Case<'_>) -> Result<()> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "namespace": case.name, "name": "data", "labels": { "app": "postgres" } },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": { "requests": { "storage": "10Gi" } },
        },
    });
    let scene = &case.stage.scene;
    scene.cluster.apply(&manifest.to_string()).await?;
    // 64 characters; the 52nd, where a label is cut, is a hyphen.
    let prefix = "prod-eu-west-1-k8s-platform";
    let volume = scene.csi.provision_with_prefix(case.name, "data", prefix).await?;
    ensure!(volume.len() == 64 && names::label_value(&volume).len() < 63, "{volume} is no such name");
    case.usage(&volume, 6.0, 10.0);
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    case.stage.further_passes(3).await?;
    ensure!(case.asked(&volume).await?.metadata.uid == first.metadata.uid, "the question was asked twice");
    case.answer(&volume, "approved").await?;
    case.requests("data", "20Gi").await?;
    case.sizes("data", &["10Gi", "20Gi"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_size_is_remembered_over_a_restart_and_by_rules_that_are_made_anew() -> Result<()> {
    let mut stage = Stage::start().await?;
    // Given a question about a claim that somebody enlarged by hand, and a claim that its rule enlarged.
    let (asked, grown) = (stage.case("asked").await?, stage.case("grown").await?);
    let (first, second) = (asked.full_claim("data").await?, grown.full_claim("data").await?);
    asked.apply(&asked.rule()).await?;
    let question = asked.asked(&first).await?;
    asked.enlarge("data", "15Gi").await?;
    asked.grown("data", "15Gi").await?;
    asked.unasked(&first).await?;
    // So long that it is still in its cool-down when that is looked for.
    grown.apply(&grown.rule().without_approval().set("/actionsCoolDownPeriod", json!(300))).await?;
    grown.requests("data", "20Gi").await?;
    grown.grown("data", "20Gi").await?;
    grown.state(&second, RuleState::ActiveActionsTaken).await?;
    // When the controller starts anew, the rule is made anew, and the metrics are late.
    stage.restart().await?;
    let (asked, grown) = (Case { stage: &stage, name: "asked" }, Case { stage: &stage, name: "grown" });
    stage.kubectl(&["delete", "autopilotrule", "grown"]).await?;
    grown.apply(&grown.rule().without_approval()).await?;
    // Then old data neither asks nor acts.
    asked.state(&first, RuleState::Triggered).await?;
    stage.further_passes(5).await?;
    asked.unasked(&first).await?;
    grown.sizes("data", &["10Gi", "20Gi"])?;
    // And new data does.
    asked.usage(&first, 3.0, 15.0);
    grown.usage(&second, 6.0, 20.0);
    asked.state(&first, RuleState::Normal).await?;
    asked.usage(&first, 12.0, 15.0);
    asked.asked_anew(&first, &question).await?;
    grown.usage(&second, 12.0, 20.0);
    grown.requests("data", "40Gi").await?;
    grown.sizes("data", &["10Gi", "20Gi", "40Gi"])
}

async fn label(case: Case<'_>, claim: &str, app: &str) -> Result<()> {
    case.edit(claim, json!({ "metadata": { "labels": { "app": app } } })).await
}

async fn relabelled(case: Case<'_>) -> Result<()> {
    // Given a question about one claim, and another that is at rest.
    let (asked, quiet) = (case.full_claim("asked").await?, case.claim("quiet").await?);
    case.usage(&quiet, 3.0, 10.0);
    case.apply(&case.rule()).await?;
    let first = case.asked(&asked).await?;
    case.path(&quiet, &["Initializing => Normal"]).await?;
    // When the rule no longer selects them. Then the question is taken back.
    label(case, "asked", "other").await?;
    label(case, "quiet", "other").await?;
    case.says(&asked, RuleState::Normal, "the rule does not select the PVC").await?;
    case.unasked(&asked).await?;
    case.stage.further_passes(3).await?;
    case.unasked(&asked).await?;
    // When it does again. Then a new question is asked, and the rule counts both as before.
    label(case, "asked", "postgres").await?;
    label(case, "quiet", "postgres").await?;
    case.asked_anew(&asked, &first).await?;
    case.path(&asked, &[&ASKED[..], &ASKED_AGAIN].concat()).await?;
    case.path(&quiet, &["Initializing => Normal"]).await?;
    let wanted = [("ActionAwaitingApproval", 1), ("Normal", 1)].map(|(state, n)| (state.to_owned(), n));
    let scene = &case.stage.scene;
    scene
        .until("the rule counts both", async || {
            let states = scene.rule(case.name).await?.status.unwrap_or_default().states;
            Ok((states == wanted.clone().into()).then_some(()))
        })
        .await
}

async fn namespace_relabelled(case: Case<'_>) -> Result<()> {
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    // When the namespace is no longer selected. Then the question is taken back, until it is again.
    case.stage.kubectl(&["label", "namespace", case.name, "case-"]).await?;
    case.says(&volume, RuleState::Normal, "the rule does not select the PVC").await?;
    case.unasked(&volume).await?;
    case.stage.kubectl(&["label", "namespace", case.name, &format!("case={}", case.name)]).await?;
    case.asked_anew(&volume, &first).await?;
    case.path(&volume, &[&ASKED[..], &ASKED_AGAIN].concat()).await
}

async fn deleted(case: Case<'_>) -> Result<()> {
    // Given a claim that a person is asked about, and one that the storage does not finish.
    case.stage.scene.csi.set(case.name, "moving", Behaviour::Never);
    let (asked, moving) = (case.full_claim("asked").await?, case.full_claim("moving").await?);
    case.apply(&case.rule()).await?;
    case.asked(&asked).await?;
    case.asked(&moving).await?;
    case.answer(&moving, "approved").await?;
    case.requests("moving", "20Gi").await?;
    // When they are deleted. Then they take their approvals and journals with them, and the rule stays.
    case.delete("asked").await?;
    case.delete("moving").await?;
    case.nothing_left().await?;
    let scene = &case.stage.scene;
    scene
        .until("the rule has no objects", async || {
            let status = scene.rule(case.name).await?.status.unwrap_or_default();
            Ok((status.objects == Some(0) && status.states.is_empty()).then_some(()))
        })
        .await?;
    case.path(&asked, &ASKED).await
}

async fn recreated(case: Case<'_>) -> Result<()> {
    // Given a question about a claim that is deleted, and made again with the same name.
    let old = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&old).await?;
    case.delete("data").await?;
    let new = case.full_claim("data").await?;
    // Then nothing is carried over to the new volume.
    let second = case.asked(&new).await?;
    ensure!(digest(&first) != digest(&second), "the old proposal");
    case.unasked(&old).await?;
    case.path(&old, &ASKED).await?;
    case.path(&new, &ASKED).await?;
    let journal = case.state(&new, RuleState::ActionAwaitingApproval).await?;
    ensure!((journal.transitions, journal.episode) == (2, 1), "{journal:?}");
    let left = case.stage.scene.journal(case.name, case.name, &old).await?;
    ensure!(left.is_none(), "the journal of the old volume is left");
    Ok(())
}

async fn enlarged_while_asked(case: Case<'_>) -> Result<()> {
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    // When somebody enlarges it by hand, and it is too small still.
    case.enlarge("data", "15Gi").await?;
    // Then the question is taken back; what was measured before the change asks nothing.
    case.unasked(&volume).await?;
    case.grown("data", "15Gi").await?;
    case.stage.further_passes(3).await?;
    case.unasked(&volume).await?;
    // When the metrics show the new size. Then it is asked anew from there.
    case.usage(&volume, 12.0, 15.0);
    case.asked_anew(&volume, &first).await?;
    case.answer(&volume, "approved").await?;
    case.requests("data", "30Gi").await?;
    case.sizes("data", &["10Gi", "15Gi", "30Gi"])
}

async fn enlarged_after_the_answer(case: Case<'_>) -> Result<()> {
    // Given an approved resize that the API server does not take.
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    let held = case.refuse_writes("data");
    case.answer(&volume, "approved").await?;
    case.refused(held).await?;
    // When somebody enlarges the claim by hand meanwhile.
    case.enlarge("data", "15Gi").await?;
    case.grown("data", "15Gi").await?;
    case.stage.api.remove(held);
    // Then the answer is spent, and when the metrics show the new size another question is asked.
    case.event("FailedAction", "superseded: the PVC requests 15Gi").await?;
    case.usage(&volume, 12.0, 15.0);
    case.asked_anew(&volume, &first).await?;
    case.sizes("data", &["10Gi", "15Gi"])?;
    let superseded = [
        "ActionAwaitingApproval => ActiveActionsPending",
        "ActiveActionsPending => ActiveActionsInProgress",
        "ActiveActionsInProgress => Triggered",
        "Triggered => ActionAwaitingApproval",
    ];
    case.path(&volume, &[&ASKED[..], &superseded].concat()).await
}

async fn declined_then_relabelled(case: Case<'_>) -> Result<()> {
    // Given a question that was declined.
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    case.answer(&volume, "declined").await?;
    let declined = [&ASKED[..], &["ActionAwaitingApproval => ActiveActionsDeclined"]].concat();
    case.path(&volume, &declined).await?;
    // When the claim leaves the selector and comes back. Then it stays declined, in silence.
    label(case, "data", "other").await?;
    case.stage.further_passes(3).await?;
    label(case, "data", "postgres").await?;
    case.stage.further_passes(3).await?;
    case.path(&volume, &declined).await?;
    // When the approval is deleted. Then people are asked again.
    let name = first.metadata.name.clone().unwrap_or_default();
    case.stage.kubectl(&["delete", "actionapproval", &name, "-n", case.name]).await?;
    case.asked_anew(&volume, &first).await?;
    let again = ["ActiveActionsDeclined => Triggered", "Triggered => ActionAwaitingApproval"];
    case.path(&volume, &[&declined[..], &again].concat()).await?;
    // When it is declined, not selected any more, and deleted. Then the object is at rest.
    case.answer(&volume, "declined").await?;
    case.state(&volume, RuleState::ActionsDeclined).await?;
    case.edit("data", json!({ "metadata": { "labels": { "app": Value::Null } } })).await?;
    case.stage.kubectl(&["delete", "actionapproval", &name, "-n", case.name]).await?;
    case.state(&volume, RuleState::Normal).await?;
    case.unasked(&volume).await
}
