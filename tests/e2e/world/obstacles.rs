//! Obstacles to a resize: seen before anybody is asked where that is possible, told where it is not.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::wait_for;
use serde_json::json;

use super::stage::{Case, Stage};

const ACTION: [&str; 4] = [
    "Triggered => ActiveActionsPending",
    "ActiveActionsPending => ActiveActionsInProgress",
    "ActiveActionsInProgress => ActiveActionsTaken",
    "ActiveActionsTaken => Normal",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_and_waited_for() -> Result<()> {
    let stage = Stage::start().await?;
    tokio::try_join!(
        size_applied_by_a_gitops_tool(stage.case("git-applied").await?),
        size_labelled_by_flux(stage.case("git-labelled").await?),
        size_applied_by_a_person(stage.case("kubectl-applied").await?),
        class_without_expansion(stage.case("fixed").await?),
        quota_seen_before(stage.case("full-quota").await?),
        quota_filled_after_the_question(stage.case("late-quota").await?),
        limit_that_stays(stage.case("limited").await?),
    )?;
    Ok(())
}

/// Checks that the object is declined for a reason, which is told once, and that the claim is left alone.
async fn declined(case: Case<'_>, volume: &str, reason: &str, words: &str) -> Result<()> {
    let journal = case.says(volume, RuleState::ActionsDeclined, words).await?;
    let why = journal.backoff.map(|b| b.reason).unwrap_or_default();
    ensure!(why == reason, "{}: {why}", case.name);
    case.event("ActionDeclined", words).await?;
    let path = ["Initializing => Triggered", "Triggered => ActiveActionsDeclined"];
    case.path(volume, &path).await?;
    case.stage.further_passes(3).await?;
    case.path(volume, &path).await?;
    case.sizes("data", &["10Gi"])
}

/// Checks that the claim is resized once the obstacle is gone, once.
async fn goes_on(case: Case<'_>, volume: &str) -> Result<()> {
    case.requests("data", "20Gi").await?;
    case.usage(volume, 6.0, 20.0);
    case.state(volume, RuleState::Normal).await?;
    case.sizes("data", &["10Gi", "20Gi"])?;
    let first = [
        "Initializing => Triggered",
        "Triggered => ActiveActionsDeclined",
        "ActiveActionsDeclined => Triggered",
    ];
    case.path(volume, &[&first[..], &ACTION].concat()).await
}

/// Applies the claim as a file has it.
async fn apply_file(case: Case<'_>, flags: &[&str]) -> Result<()> {
    let file = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data", "namespace": case.name, "labels": { "app": "postgres" } },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "resources": { "requests": { "storage": "10Gi" } },
        },
    });
    let args = [&["apply", "-f", "-"], flags].concat();
    case.stage.scene.cluster.kubectl_stdin(&args, &file.to_string()).await?.ok()?;
    Ok(())
}

async fn size_applied_by_a_gitops_tool(case: Case<'_>) -> Result<()> {
    // Given a claim whose size is in a file that kustomize-controller applies.
    let volume = case.full_claim("data").await?;
    apply_file(case, &["--server-side", "--field-manager=kustomize-controller", "--force-conflicts"]).await?;
    // When it is full. Then it is left alone, and the reason says whose it is.
    case.apply(&case.rule().without_approval()).await?;
    declined(case, &volume, "SizeOwnedByGit", "kustomize-controller owns the size of the PVC").await?;
    // When the claim says that this does not matter. Then it goes.
    let ignore = json!({ "autopilot.libopenstorage.org/size-in-git": "ignore" });
    case.edit("data", json!({ "metadata": { "annotations": ignore } })).await?;
    goes_on(case, &volume).await
}

async fn size_labelled_by_flux(case: Case<'_>) -> Result<()> {
    // Given a claim that Flux has labelled.
    let volume = case.full_claim("data").await?;
    let labels = json!({ "kustomize.toolkit.fluxcd.io/name": "apps" });
    case.edit("data", json!({ "metadata": { "labels": labels } })).await?;
    case.apply(&case.rule().without_approval()).await?;
    declined(case, &volume, "SizeOwnedByGit", "Flux owns the size of the PVC").await?;
    // When the rule says that this does not matter. Then it goes.
    let ignore = "autopilot.libopenstorage.org/size-in-git=ignore";
    case.stage.kubectl(&["annotate", "autopilotrule", case.name, ignore]).await?;
    goes_on(case, &volume).await
}

async fn size_applied_by_a_person(case: Case<'_>) -> Result<()> {
    // Given a claim that people apply with kubectl, in both ways.
    let volume = case.full_claim("data").await?;
    apply_file(case, &[]).await?;
    apply_file(case, &["--server-side", "--force-conflicts"]).await?;
    // Then that is no obstacle.
    case.apply(&case.rule().without_approval()).await?;
    case.requests("data", "20Gi").await?;
    case.usage(&volume, 6.0, 20.0);
    case.path(&volume, &[&["Initializing => Triggered"][..], &ACTION].concat()).await
}

