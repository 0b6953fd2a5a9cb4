//! Edits by people on GitHub besides merging and closing: none of them decides anything, and none leaves anything behind.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{Outcome, PullRequestState};
use autopilot_stack::github::{ALICE_TOKEN, OUTSIDER_TOKEN};
use autopilot_tests::gitops::{Case, FOLDER, GitOpsScene, condition};

pub(crate) async fn an_edited_file_approves_nothing_and_says_why(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "edited").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let alice = gitops.github.actor(ALICE_TOKEN)?;
    let text = alice.read(&case.branch, &question.pull.path).await?.context("no file")?;
    alice.put(&case.branch, &question.pull.path, &text.replace("400Gi", "800Gi")).await?;
    let said = case.until_condition("PullRequestRefused", "FileEdited").await?;
    ensure!(said.contains("was edited"), "{said}");

    // Merged all the same, it is applied, and inert: the reason stands in the approval.
    gitops.reviewer.merge(question.number()).await?;
    case.until_condition("PullRequestRefused", "FileEdited").await?;
    case.until_file_gone(&question.pull.path).await?;
    gitops.synced().await?;
    case.until_state(RuleState::ActionAwaitingApproval).await?;
    let now = case.until_approval("pending", |a| a.spec.approval_state.as_deref() == Some("pending")).await?;
    ensure!(now.status.and_then(|s| s.decision).is_none(), "it is decided");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    // The cluster is the way out.
    gitops.scene.answer(&case.namespace, &case.approval, "approved").await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn an_edit_that_is_undone_counts_again(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "undone").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let alice = gitops.github.actor(ALICE_TOKEN)?;
    let text = alice.read(&case.branch, &question.pull.path).await?.context("no file")?;
    alice.put(&case.branch, &question.pull.path, &text.replace("400Gi", "800Gi")).await?;
    case.until_condition("PullRequestRefused", "FileEdited").await?;
    alice.put(&case.branch, &question.pull.path, &text).await?;
    case.until_approval("no longer refused", |a| condition(a, "PullRequestRefused").is_none()).await?;

    // Title and text are people's; so is another base, which does not count until it is set back.
    alice.edit(question.number(), &serde_json::json!({ "title": "resize?", "body": "Please look." })).await?;
    alice.create_branch("elsewhere", &alice.branch("main").await?.context("main")?).await?;
    alice.retarget(question.number(), "elsewhere").await?;
    case.until_condition("PullRequestRefused", "Retargeted").await?;
    alice.retarget(question.number(), "main").await?;
    case.until_approval("no longer refused", |a| condition(a, "PullRequestRefused").is_none()).await?;
    alice.delete_branch("elsewhere").await?;
    let noted = case.until_asked("").await?;
    ensure!(noted.number() == question.number(), "{noted:?}");
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn deleting_the_branch_declines(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "branch-deleted").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    gitops.github.actor(ALICE_TOKEN)?.delete_branch(&case.branch).await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    let declined = case.until_approval("cleaned up", |a| a.metadata.finalizers.is_none()).await?;
    let decision = declined.status.and_then(|s| s.decision).unwrap_or_default();
    ensure!(decision.outcome == Outcome::Declined && decision.by == "alice", "{decision:?}");
    let said = case.comments(question.number()).await?;
    ensure!(said.len() == 1 && said[0].contains("and its branch is gone"), "{said:?}");
    case.until_clean().await?;

    // Asked anew after its deletion, closed, and opened again at once: the first answer counts.
    case.delete_approval().await?;
    let again = case.until_asked(&question.digest).await?;
    gitops.reviewer.close(again.number()).await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    case.until_clean().await?;
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    case.end().await
}

pub(crate) async fn opened_again_after_a_close_it_stays_declined_and_is_told(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "reopened").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let head = gitops.reviewer.pull(question.number()).await?.head_sha;
    gitops.reviewer.close(question.number()).await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    case.until_clean().await?;
    case.until_approval("nothing left to do", |a| a.metadata.finalizers.is_none()).await?;

    // When somebody restores the branch and opens it again …
    let alice = gitops.github.actor(ALICE_TOKEN)?;
    alice.create_branch(&case.branch, &head).await?;
    alice.reopen(question.number()).await?;
    gitops
        .until("to be told that it was answered", async || {
            let said = case.comments(question.number()).await?;
            Ok(said.iter().any(|text| text.contains("<!-- autopilot-said reopened ")).then_some(()))
        })
        .await?;
    // … it is closed again and told once, and the first answer stands.
    case.until_clean().await?;
    gitops.controllers.kill();
    gitops.forge.clear_log();
    gitops.controller()?;
    // The new one has found everything again, and had nothing to do for some polls.
    gitops
        .until("three more looks", async || {
            let asked = gitops.forge.requests();
            let looks =
                asked.iter().filter(|r| r.conditional && r.path.contains("/pulls?") && r.status.is_some());
            Ok((looks.count() >= 3).then_some(()))
        })
        .await?;
    case.until_clean().await?;
    let said = case.comments(question.number()).await?;
    ensure!(said.len() == 2 && said[0].contains("<!-- autopilot-said declined "), "{said:?}");
    case.until_state(RuleState::ActionsDeclined).await?;
    let noted = case.look().await?.and_then(|a| a.status?.decision).unwrap_or_default();
    ensure!(noted.outcome == Outcome::Declined, "{noted:?}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    case.end().await
}

