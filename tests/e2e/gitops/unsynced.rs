//! Merged, and the cluster does not know of it: the approval says what stands in the way.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::ActionApproval;
use autopilot_stack::Kustomization;
use autopilot_tests::gitops::{Case, FOLDER, GitOpsScene, KUSTOMIZATION, condition, folder};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::json;

/// Plays a merge that does not arrive, for this reason; once `undo` has run, it does.
async fn merge_hindered(
    gitops: &GitOpsScene,
    name: &str,
    reason: &str,
    says: &str,
    hinder: impl AsyncFnOnce() -> Result<()>,
    undo: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let case = Case::new(gitops, name).await?;
    let question = case.asked().await?;
    hinder().await?;
    gitops.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", reason).await?;
    ensure!(said.contains(says), "{said}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    gitops
        .until("a comment that it is not synced", async || {
            let said = case.comments(question.number()).await?;
            Ok(said
                .iter()
                .any(|s| s.starts_with("**Merged, but the cluster does not know of it.**"))
                .then_some(()))
        })
        .await?;
    undo().await?;
    case.until_request("20Gi").await?;
    case.until_approval("no longer told", |a| condition(a, "MergedNotSynced").is_none()).await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn a_merge_that_does_not_arrive_is_told_with_its_reason(gitops: &GitOpsScene) -> Result<()> {
    gitops.configure(&[("syncLimit", json!(3))]).await?;
    gitops.controller()?;
    let flux = &gitops.flux;
    merge_hindered(
        gitops,
        "suspended",
        "Suspended",
        "Kustomization flux-system/workloads is suspended",
        async || flux.suspend(KUSTOMIZATION, true).await,
        async || flux.suspend(KUSTOMIZATION, false).await,
    )
    .await?;
    merge_hindered(
        gitops,
        "no-source",
        "Suspended",
        "GitRepository flux-system/flux-system is suspended",
        async || flux.suspend_source(true).await,
        async || flux.suspend_source(false).await,
    )
    .await?;
    let broken = format!("{FOLDER}/broken.yaml");
    let text = "apiVersion: example.com/v1\nkind: NobodyKnows\nmetadata:\n  name: broken\n";
    merge_hindered(
        gitops,
        "failing",
        "Failing",
        "Kustomization flux-system/workloads",
        async || {
            gitops.reviewer.put(gitops.github.base(), &broken, text).await?;
            Ok(())
        },
        async || gitops.reviewer.remove(gitops.github.base(), &broken).await.map(drop),
    )
    .await?;
    let elsewhere = Kustomization { path: "./elsewhere".to_owned(), prune: false, ..folder() };
    merge_hindered(
        gitops,
        "no-path",
        "NoKustomization",
        "no Kustomization applies the folder",
        async || {
            flux.kustomization(&elsewhere).await?;
            flux.noted(KUSTOMIZATION).await
        },
        async || flux.kustomization(&folder()).await,
    )
    .await
}

pub(crate) async fn another_namespace_is_told(gitops: &GitOpsScene) -> Result<()> {
    // A Kustomization of its own, since the namespace of one that holds Namespaces cannot be changed.
    let own = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "approvals", "namespace": "shop" } });
    gitops.reviewer.put(gitops.github.base(), "approvals/map.yaml", &own.to_string()).await?;
    gitops.synced().await?;
    let approvals =
        Kustomization { path: "./approvals".to_owned(), name: "approvals".to_owned(), ..folder() };
    gitops.flux.kustomization(&approvals).await?;
    target_namespace(gitops, Some("shop")).await?;
    gitops.configure(&[("syncLimit", json!(3)), ("folder", json!("approvals"))]).await?;
    gitops.controller()?;
    let case = Case::new(gitops, "other-namespace").await?;
    let question = case.asked().await?;
    gitops.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", "OtherNamespace").await?;
    ensure!(
        said.contains("Kustomization flux-system/approvals puts everything into namespace shop"),
        "{said}"
    );
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());

    target_namespace(gitops, None).await?;
    case.until_request("20Gi").await?;
    case.until_file_gone(&question.pull.path).await?;
    // What Flux made elsewhere, if it came to that, is nobody's, inert, and not to be pruned.
    let elsewhere: Api<ActionApproval> = Api::namespaced(gitops.scene.client.clone(), "shop");
    if elsewhere.get_opt(&case.approval).await?.is_some() {
        elsewhere.delete(&case.approval, &DeleteParams::default()).await?;
    }
    gitops.flux.suspend("approvals", true).await?;
    case.end().await
}

async fn target_namespace(gitops: &GitOpsScene, namespace: Option<&str>) -> Result<()> {
    let kind = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
    let api: Api<DynamicObject> =
        Api::namespaced_with(gitops.scene.client.clone(), "flux-system", &ApiResource::from_gvk(&kind));
    let patch = Patch::Merge(json!({ "spec": { "targetNamespace": namespace } }));
    api.patch("approvals", &PatchParams::default(), &patch).await?;
    Ok(())
}

pub(crate) async fn a_folder_with_its_own_list_is_told_at_once(gitops: &GitOpsScene) -> Result<()> {
    gitops.configure(&[("syncLimit", json!(3))]).await?;
    let list = format!("{FOLDER}/kustomization.yaml");
    let case = Case::new(gitops, "own-list").await?;
    let files = gitops.reviewer.files(gitops.github.base()).await?;
    let names: Vec<String> = files
        .iter()
        .filter_map(|f| f.strip_prefix(&format!("{FOLDER}/")))
        .map(|name| format!("- {name}\n"))
        .collect();
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{}",
        names.concat()
    );
    gitops.reviewer.put(gitops.github.base(), &list, &text).await?;
    gitops.controller()?;
    let question = case.asked().await?;
    let said = case.until_condition("FolderNotSynced", "OwnKustomization").await?;
    ensure!(said.contains(&list), "{said}");
    gitops.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", "OwnKustomization").await?;
    ensure!(said.contains(&list), "{said}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    gitops.reviewer.remove(gitops.github.base(), &list).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn flux_is_asked_to_fetch_where_that_is_wanted(gitops: &GitOpsScene) -> Result<()> {
    let sync = autopilot_tests::checkout("deploy/gitops-sync");
    gitops.scene.cluster.kubectl(&["apply", "-f", &sync.to_string_lossy()]).await?.ok()?;
    gitops.configure(&[("requestSync", json!(true))]).await?;
    gitops.controller()?;
    let case = Case::new(gitops, "request-sync").await?;
    let question = case.asked().await?;
    gitops.synced().await?;
    // Flux looks by itself in an hour.
    let hour = std::time::Duration::from_secs(3600);
    gitops.flux.repository(&gitops.mirror.url(), gitops.github.base(), hour).await?;
    gitops.flux.reconcile(KUSTOMIZATION, autopilot_tests::gitops::STEP).await?;
    let commit = gitops.reviewer.merge(question.number()).await?;
    gitops.mirror.wait_for_commit(&commit, autopilot_tests::gitops::STEP).await.context("the mirror")?;
    case.until_request("20Gi").await?;
    gitops.flux.repository(&gitops.mirror.url(), gitops.github.base(), autopilot_tests::gitops::FLUX).await?;
    gitops.flux.reconcile(KUSTOMIZATION, autopilot_tests::gitops::STEP).await?;
    case.until_clean().await?;
    case.end().await
}
