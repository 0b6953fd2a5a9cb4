//! Merged, and the cluster does not know of it: the approval says what stands in the way.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::ActionApproval;
use autopilot_stack::Kustomization;
use autopilot_tests::gitops::{Case, FOLDER, Gitops, KUSTOMIZATION, condition, folder};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::json;

/// A merge that does not arrive, for this reason; once `undone`, it does.
async fn told(
    world: &Gitops,
    name: &str,
    reason: &str,
    says: &str,
    hinder: impl AsyncFnOnce() -> Result<()>,
    undo: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let case = Case::new(world, name).await?;
    let question = case.asked().await?;
    hinder().await?;
    world.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", reason).await?;
    ensure!(said.contains(says), "{said}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    world
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

pub async fn a_merge_that_does_not_arrive_is_told_with_its_reason(world: &Gitops) -> Result<()> {
    world.configure(&[("syncLimit", json!(3))]).await?;
    world.controller()?;
    let flux = &world.flux;
    told(
        world,
        "suspended",
        "Suspended",
        "Kustomization flux-system/workloads is suspended",
        async || flux.suspend(KUSTOMIZATION, true).await,
        async || flux.suspend(KUSTOMIZATION, false).await,
    )
    .await?;
    told(
        world,
        "no-source",
        "Suspended",
        "GitRepository flux-system/flux-system is suspended",
        async || flux.suspend_source(true).await,
        async || flux.suspend_source(false).await,
    )
    .await?;
    let broken = format!("{FOLDER}/broken.yaml");
    let text = "apiVersion: example.com/v1\nkind: NobodyKnows\nmetadata:\n  name: broken\n";
    told(
        world,
        "failing",
        "Failing",
        "Kustomization flux-system/workloads",
        async || {
            world.reviewer.put(world.github.base(), &broken, text).await?;
            Ok(())
        },
        async || world.reviewer.remove(world.github.base(), &broken).await.map(drop),
    )
    .await?;
    let elsewhere = Kustomization { path: "./elsewhere".to_owned(), prune: false, ..folder() };
    told(
        world,
        "no-path",
        "NoKustomization",
        "no Kustomization applies the folder",
        async || flux.kustomization(&elsewhere).await,
        async || flux.kustomization(&folder()).await,
    )
    .await
}

pub async fn another_namespace_is_told(world: &Gitops) -> Result<()> {
    // A Kustomization of its own, since the namespace of one that holds Namespaces cannot be changed.
    let own = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "approvals", "namespace": "shop" } });
    world.reviewer.put(world.github.base(), "approvals/map.yaml", &own.to_string()).await?;
    world.synced().await?;
    let approvals =
        Kustomization { path: "./approvals".to_owned(), name: "approvals".to_owned(), ..folder() };
    world.flux.kustomization(&approvals).await?;
    target_namespace(world, Some("shop")).await?;
    world.configure(&[("syncLimit", json!(3)), ("folder", json!("approvals"))]).await?;
    world.controller()?;
    let case = Case::new(world, "other-namespace").await?;
    let question = case.asked().await?;
    world.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", "OtherNamespace").await?;
    ensure!(
        said.contains("Kustomization flux-system/approvals puts everything into namespace shop"),
        "{said}"
    );
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());

    target_namespace(world, None).await?;
    case.until_request("20Gi").await?;
    world
        .until("the file to go", async || {
            let found = world.reviewer.read(world.github.base(), &question.pull.path).await?;
            Ok(found.is_none().then_some(()))
        })
        .await?;
    // What Flux made elsewhere, if it came to that, is nobody's, inert, and not to be pruned.
    let elsewhere: Api<ActionApproval> = Api::namespaced(world.scene.client.clone(), "shop");
    if elsewhere.get_opt(&case.approval).await?.is_some() {
        elsewhere.delete(&case.approval, &DeleteParams::default()).await?;
    }
    world.flux.suspend("approvals", true).await?;
    case.end().await
}

async fn target_namespace(world: &Gitops, namespace: Option<&str>) -> Result<()> {
    let kind = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.scene.client.clone(), "flux-system", &ApiResource::from_gvk(&kind));
    let patch = Patch::Merge(json!({ "spec": { "targetNamespace": namespace } }));
    api.patch("approvals", &PatchParams::default(), &patch).await?;
    Ok(())
}

pub async fn a_folder_with_its_own_list_is_told_at_once(world: &Gitops) -> Result<()> {
    world.configure(&[("syncLimit", json!(3))]).await?;
    let list = format!("{FOLDER}/kustomization.yaml");
    let case = Case::new(world, "own-list").await?;
    let files = world.reviewer.files(world.github.base()).await?;
    let names: Vec<String> = files
        .iter()
        .filter_map(|f| f.strip_prefix(&format!("{FOLDER}/")))
        .map(|name| format!("- {name}\n"))
        .collect();
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{}",
        names.concat()
    );
    world.reviewer.put(world.github.base(), &list, &text).await?;
    world.controller()?;
    let question = case.asked().await?;
    let said = case.until_condition("FolderNotSynced", "OwnKustomization").await?;
    ensure!(said.contains(&list), "{said}");
    world.reviewer.merge(question.number()).await?;
    let said = case.until_condition("MergedNotSynced", "OwnKustomization").await?;
    ensure!(said.contains(&list), "{said}");
    ensure!(case.sizes() == ["10Gi"], "{:?}", case.sizes());
    world.reviewer.remove(world.github.base(), &list).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub async fn flux_is_asked_to_fetch_where_that_is_wanted(world: &Gitops) -> Result<()> {
    let sync = autopilot_tests::checkout("deploy/gitops-sync");
    world.scene.cluster.kubectl(&["apply", "-f", &sync.to_string_lossy()]).await?.ok()?;
    world.configure(&[("requestSync", json!(true))]).await?;
    world.controller()?;
    let case = Case::new(world, "request-sync").await?;
    let question = case.asked().await?;
    world.synced().await?;
    // Flux looks by itself in an hour.
    let hour = std::time::Duration::from_secs(3600);
    world.flux.repository(&world.mirror.url(), world.github.base(), hour).await?;
    world.flux.reconcile(KUSTOMIZATION, autopilot_tests::gitops::STEP).await?;
    let commit = world.reviewer.merge(question.number()).await?;
    world.mirror.wait_for_commit(&commit, autopilot_tests::gitops::STEP).await.context("the mirror")?;
    case.until_request("20Gi").await?;
    world.flux.repository(&world.mirror.url(), world.github.base(), autopilot_tests::gitops::FLUX).await?;
    world.flux.reconcile(KUSTOMIZATION, autopilot_tests::gitops::STEP).await?;
    case.until_clean().await?;
    case.end().await
}