pub(crate) async fn a_force_push_of_something_else_approves_nothing(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "force-pushed").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let alice = gitops.github.actor(ALICE_TOKEN)?;
    let base = alice.branch("main").await?.context("main")?;
    alice.create_branch("other", &base).await?;
    let other = alice.put("other", "notes.txt", "something else").await?;
    alice.force(&case.branch, &other).await?;
    alice.delete_branch("other").await?;
    case.until_condition("PullRequestRefused", "OtherProposal").await?;
    gitops.reviewer.merge(question.number()).await?;
    // Merged, and not about this: nothing is done, and the question stands.
    case.until_approval("known as merged", |a| {
        a.status
            .as_ref()
            .and_then(|s| s.pull_request.as_ref())
            .is_some_and(|p| p.state == PullRequestState::Merged && p.digest.is_empty())
    })
    .await?;
    case.until_state(RuleState::ActionAwaitingApproval).await?;
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    case.delete_approval().await?;
    let again = case.until_asked(&question.digest).await?;
    ensure!(again.number() != question.number(), "{again:?}");
    case.end().await
}

pub(crate) async fn look_alikes_and_foreign_branches_stay_and_count_for_nothing(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "foreign").await?;
    let (reviewer, base) = (&gitops.reviewer, gitops.github.base());
    let alice = gitops.github.actor(ALICE_TOKEN)?;
    let mallory = gitops.github.actor(OUTSIDER_TOKEN)?;
    // Given a branch of the very name that is somebody else's.
    let head = reviewer.branch(base).await?.context("no base")?;
    alice.create_branch(&case.branch, &head).await?;
    let foreign = alice.put(&case.branch, "notes.txt", "mine").await?;
    gitops.controller()?;
    case.apply_rule().await?;
    let said = case.until_condition("PullRequestWaits", "ForeignBranch").await?;
    ensure!(said.contains("is not ours"), "{said}");
    ensure!(reviewer.branch(&case.branch).await? == Some(foreign), "somebody's branch was touched");

    // When it goes and the question is asked anew, there is a pull request, and one from a fork that looks like it.
    alice.delete_branch(&case.branch).await?;
    let digest =
        case.look().await?.and_then(|a| a.status).and_then(|s| s.proposal).unwrap_or_default().digest;
    case.delete_approval().await?;
    let question = case.until_asked(&digest).await?;
    let real = reviewer.pull(question.number()).await?;
    let fork = mallory.fork().await?;
    let there = fork.branch(base).await?.context("the fork has no base")?;
    fork.create_branch(&case.branch, &there).await?;
    fork.put(&case.branch, &format!("{FOLDER}/x.yaml"), "{}").await?;
    let alike = mallory.open(&format!("mallory:{}", case.branch), base, &real.title, &real.body).await?;
    case.until_condition("PullRequestRefused", "LookAlike").await?;
    // Its close declines nothing.
    reviewer.close(alike).await?;
    case.until_approval("no longer told of", |a| condition(a, "PullRequestRefused").is_none()).await?;
    case.until_state(RuleState::ActionAwaitingApproval).await?;
    reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    ensure!(mallory.comments(alike).await?.is_empty(), "we spoke to a stranger");
    ensure!(reviewer.branch("main").await?.is_some() && fork.branch(&case.branch).await?.is_some());
    case.end().await
}

pub(crate) async fn a_moving_and_then_protected_base_is_no_obstacle(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "moving-base").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    // Others merge in between; only the owner may push to the base now.
    gitops.github.actor(ALICE_TOKEN)?.put("main", "README.md", "changed").await?;
    gitops.github.protect("main");
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    let said = case.until_condition("LeftOnForge", "Refused").await?;
    ensure!(said.contains("delete files"), "{said}");
    // The file that must stay is harmless, and so that Flux does not make an object of it again, ours stays, too.
    ensure!(case.files().await? == [question.pull.path.as_str()], "{:?}", case.files().await?);
    case.until_state(RuleState::Normal).await?;
    let left = case.look().await?.context("the approval went before its file")?;
    ensure!(left.metadata.uid == question.approval.metadata.uid, "it is another one");
    ensure!(left.metadata.deletion_timestamp.is_none(), "it is being deleted");
    gitops.synced().await?;
    // Once the file may go it goes, and then the approval; a restart tries at once.
    gitops.github.unprotect("main");
    gitops.controllers.kill();
    gitops.controller()?;
    case.until_clean().await?;
    gitops
        .until("the approval to go", async || {
            let found = case.look().await?;
            Ok(found.is_none_or(|a| a.metadata.uid != question.approval.metadata.uid).then_some(()))
        })
        .await?;
    // Flux may have made it again before it saw that the file is gone. Nobody knows whose that is: it stays, inert.
    gitops.synced().await?;
    if let Some(again) = case.look().await? {
        ensure!(again.status.is_none_or(|s| s.decision.is_none()), "it is decided");
        case.until_condition("StaleApproval", "NothingProposed").await?;
        case.delete_approval().await?;
    }
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    case.end().await
}
