//! The rule changes under an open question.

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::Behaviour;
use autopilot_tests::transitions::{APPROVED, ASKED};
use serde_json::json;

use super::stage::{CANCEL_AFTER, Case, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_changes_takes_its_questions_back() -> Result<()> {
    let stage = Stage::start().await?;
    tokio::try_join!(
        edited(stage.case("edited").await?),
        suspended(stage.case("suspended").await?),
        deleted(stage.case("deleted").await?),
        enforcement_removed(stage.case("freed").await?),
        condition_cleared(stage.case("cleared").await?),
        two_rules(stage.case("contested").await?),
    )?;
    all_suspended(stage.case("halted").await?).await
}

async fn edited(case: Case<'_>) -> Result<()> {
    // Given an open question.
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    let first = case.asked(&volume).await?;
    // When something else than its meaning is edited. Then it stands.
    case.stage.kubectl(&["annotate", "autopilotrule", case.name, "example.com/note=seen"]).await?;
    case.stage.further_passes(3).await?;
    ensure!(case.asked(&volume).await?.metadata.uid == first.metadata.uid, "an annotation is no edit");
    // When the rule would grow it by another size.
    case.apply(&case.rule().set("/actions/0/params/scalepercentage", json!("50"))).await?;
    // Then another question takes its place, and only that one counts.
    case.asked_anew(&volume, &first).await?;
    case.answer(&volume, "approved").await?;
    case.requests("data", "15Gi").await?;
    case.usage(&volume, 6.0, 15.0);
    case.state(&volume, RuleState::Normal).await?;
    case.sizes("data", &["10Gi", "15Gi"])?;
    let again = ["ActionAwaitingApproval => Triggered", "Triggered => ActionAwaitingApproval"];
    case.path(&volume, &[&ASKED[..], &again, &APPROVED].concat()).await
}

/// The volumes of the claims `asked` and `moving`.
struct AskedAndMoving {
    /// Waits for an answer.
    asked: String,
    /// Its approved resize is not finished by the storage.
    moving: String,
}

/// Brings about an object that waits for an answer, and one whose approved resize the storage has not finished.
async fn one_asked_one_moving(case: Case<'_>) -> Result<AskedAndMoving> {
    case.stage.scene.csi.set(case.name, "moving", Behaviour::Never);
    let (asked, moving) = (case.full_claim("asked").await?, case.full_claim("moving").await?);
    case.apply(&case.rule()).await?;
    case.asked(&asked).await?;
    case.asked(&moving).await?;
    case.answer(&moving, "approved").await?;
    case.requests("moving", "20Gi").await?;
    Ok(AskedAndMoving { asked, moving })
}

/// Checks that what was approved is finished, whatever happens to the rule.
async fn finishes(case: Case<'_>, moving: &str) -> Result<()> {
    case.state(moving, RuleState::ActiveActionsInProgress).await?;
    case.stage.scene.csi.set(case.name, "moving", Behaviour::Immediate);
    case.usage(moving, 6.0, 20.0);
    case.state(moving, RuleState::Normal).await?;
    case.unasked(moving).await?;
    case.sizes("moving", &["10Gi", "20Gi"])?;
    case.path(moving, &[&ASKED[..], &APPROVED].concat()).await
}

async fn suspended(case: Case<'_>) -> Result<()> {
    let AskedAndMoving { asked, moving } = one_asked_one_moving(case).await?;
    // And one whose approved resize the API server does not take yet.
    let latched = case.full_claim("latched").await?;
    case.asked(&latched).await?;
    let held = case.refuse_writes("latched");
    case.answer(&latched, "approved").await?;
    case.refused(held).await?;
    // When the rule is suspended.
    case.apply(&case.rule().set("/suspend", json!(true))).await?;
    // Then the question is taken back, nothing new begins, and what was approved is finished.
    case.says(&asked, RuleState::Normal, "the rule is suspended").await?;
    case.unasked(&asked).await?;
    let (reason, _) = case.stage.scene.until_condition(case.name, "Suspended", "True").await?;
    ensure!(reason == "SpecSuspend", "{reason}");
    let new = case.full_claim("new").await?;
    case.stage.further_passes(4).await?;
    let journal = case.stage.scene.journal(case.name, case.name, &new).await?;
    ensure!(journal.and_then(|j| j.status).is_none(), "something new began");
    case.unasked(&asked).await?;
    finishes(case, &moving).await?;
    case.sizes("latched", &["10Gi"])?;
    case.stage.api.remove(held);
    case.requests("latched", "20Gi").await?;
    case.usage(&latched, 6.0, 20.0);
    case.path(&latched, &[&ASKED[..], &APPROVED].concat()).await?;
    // When it goes on. Then people are asked again.
    case.apply(&case.rule().set("/suspend", json!(false))).await?;
    case.asked(&asked).await?;
    case.asked(&new).await?;
    let again =
        ["ActionAwaitingApproval => Normal", "Normal => Triggered", "Triggered => ActionAwaitingApproval"];
    case.path(&asked, &[&ASKED[..], &again].concat()).await
}

async fn all_suspended(case: Case<'_>) -> Result<()> {
    let AskedAndMoving { asked, moving } = one_asked_one_moving(case).await?;
    // When the configuration suspends all rules.
    case.stage.configure("suspend: true\n").await?;
    // Then it is as if each were.
    case.says(&asked, RuleState::Normal, "all rules are suspended").await?;
    case.unasked(&asked).await?;
    let (reason, _) = case.stage.scene.until_condition(case.name, "Suspended", "True").await?;
    ensure!(reason == "Configuration", "{reason}");
    case.stage.further_passes(3).await?;
    case.unasked(&asked).await?;
    finishes(case, &moving).await?;
    // When they go on. Then people are asked again.
    case.stage.configure("").await?;
    case.asked(&asked).await?;
    Ok(())
}

async fn deleted(case: Case<'_>) -> Result<()> {
    // Given a rule with an open question and a resize under way.
    let AskedAndMoving { asked, .. } = one_asked_one_moving(case).await?;
    let finalizers = case.stage.scene.rule(case.name).await?.metadata.finalizers.unwrap_or_default();
    ensure!(finalizers == ["autopilot.libopenstorage.org/delete"], "{finalizers:?}");
    // And something that looks like an approval of it, which somebody else holds.
    let held = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "ActionApproval",
        "metadata": {
            "namespace": case.name, "name": "held", "labels": { "rule": case.name, "object": "none" },
            "annotations": { "autopilot.libopenstorage.org/proposal": "0123456789abcdef" },
            "finalizers": ["example.com/hold"],
        },
        "spec": { "approvalState": "pending" },
    });
    case.stage.scene.cluster.apply(&held.to_string()).await?;
    // When it is deleted (kubectl waits until it is gone). Then nothing of it is left but what others hold.
    case.stage.kubectl(&["delete", "autopilotrule", case.name, "--timeout=60s"]).await?;
    let free = r#"{"metadata":{"finalizers":null}}"#;
    case.stage.kubectl(&["patch", "aa", "held", "-n", case.name, "--type=merge", "-p", free]).await?;
    case.nothing_left().await?;
    case.path(&asked, &ASKED).await?;
    // When a rule of that name comes again. Then it knows nothing of the old one.
    case.apply(&case.rule()).await?;
    case.asked(&asked).await?;
    case.path(&asked, &[ASKED, ASKED].concat()).await?;
    case.sizes("moving", &["10Gi", "20Gi"])
}

