//! An approval counts once: no file that was merged before, and none of the original, answers another question.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_tests::gitops::{Case, FOLDER, GitOpsScene, Question};
use autopilot_tests::objects::original_approval;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

/// Returns the messages of events that call this approval stale.
async fn stale(case: &Case<'_>) -> Result<Vec<String>> {
    let api: Api<Event> = Api::namespaced(case.gitops.scene.client.clone(), &case.namespace);
    let told =
        ListParams::default().fields(&format!("involvedObject.name={},reason=StaleApproval", case.approval));
    Ok(api.list(&told).await?.items.into_iter().filter_map(|e| e.message).collect())
}

async fn until_stale(case: &Case<'_>) -> Result<()> {
    let said = case
        .gitops
        .until("an event that calls it stale", async || {
            let said = stale(case).await?;
            Ok((!said.is_empty()).then_some(said))
        })
        .await?;
    ensure!(said.iter().any(|s| s.contains("kustomize-controller")), "nobody is named: {said:?}");
    Ok(())
}

/// A question that was answered by a merge, and the file that was merged.
struct Merged {
    question: Question,
    file: String,
}

/// Merges the pull request of the first question, and waits until its resize is requested.
async fn merged(case: &Case<'_>) -> Result<Merged> {
    let reviewer = &case.gitops.reviewer;
    let question = case.asked().await?;
    let file = reviewer.read(&case.branch, &question.pull.path).await?.context("no file")?;
    reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    Ok(Merged { question, file })
}

pub(crate) async fn a_merged_file_that_is_put_back_before_the_next_question_answers_nothing(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "replay-before").await?;
    gitops.controller()?;
    let (base, reviewer) = (gitops.github.base(), &gitops.reviewer);
    let Merged { question: first, file } = merged(&case).await?;
    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    case.until_clean().await?;

    // Given the same file again, on the base branch, and the volume fills again.
    reviewer.put(base, &first.pull.path, &file).await?;
    case.usage(18.0, 20.0);
    until_stale(&case).await?;

    // Then there is a new question with its own pull request, the file goes, and nothing was done.
    let second = case.until_asked(&first.digest).await?;
    ensure!(second.number() != first.number(), "{second:?}");
    ensure!(reviewer.read(&case.branch, &first.pull.path).await?.is_none(), "its commit keeps the old file");
    case.until_file_gone(&first.pull.path).await?;
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    // It is as good as any.
    gitops.synced().await?;
    reviewer.merge(second.number()).await?;
    case.until_request("40Gi").await?;
    case.until_clean().await?;
    ensure!(case.sizes() == ["10Gi", "20Gi", "40Gi"], "{:?}", case.sizes());
    case.end().await
}

pub(crate) async fn a_merged_file_that_is_put_back_onto_the_next_question_answers_nothing(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "replay-onto").await?;
    gitops.controller()?;
    let (base, reviewer) = (gitops.github.base(), &gitops.reviewer);
    let Merged { question: first, file } = merged(&case).await?;
    case.usage(18.0, 20.0);
    let second = case.until_asked(&first.digest).await?;
    gitops.synced().await?;

    reviewer.put(base, &first.pull.path, &file).await?;
    until_stale(&case).await?;
    case.until_file_gone(&first.pull.path).await?;
    gitops.synced().await?;
    case.until_approval("pending again", |a| a.spec.approval_state.as_deref() == Some("pending")).await?;
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());

    let now = case.until_asked(&first.digest).await?;
    ensure!(now.number() == second.number() && now.digest == second.digest, "{now:?}");
    reviewer.merge(second.number()).await?;
    case.until_request("40Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn the_originals_own_file_on_a_pending_approval_is_inert(
    gitops: &GitOpsScene,
) -> Result<()> {
    let case = Case::new(gitops, "replay-original").await?;
    gitops.controller()?;
    let (base, reviewer) = (gitops.github.base(), &gitops.reviewer);
    let question = case.asked().await?;
    let text = original_approval(&case.volume, &case.rule, &case.namespace, "data");
    let path = format!("{FOLDER}/{}-1b671a64-40d5-491e-99b0-da01ff1f3341.yaml", case.approval);
    reviewer.put(base, &path, &text).await?;
    until_stale(&case).await?;
    gitops.synced().await?;
    case.until_state(RuleState::ActionAwaitingApproval).await?;
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());

    // A person takes it away. It did not say that it must not be pruned, so Flux deletes the object with it, which asks
    // anew.
    reviewer.remove(base, &path).await?;
    gitops.synced().await?;
    let now = case.until_asked(&question.digest).await?;
    ensure!(now.number() != question.number(), "{now:?}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    reviewer.merge(now.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}