async fn class_without_expansion(case: Case<'_>) -> Result<()> {
    // Given a class that does not allow expansion.
    let csi = &case.stage.scene.csi;
    csi.storage_class("stiff", false).await?;
    let volume = csi.provision(case.name, "data", "10Gi", &[("app", "postgres")], "stiff").await?;
    case.usage(&volume, 6.0, 10.0);
    case.apply(&case.rule().without_approval()).await?;
    let words = "StorageClass stiff has no allowVolumeExpansion";
    declined(case, &volume, "ExpansionNotAllowed", words).await?;
    // When it does.
    let patch = json!({ "allowVolumeExpansion": true }).to_string();
    case.stage.kubectl(&["patch", "storageclass", "stiff", "-p", &patch]).await?;
    goes_on(case, &volume).await
}

/// Creates a quota of storage as its controller would show it.
async fn quota(case: Case<'_>, hard: &str) -> Result<()> {
    let of = |size: &str| json!({ "requests.storage": size });
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "storage", "namespace": case.name },
        "spec": { "hard": of(hard) },
    });
    case.stage.scene.cluster.apply(&quota.to_string()).await?;
    let status = json!({ "status": { "hard": of(hard), "used": of("10Gi") } }).to_string();
    let args = ["patch", "resourcequota", "storage", "--subresource=status", "--type=merge"];
    case.stage.kubectl(&[&args[..], &["-n", case.name, "-p", &status]].concat()).await?;
    Ok(())
}

async fn quota_seen_before(case: Case<'_>) -> Result<()> {
    // Given a quota that leaves half of what is needed.
    let volume = case.full_claim("data").await?;
    quota(case, "15Gi").await?;
    case.apply(&case.rule().without_approval()).await?;
    declined(case, &volume, "QuotaExceeded", "ResourceQuota storage leaves 5Gi").await?;
    // When it leaves enough.
    quota(case, "100Gi").await?;
    goes_on(case, &volume).await
}

async fn quota_filled_after_the_question(case: Case<'_>) -> Result<()> {
    // Given a question about a resize that a quota forbids since.
    let volume = case.full_claim("data").await?;
    case.apply(&case.rule()).await?;
    case.asked(&volume).await?;
    quota(case, "15Gi").await?;
    // When it is approved. Then the refusal is told, in the API server's words, and it is tried again after a pause.
    case.answer(&volume, "approved").await?;
    let told = case.event("FailedAction", "exceeded quota: storage").await?;
    let start = format!("failed to execute Action for rule: {}:{volume}", case.name);
    ensure!(told.starts_with(&start), "{told}");
    // When there is room. Then the answer still stands.
    quota(case, "100Gi").await?;
    case.requests("data", "20Gi").await?;
    case.usage(&volume, 6.0, 20.0);
    case.state(&volume, RuleState::Normal).await?;
    case.sizes("data", &["10Gi", "20Gi"])?;
    case.unasked(&volume).await
}

async fn limit_that_stays(case: Case<'_>) -> Result<()> {
    // Given a limit that no preflight knows.
    let volume = case.full_claim("data").await?;
    let limit = json!({
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": { "name": "small", "namespace": case.name },
        "spec": { "limits": [{ "type": "PersistentVolumeClaim", "max": { "storage": "15Gi" } }] },
    });
    let scene = &case.stage.scene;
    scene.cluster.apply(&limit.to_string()).await?;
    // When a resize goes beyond it.
    case.apply(&case.rule().without_approval()).await?;
    // Then it is tried again, after longer and longer pauses, and given up.
    let words = "maximum storage usage per PersistentVolumeClaim is 15Gi";
    case.event("FailedAction", words).await?;
    let given_up = wait_for("the resize is given up", Duration::from_secs(150), async || {
        let status = scene.journal(case.name, case.name, &volume).await?.and_then(|j| j.status);
        Ok(status.filter(|s| s.state == Some(RuleState::ActionsDeclined)))
    });
    let journal = given_up.await.with_context(|| scene.running().map(|c| c.tail(30)).unwrap_or_default())?;
    let backoff = journal.backoff.unwrap_or_default();
    ensure!(backoff.reason == "ResizeRefused" && backoff.until.is_some(), "{backoff:?}");
    case.event("FailedAction", "failed: resize from 10Gi to 20Gi refused").await?;
    ensure!(case.writes("data") == 5, "{} attempts", case.writes("data"));
    let start = "ActiveActionsPending => ActiveActionsInProgress";
    let mut path = vec!["Initializing => Triggered", "Triggered => ActiveActionsPending"];
    path.extend([start, "ActiveActionsInProgress => ActiveActionsPending"].repeat(4));
    path.extend([start, "ActiveActionsInProgress => ActiveActionsDeclined"]);
    case.path(&volume, &path).await
}
