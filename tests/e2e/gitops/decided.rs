//! Decided with `kubectl` while the pull request is open, or with a merge that Flux is faster to see than we are.

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_tests::gitops::{Case, GitOpsScene};
use serde_json::json;

pub(crate) async fn approved_with_kubectl_it_is_done_once_and_the_pull_request_is_told(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "kubectl-approves").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    gitops.scene.answer(&case.namespace, &case.approval, "approved").await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    let said = case.comments(question.number()).await?;
    let begins: Vec<bool> =
        ["**Approved in the cluster** with `kubectl`", "**Done.** Resized from `10Gi` to `20Gi`"]
            .iter()
            .map(|text| said.iter().filter(|s| s.starts_with(text)).count() == 1)
            .collect();
    ensure!(said.len() == 2 && begins == [true, true], "{said:?}");
    let pull = gitops.reviewer.pull(question.number()).await?;
    ensure!(pull.state == "closed" && !pull.merged, "{pull:?}");
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    case.end().await
}

pub(crate) async fn declined_with_kubectl_it_stays_and_the_pull_request_is_told(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "kubectl-declines").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    gitops.scene.answer(&case.namespace, &case.approval, "declined").await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    case.until_clean().await?;
    case.until_approval("nothing left to do", |a| a.metadata.finalizers.is_none()).await?;
    let said = case.comments(question.number()).await?;
    ensure!(said.len() == 1 && said[0].starts_with("**Declined in the cluster** with `kubectl`"), "{said:?}");

    // Somebody opens it again: it stays declined, and says so. (Its branch is gone: it is pushed again first.)
    let head = gitops.reviewer.pull(question.number()).await?.head_sha;
    gitops.reviewer.create_branch(&case.branch, &head).await?;
    gitops.reviewer.reopen(question.number()).await?;
    case.until_clean().await?;
    gitops
        .until("a comment that nothing changes", async || {
            let said = case.comments(question.number()).await?;
            ensure!(said.len() == 2, "{said:?}");
            Ok(said[1].starts_with("**Opening this again changes nothing:** it stays declined").then_some(()))
        })
        .await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    case.end().await
}

pub(crate) async fn a_merge_that_flux_sees_first_is_the_merge_of_who_merged(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "flux-first").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    // We look so seldom that Flux has long applied it.
    gitops.configure(&[("pollInterval", json!(12))]).await?;
    gitops
        .until("the controller to look seldom", async || {
            let times: Vec<_> =
                gitops.forge.requests().iter().filter(|r| r.path.contains("/pulls?")).map(|r| r.at).collect();
            let last = times.last().copied().unwrap_or_default();
            Ok((jiff::Timestamp::now().duration_since(last).as_secs() >= 3).then_some(()))
        })
        .await?;
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    let pull = case
        .until_approval("known as merged", |a| {
            a.status.as_ref().and_then(|s| s.pull_request.as_ref()).is_some_and(|p| p.by == "platform")
        })
        .await?;
    ensure!(pull.metadata.uid == question.approval.metadata.uid);
    let said = gitops
        .until("the outcome", async || {
            let said = case.comments(question.number()).await?;
            Ok((!said.is_empty()).then_some(said))
        })
        .await?;
    ensure!(said.len() == 1, "{said:?}");
    ensure!(
        said[0].starts_with("**Done.**") && said[0].contains("by `platform` by merging this"),
        "{said:?}"
    );
    case.end().await
}
