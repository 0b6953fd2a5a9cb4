//! Whether Flux prunes or not: the file goes only once the decision is latched, and takes nothing with it.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::{Behaviour, Kustomization};
use autopilot_tests::gitops::{Case, Gitops, folder};
use std::time::Duration;

async fn deletion_takes_nothing_away(world: &Gitops, namespace: &str, prune: bool) -> Result<()> {
    world.flux.kustomization(&Kustomization { prune, ..folder() }).await?;
    let case = Case::new(world, namespace).await?;
    // The action runs while the file goes and Flux sees that.
    world.scene.csi.set(namespace, "data", Behaviour::Slow(Duration::from_secs(8)));
    world.controller()?;
    let question = case.asked().await?;
    world.forge.clear_log();
    world.reviewer.merge(question.number()).await?;
    case.until_clean().await?;
    world.synced().await?;

    let running = case.look().await?.context("the approval of a running action is gone")?;
    let status = running.status.unwrap_or_default();
    ensure!(running.metadata.uid == question.approval.metadata.uid, "it is another one");
    ensure!(status.execution.is_none(), "the action is over: {:?}", status.execution);
    let latched = status.decision.and_then(|d| d.at).context("no decision")?.0;
    let asked = world.forge.requests();
    let deleted = asked
        .iter()
        .find(|r| r.method == "PATCH" && r.path.ends_with("/git/refs/heads/main"))
        .context("no deletion commit")?;
    ensure!(latched < deleted.at, "latched at {latched}, deleted at {}", deleted.at);

    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    let done = world.scene.csi.resizes().into_iter().filter(|r| r.namespace == namespace).count();
    ensure!(done == 1, "{done} resizes");
    case.end().await
}

pub async fn with_pruning(world: &Gitops) -> Result<()> {
    deletion_takes_nothing_away(world, "prune-on", true).await
}

pub async fn without_pruning(world: &Gitops) -> Result<()> {
    deletion_takes_nothing_away(world, "prune-off", false).await
}