async fn enforcement_removed(case: Case<'_>) -> Result<()> {
    // Given an open question.
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    case.asked(&volume).await?;
    // When the rule does not ask any more. Then the question goes, and the action follows without it, once.
    case.apply(&case.rule().without_approval()).await?;
    case.requests("data", "20Gi").await?;
    case.usage(&volume, 6.0, 20.0);
    case.state(&volume, RuleState::Normal).await?;
    case.unasked(&volume).await?;
    case.sizes("data", &["10Gi", "20Gi"])?;
    let freed = ["ActionAwaitingApproval => Triggered", "Triggered => ActiveActionsPending"];
    let done = APPROVED.get(1..).unwrap_or_default();
    case.path(&volume, &[&ASKED[..], &freed, done].concat()).await
}

async fn condition_cleared(case: Case<'_>) -> Result<()> {
    // Given an open question of a rule whose conditions must hold for longer than `cancelAfter`.
    let hold = 3 * CANCEL_AFTER;
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule().set("/conditions/for", json!(hold))).await?;
    let question = case.asked(&volume).await?;
    // When they do not hold for a moment. Then it stands.
    case.usage(&volume, 4.0, 10.0);
    case.stage.further_passes(3).await?;
    case.usage(&volume, 6.0, 10.0);
    case.stage.further_passes(hold as usize).await?;
    let now = case.asked(&volume).await?;
    ensure!(now.metadata.uid == question.metadata.uid, "a dip has taken the question back");
    // When they do not hold for that long. Then it is taken back.
    let before = case.stage.passes();
    case.usage(&volume, 4.0, 10.0);
    case.says(&volume, RuleState::Normal, "the conditions do not hold any more").await?;
    case.unasked(&volume).await?;
    let passes = case.stage.passes() - before;
    ensure!(passes >= hold as usize, "taken back after {passes} passes");
    case.path(&volume, &[&ASKED[..], &["ActionAwaitingApproval => Normal"]].concat()).await
}

async fn two_rules(case: Case<'_>) -> Result<()> {
    // Given a rule that waits for a weightier one on the same object.
    let volume = case.full_claim("data").await?;
    let scene = &case.stage.scene;
    let heavy = "contested-heavy";
    let both = [case.rule_named(heavy).set("/weight", json!(10)), case.rule().set("/weight", json!(1))];
    scene.cluster.apply(&both.map(|rule| rule.text()).concat()).await?;
    let question = scene.until_pending(case.name, heavy, &volume).await?;
    case.says(&volume, RuleState::Triggered, &format!("waits for rule {heavy}")).await?;
    // When that one's question is declined. Then it still waits.
    let name = question.metadata.name.unwrap_or_default();
    scene.answer(case.name, &name, "declined").await?;
    scene.until_state(case.name, heavy, &volume, RuleState::ActionsDeclined).await?;
    case.stage.further_passes(3).await?;
    case.state(&volume, RuleState::Triggered).await?;
    case.unasked(&volume).await?;
    // When that rule is gone. Then it is its turn.
    case.stage.kubectl(&["delete", "autopilotrule", heavy, "--timeout=30s"]).await?;
    case.asked(&volume).await?;
    case.path(&volume, &ASKED).await
}
