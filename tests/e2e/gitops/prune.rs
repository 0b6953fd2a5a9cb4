//! Whether Flux prunes or not: the file goes only once the decision is latched, and takes nothing with it.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::{Behaviour, Kustomization};
use autopilot_tests::gitops::{Case, GitOpsScene, folder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use std::time::Duration;

async fn deletion_takes_nothing_away(gitops: &GitOpsScene, namespace: &str, prune: bool) -> Result<()> {
    gitops.flux.kustomization(&Kustomization { prune, ..folder() }).await?;
    let case = Case::new(gitops, namespace).await?;
    // The action runs while the file goes and Flux sees that.
    gitops.scene.csi.set(namespace, "data", Behaviour::Slow(Duration::from_secs(8)));
    gitops.controller()?;
    let question = case.asked().await?;
    gitops.forge.clear_log();
    gitops.reviewer.merge(question.number()).await?;
    case.until_clean().await?;
    gitops.synced().await?;

    let running = case.look().await?.context("the approval of a running action is gone")?;
    let status = running.status.unwrap_or_default();
    ensure!(running.metadata.uid == question.approval.metadata.uid, "it is another one");
    ensure!(status.execution.is_none(), "the action is over: {:?}", status.execution);
    let latched = status.decision.and_then(|d| d.at).context("no decision")?.0;
    let asked = gitops.forge.requests();
    let deleted = asked
        .iter()
        .find(|r| r.method == "PATCH" && r.path.ends_with("/git/refs/heads/main"))
        .context("no deletion commit")?;
    ensure!(latched < deleted.at, "latched at {latched}, deleted at {}", deleted.at);

    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    let done = gitops.scene.csi.resizes().into_iter().filter(|r| r.namespace == namespace).count();
    ensure!(done == 1, "{done} resizes");
    case.end().await
}

pub(crate) async fn what_a_reviewer_adds_to_our_file_is_not_pruned_with_it(
    gitops: &GitOpsScene,
) -> Result<()> {
    gitops.flux.kustomization(&Kustomization { prune: true, ..folder() }).await?;
    let case = Case::new(gitops, "prune-others").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let (reviewer, base) = (&gitops.reviewer, gitops.github.base());
    let path = &question.pull.path;
    let text = reviewer.read(&case.branch, path).await?.context("no file")?;
    let note = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "note", "namespace": case.namespace },
        "data": { "by": "a reviewer" },
    });
    reviewer.put(&case.branch, path, &format!("{text}---\n{note}\n")).await?;
    reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    let notes: Api<ConfigMap> = Api::namespaced(gitops.scene.client.clone(), &case.namespace);
    let applied = notes.get("note").await?;

    // Our file goes; theirs is left, and Flux keeps what it made of it.
    let left = gitops
        .until("our file to go", async || {
            let files = case.files().await?;
            Ok(Some(files).filter(|files| !files.contains(path)))
        })
        .await?;
    ensure!(left.len() == 1 && left[0].contains("-others-"), "{left:?}");
    gitops.synced().await?;
    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    ensure!(notes.get("note").await?.metadata.uid == applied.metadata.uid, "it was made anew");
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    reviewer.remove(base, &left[0]).await?;
    case.end().await
}

pub(crate) async fn with_pruning(gitops: &GitOpsScene) -> Result<()> {
    deletion_takes_nothing_away(gitops, "prune-on", true).await
}

pub(crate) async fn without_pruning(gitops: &GitOpsScene) -> Result<()> {
    deletion_takes_nothing_away(gitops, "prune-off", false).await
}
