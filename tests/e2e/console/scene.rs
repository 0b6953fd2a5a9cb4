//! A cluster with a controller, and volumes that are full.

use std::path::Path;

use anyhow::{Context as _, Result};
use autopilot_shared::api::{ActionApproval, Decision};
use autopilot_shared::names;
use autopilot_stack::{Cluster, ClusterOptions, User};
use autopilot_tests::{RuleText, Scene, SceneOptions};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Namespace of all volumes.
pub(crate) const NAMESPACE: &str = "pg1";
/// The rule.
pub(crate) const RULE: &str = "volume-resize";
/// Token of somebody who may look and not touch.
pub(crate) const VIEWER: &str = "console-viewer";

/// A cluster with a controller, whose claims wait for an answer.
pub(crate) struct ConsoleScene {
    pub(crate) scene: Scene,
    /// The claims' volumes, in their order.
    pub(crate) volumes: Vec<String>,
}

/// Starts a cluster in which these claims wait for an answer.
pub(crate) async fn waiting(claims: &[&str]) -> Result<ConsoleScene> {
    let viewer = User { token: VIEWER.to_owned(), name: "vera".to_owned(), groups: Vec::new() };
    let cluster = ClusterOptions { users: vec![viewer], ..ClusterOptions::default() };
    let mut scene = Scene::start(SceneOptions { cluster, ..SceneOptions::default() }).await?;
    let role = json!({
        "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "looker" },
              "rules": [
                { "apiGroups": ["autopilot.libopenstorage.org"], "resources": ["*"], "verbs": ["get", "list", "watch"] },
                { "apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"] } ] },
            { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "looker" },
              "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "looker" },
              "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "vera" }] } ],
    });
    scene.cluster.apply(&role.to_string()).await?;
    scene.cluster.namespace(NAMESPACE, &[("type", "db")]).await?;
    let rule = RuleText::new(RULE).set("/actionsCoolDownPeriod", json!(3600)).text();
    scene.cluster.apply(&rule).await?;
    let mut volumes = Vec::new();
    for (number, claim) in claims.iter().enumerate() {
        let volume = scene.claim(NAMESPACE, claim, "10Gi", &[("app", "postgres")]).await?;
        // The first is the fullest, and so on top.
        scene.usage(&volume, 9.0 - 0.5 * number as f64, 10.0);
        volumes.push(volume);
    }
    scene.controller_without_lease().await?;
    for volume in &volumes {
        scene.until_pending(NAMESPACE, RULE, volume).await?;
    }
    Ok(ConsoleScene { scene, volumes })
}

/// Returns the approval of a volume.
pub(crate) async fn approval(scene: &Scene, volume: &str) -> Result<ActionApproval> {
    let found = scene.approval(NAMESPACE, RULE, volume).await?;
    found.with_context(|| format!("no approval {}", names::approval_name(RULE, volume)))
}

/// Waits for a decision about a volume.
pub(crate) async fn until_decided(scene: &Scene, volume: &str) -> Result<Decision> {
    scene
        .until(&format!("a decision about {volume}"), async || {
            let found = scene.approval(NAMESPACE, RULE, volume).await?;
            Ok(found.and_then(|a| a.status).and_then(|s| s.decision))
        })
        .await
}

/// Starts a cluster without Autopilot: neither kinds nor controller. Its namespaces are those that the server makes
/// itself.
pub(crate) async fn bare() -> Result<Cluster> {
    let user =
        |token: &str, name: &str| User { token: token.to_owned(), name: name.to_owned(), groups: Vec::new() };
    let users = vec![user(VIEWER, "vera")];
    Cluster::start(ClusterOptions { users, ..ClusterOptions::without_binder() }).await
}

/// Writes an approval as the controller leaves it, changed by `change`; its PVC has the same name.
pub(crate) async fn put(
    client: &Client,
    namespace: &str,
    name: &str,
    change: impl FnOnce(&mut Value),
) -> Result<()> {
    let digest = "0123456789abcdef";
    let mut object = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "ActionApproval",
        "metadata": { "name": name, "namespace": namespace, "labels": { "rule": RULE, "object": name } },
        "spec": {
            "approvalState": "pending",
            "actions": [{ "name": "resize", "params": { "scalepercentage": "100" }, "proposal": digest }],
        },
        "status": {
            "Rule": { "Name": RULE, "Namespace": "" },
            "actionPreviews": [{
                "action": { "name": "resize" },
                "expectedResult": { "Message": "PVC will resize from 10Gi to 20Gi" },
                "involvedObjects": [{
                    "kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": name, "namespace": namespace,
                    "uid": name,
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "postgres", "uid": "u" }],
                }],
            }],
            "proposal": {
                "id": "x", "digest": digest, "action": "resize", "from": "10Gi", "to": "20Gi", "pvcUID": "p",
                "ruleHash": "h", "measured": [{ "key": "usage", "operator": "Gt", "values": ["50"], "value": "82.4" }],
            },
        },
    });
    change(&mut object);
    let api = Api::<ActionApproval>::namespaced(client.clone(), namespace);
    let made: ActionApproval = serde_json::from_value(object.clone()).context("no approval")?;
    api.create(&PostParams::default(), &made).await.with_context(|| format!("create {name}"))?;
    let status = json!({ "status": object["status"] });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .with_context(|| format!("status of {name}"))?;
    Ok(())
}

/// Replaces a file, as a whole or not at all: a console may be reading it.
pub(crate) fn replace(path: &Path, content: &Path) -> Result<()> {
    let part = path.with_extension("part");
    std::fs::copy(content, &part)?;
    Ok(std::fs::rename(part, path)?)
}
