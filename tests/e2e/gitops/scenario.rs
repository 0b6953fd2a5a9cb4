//! A scenario with every kind of write to GitHub in it: declined by a close, deleted while it asks, approved by a merge;
//! with labels and reviewers.

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_tests::gitops::{Case, GitOpsScene};
use serde_json::json;

/// The kinds of writes to GitHub: method, and what the path contains.
pub(crate) const WRITES: [(&str, &str); 10] = [
    ("POST", "/git/trees"),
    ("POST", "/git/commits"),
    ("POST", "/git/refs"),
    ("POST", "/pulls"),
    ("POST", "/comments"),
    ("POST", "/labels"),
    ("POST", "/requested_reviewers"),
    ("PATCH", "/pulls/"),
    ("PATCH", "/git/refs/heads/main"),
    ("DELETE", "/git/refs/heads/"),
];

/// Plays it with so many controllers; before each of its three parts something may be prepared.
pub(crate) async fn play(
    gitops: &GitOpsScene,
    name: &str,
    controllers: usize,
    prepare: impl Fn(),
) -> Result<()> {
    // Before they start: none of them asks without labels and reviewers.
    gitops.configure(&[("labels", json!(["storage"])), ("reviewers", json!(["alice"]))]).await?;
    for _ in 0..controllers {
        gitops.controller()?;
    }
    let case = Case::new(gitops, name).await?;
    prepare();
    let first = case.asked().await?;
    gitops.reviewer.close(first.number()).await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    case.until_clean().await?;
    case.until_approval("nothing left to do", |a| a.metadata.finalizers.is_none()).await?;
    case.delete_approval().await?;

    prepare();
    let second = case.until_asked(&first.digest).await?;
    case.delete_approval().await?;

    prepare();
    let third = case.until_asked(&second.digest).await?;
    let old = gitops.reviewer.pull(second.number()).await?;
    ensure!(old.state == "closed" && !old.merged, "{old:?}");
    gitops.reviewer.merge(third.number()).await?;
    case.until_request("20Gi").await?;
    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    case.until_clean().await?;
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    let done = gitops.scene.csi.resizes().into_iter().filter(|r| r.namespace == name).count();
    ensure!(done == 1, "{done} resizes");
    let pulls = case.pulls().await?;
    ensure!(pulls.len() == 3, "{pulls:?}");
    ensure!(pulls.iter().all(|p| p.labels == ["storage"] && p.reviewers == ["alice"]), "{pulls:?}");
    let path = gitops.scene.path(&case.rule, &case.volume).await?;
    let told = |step: &str| path.iter().filter(|s| s.ends_with(step)).count();
    ensure!(told("=> ActiveActionsDeclined") == 1, "{path:?}");
    ensure!(told("=> ActionAwaitingApproval") == 3 && told("=> ActiveActionsTaken") == 1, "{path:?}");
    for (number, outcome) in
        [(first.number(), "declined"), (second.number(), "deleted"), (third.number(), "done")]
    {
        let said = case.comments(number).await?;
        let line = format!("<!-- autopilot-said {outcome} ");
        let times = said.iter().filter(|s| s.contains(&line)).count();
        ensure!(times == said.len() && times >= 1, "{outcome} on #{number}: {said:?}");
        // Comments know no precondition: two controllers may double one.
        ensure!(times <= gitops.controllers.count().max(1), "{outcome} on #{number}: {said:?}");
    }
    case.end().await
}
