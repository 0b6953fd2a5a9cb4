//! A reviewer who sees only the pull request learns who uses the volume.

use anyhow::{Context as _, Result, ensure};
use autopilot_tests::gitops::{Case, GitOpsScene};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

pub(crate) async fn body_and_file_name_the_workload(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "workload").await?;
    let (client, namespace) = (gitops.scene.client.clone(), case.namespace.as_str());
    let labels = json!({ "app": "database" });
    let pod = json!({
        "containers": [{ "name": "postgres", "image": "postgres" }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
    });
    let template = json!({ "metadata": { "labels": labels }, "spec": pod });
    let spec = json!({ "selector": { "matchLabels": labels }, "template": template });
    // No controller runs that would make one of the other.
    let deployment: Deployment =
        serde_json::from_value(json!({ "metadata": { "name": "database" }, "spec": spec }))?;
    let deployment = Api::<Deployment>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &deployment)
        .await?;
    let owner = |version: &str, kind: &str, name: &str, uid: &Option<String>| json!([{ "apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true }]);
    let set: ReplicaSet = serde_json::from_value(json!({
        "metadata": {
            "name": "database-5d8f7c9b64",
            "ownerReferences": owner("apps/v1", "Deployment", "database", &deployment.metadata.uid),
        },
        "spec": spec,
    }))?;
    let set =
        Api::<ReplicaSet>::namespaced(client.clone(), namespace).create(&PostParams::default(), &set).await?;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "default", "namespace": namespace } });
    gitops.scene.cluster.apply(&account.to_string()).await?;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": "database-5d8f7c9b64-x2x4z", "labels": labels,
            "ownerReferences": owner("apps/v1", "ReplicaSet", "database-5d8f7c9b64", &set.metadata.uid),
        },
        "spec": pod,
    }))?;
    Api::<Pod>::namespaced(client, namespace).create(&PostParams::default(), &pod).await?;

    gitops.controller()?;
    let question = case.asked().await?;
    let previews = question.approval.status.as_ref().and_then(|s| s.action_previews.as_ref());
    let object = previews.and_then(|p| p.first()?.involved_objects.first()).context("no preview")?;
    let owners = object.owner_references.as_ref().context("no workload in the preview")?;
    ensure!(owners.len() == 1 && owners[0].controller == Some(true), "{owners:?}");
    let (kind, name) = (owners[0].kind.as_str(), owners[0].name.as_str());
    ensure!(
        [("Deployment", "database"), ("ReplicaSet", "database-5d8f7c9b64")].contains(&(kind, name)),
        "{owners:?}"
    );
    let body = gitops.reviewer.pull(question.number()).await?.body;
    ensure!(body.contains(&format!("- Used by: `{kind}` `{name}`")), "{body}");
    let file = gitops.reviewer.read(&case.branch, &question.pull.path).await?.context("no file")?;
    ensure!(file.contains(&format!("kind: {kind}\n")) && file.contains(&format!("name: {name}\n")), "{file}");
    case.end().await
}
