//! The guide: merge approves, close declines, and deleting the approval asks anew.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{Outcome, PullRequestState};
use autopilot_tests::gitops::{AUTHOR, BOT, Case, FOLDER, GitOpsScene, Question};
use autopilot_tests::transitions::ASKED_AND_APPROVED;

pub(crate) async fn merging_approves_and_nothing_is_left_of_it(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::of(gitops, "pg1", "volume-resize").await?;
    gitops.controller()?;

    // The rule asks, with a pull request as the original writes it.
    let question = case.asked().await?;
    let (reviewer, base) = (&gitops.reviewer, gitops.github.base());
    let pull = reviewer.pull(question.number()).await?;
    ensure!(pull.head == format!("aut-pg1-{}", case.approval) && pull.base == base, "{pull:?}");
    let title = format!("[Autopilot] approval for rule pg1/{} rule: volume-resize", case.approval);
    ensure!(pull.title == title && pull.author == BOT, "{pull:?}");
    let commits = reviewer.commits(&pull.head).await?;
    let commit = commits.first().context("no commit")?;
    ensure!(commit.message == title, "{commit:?}");
    ensure!(commit.author == AUTHOR && commit.committer == AUTHOR, "{commit:?}");
    ensure!(commit.parents == [reviewer.branch(base).await?.context("no base")?], "{commit:?}");
    ensure!(question.pull.path.starts_with(&format!("{FOLDER}/{}-", case.approval)), "{question:?}");
    let before = reviewer.files(base).await?;
    let mut with = before.clone();
    with.push(question.pull.path.clone());
    with.sort();
    ensure!(reviewer.files(&pull.head).await? == with, "one file more");
    let file = reviewer.read(&pull.head, &question.pull.path).await?.context("no file")?;
    ensure!(file == expected(&case, &question), "{file}");

    // Merging it approves, by way of Flux.
    reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    let approval = case
        .until_approval("approved by the merge", |a| {
            a.status.as_ref().and_then(|s| s.decision.as_ref()).is_some()
        })
        .await?;
    let decision = approval.status.and_then(|s| s.decision).unwrap_or_default();
    ensure!(decision.outcome == Outcome::Approved && decision.digest == question.digest, "{decision:?}");

    // The file goes again, then the approval, and all is told.
    case.until_clean().await?;
    case.until_state(RuleState::Normal).await?;
    case.until_gone().await?;
    let commit = reviewer.commits(base).await?.into_iter().next().context("no commit")?;
    ensure!(commit.message == format!("[Autopilot] deleting file: {}", question.pull.path), "{commit:?}");
    ensure!(commit.author == AUTHOR && commit.committer == AUTHOR, "{commit:?}");
    ensure!(reviewer.files(base).await? == before, "nothing else changed");
    let path = gitops.scene.path("volume-resize", &case.volume).await?;
    ensure!(path == ASKED_AND_APPROVED, "{path:?}");
    ensure!(case.sizes() == ["10Gi", "20Gi"], "{:?}", case.sizes());
    gitops.synced().await?;
    case.end().await
}

/// Returns the original's file, with what this project adds: annotations that keep Flux and Argo CD from pruning and
/// substituting, and the proposal.
fn expected(case: &Case<'_>, question: &Question) -> String {
    let processed = question.approval.status.as_ref().and_then(|s| s.last_process_timestamp.as_ref());
    let processed = processed.map(|at| at.0.to_string()).unwrap_or_default();
    let (volume, approval, digest) = (&case.volume, &case.approval, &question.digest);
    format!(
        r#"apiVersion: autopilot.libopenstorage.org/v1alpha1
kind: ActionApproval
metadata:
  annotations:
    argocd.argoproj.io/sync-options: Prune=false
    kustomize.toolkit.fluxcd.io/prune: disabled
    kustomize.toolkit.fluxcd.io/substitute: disabled
  creationTimestamp: null
  labels:
    object: {volume}
    rule: volume-resize
  name: {approval}
  namespace: pg1
spec:
  actions:
  - name: resize
    params:
      maxsize: 400Gi
      scalepercentage: "100"
    proposal: {digest}
  approvalState: approved
status:
  Rule:
    Name: volume-resize
    Namespace: ""
  actionPreviews:
  - action:
      name: resize
      params:
        maxsize: 400Gi
        scalepercentage: "100"
    expectedResult:
      Message: PVC will resize from 10Gi to 20Gi
    involvedObjects:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      name: data
      namespace: pg1
      uid: {volume}
  lastProcessTimestamp: "{processed}"
"#
    )
}

pub(crate) async fn closing_declines_and_deleting_asks_anew(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "closed").await?;
    gitops.controller()?;
    let question = case.asked().await?;

    gitops.reviewer.close(question.number()).await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    let declined = case
        .until_approval("declined, and nothing left on GitHub", |a| {
            a.spec.approval_state.as_deref() == Some("declined") && a.metadata.finalizers.is_none()
        })
        .await?;
    let status = declined.status.unwrap_or_default();
    let decision = status.decision.unwrap_or_default();
    ensure!(decision.outcome == Outcome::Declined, "{decision:?}");
    ensure!(decision.via == "pull request" && decision.by == gitops.github.owner(), "{decision:?}");
    let pull = status.pull_request.unwrap_or_default();
    ensure!(pull.state == PullRequestState::Closed && pull.by == gitops.github.owner(), "{pull:?}");
    case.until_clean().await?;
    let path = gitops.scene.path(&case.rule, &case.volume).await?;
    ensure!(
        path.last().map(String::as_str) == Some("ActionAwaitingApproval => ActiveActionsDeclined"),
        "{path:?}"
    );
    let said = case.comments(question.number()).await?;
    ensure!(said.len() == 1 && said.iter().all(|s| s.starts_with("**Declined.**")), "{said:?}");

    case.delete_approval().await?;
    let again = case.until_asked(&question.digest).await?;
    ensure!(again.number() != question.number() && again.uid() != question.uid(), "{again:?}");
    ensure!(gitops.reviewer.pull(question.number()).await?.state == "closed");

    // An open question that is deleted is asked anew, too: the old pull request and branch are gone.
    case.delete_approval().await?;
    let third = case.until_asked(&again.digest).await?;
    let old = gitops.reviewer.pull(again.number()).await?;
    ensure!(old.state == "closed" && !old.merged, "{old:?}");
    let head = gitops.reviewer.branch(&case.branch).await?;
    ensure!(
        head == Some(gitops.reviewer.pull(third.number()).await?.head_sha),
        "the branch is the new one's"
    );
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    case.end().await
}
