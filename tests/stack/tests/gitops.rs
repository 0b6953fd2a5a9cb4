//! From a commit by GitHub's API to an object in the cluster, and back: emulate, the mirror, git over HTTP, the real Flux.

use std::time::Duration;

use anyhow::{Context, Result};
use autopilot_stack::{
    Cluster, ClusterOptions, Flux, GitHub, GitHubOptions, GitMirror, Kustomization, wait_for,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

const LIMIT: Duration = Duration::from_secs(30);

fn map(name: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\ndata:\n  text: {text}\n"
    )
}

#[tokio::test]
async fn a_commit_is_applied_and_its_deletion_pruned() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::default());
    let github = GitHub::start(GitHubOptions::default());
    let (cluster, github) = tokio::try_join!(cluster, github)?;
    let person = github.reviewer()?;
    person.put("main", "apps/one.yaml", &map("one", "a")).await?;
    let mirror = GitMirror::start(&github).await?;
    let flux = Flux::start(&cluster).await?;
    flux.repository(&mirror.url(), "main", Duration::from_secs(2)).await?;
    flux.kustomization(&Kustomization::new("apps", "./apps")).await?;

    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin_client().await?, "default");
    let text =
        async |name: &str| anyhow::Ok(maps.get_opt(name).await?.and_then(|map| map.data?.remove("text")));
    let until = async |name: &str, expected: Option<&str>| {
        wait_for(&format!("{name}: {expected:?}"), LIMIT, async || {
            Ok((text(name).await?.as_deref() == expected).then_some(()))
        })
        .await
    };

    // By itself, at its interval.
    until("one", Some("a")).await?;
    let one = maps.get("one").await?;
    let applied = one.metadata.managed_fields.into_iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some("kustomize-controller")
            && entry.operation.as_deref() == Some("Apply")
    });
    assert!(applied, "Flux applies on the server, under its own name");

    // A pull request: its branch does not reach the cluster, its merge does.
    let base = person.branch("main").await?.context("main")?;
    person.create_branch("work", &base).await?;
    person.put("work", "apps/two.yaml", &map("two", "b")).await?;
    let number = person.open("work", "main", "two", "").await?;
    let merge = person.merge(number).await?;
    mirror.wait_for_commit(&merge, LIMIT).await?;
    flux.reconcile("apps", LIMIT).await?;
    until("two", Some("b")).await?;
    flux.wait_for_applied("apps", &mirror.head().await?, LIMIT).await?;

    // What leaves the folder leaves the cluster.
    person.remove("main", "apps/one.yaml").await?;
    mirror.wait_for_no_file("apps/one.yaml", LIMIT).await?;
    until("one", None).await?;
    assert_eq!(text("two").await?.as_deref(), Some("b"));

    // Without pruning it stays; what Flux applied last is the proof that it had its chance.
    flux.kustomization(&Kustomization { prune: false, ..Kustomization::new("apps", "./apps") }).await?;
    person.put("main", "apps/three.yaml", &map("three", "c")).await?;
    person.remove("main", "apps/two.yaml").await?;
    mirror.wait_for_no_file("apps/two.yaml", LIMIT).await?;
    flux.wait_for_applied("apps", &mirror.head().await?, LIMIT).await?;
    assert_eq!(text("two").await?.as_deref(), Some("b"));
    assert_eq!(text("three").await?.as_deref(), Some("c"));

    // A mirror that stands still: merged, but not synced.
    mirror.pause();
    let late = person.put("main", "apps/four.yaml", &map("four", "d")).await?;
    flux.reconcile("apps", LIMIT).await?;
    assert_eq!((text("four").await?, mirror.file("apps/four.yaml")), (None, None));
    mirror.resume();
    mirror.wait_for_commit(&late, LIMIT).await?;
    until("four", Some("d")).await?;

    // Suspended, and a folder that is not there: both can be told from the status.
    flux.suspend("apps", true).await?;
    let missing = Kustomization::new("missing", "./missing");
    flux.kustomization(&missing).await?;
    let ready = wait_for("a Kustomization that fails", LIMIT, async || {
        Ok(Some(flux.ready("missing").await?).filter(|ready| ready.status == "False"))
    })
    .await?;
    assert_eq!(ready.reason, "ArtifactFailed", "{}", ready.message);
    assert_eq!(flux.source_ready().await?.status, "True");
    Ok(())
}
