//! Our objects in the eyes of a GitOps tool. A Kustomization with `wait: true` is held up by every object that is not
//! `Current` by the rules of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus/status), which are written down here.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::{ActionApproval, AutopilotRule};
use autopilot_shared::{RuleState, names};
use autopilot_stack::lock;
use autopilot_tests::objects::original_approval;
use autopilot_tests::{RuleText, Scene};
use futures::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, WatchEvent, WatchParams};
use serde_json::{Value, json};

/// The verdict of kstatus on an object that it does not know by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kstatus {
    InProgress,
    Failed,
    Current,
    Terminating,
}

fn kstatus(object: &Value) -> Kstatus {
    if object["metadata"]["deletionTimestamp"].as_str().is_some_and(|t| !t.is_empty()) {
        return Kstatus::Terminating;
    }
    let observed = &object["status"]["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return Kstatus::InProgress;
    }
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is = |kind: &str| {
        conditions.iter().find(|c| c["type"] == kind).map(|c| c["status"].as_str().unwrap_or_default())
    };
    match (is("Reconciling"), is("Stalled"), is("Ready")) {
        (Some("True"), _, _) => Kstatus::InProgress,
        (_, Some("True"), _) => Kstatus::Failed,
        (_, _, Some("False" | "Unknown")) => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

#[test]
fn the_rules_of_kstatus_as_written_down_here() {
    let condition = |kind: &str, status: &str| json!({ "status": { "conditions": [{ "type": kind, "status": status }] } });
    for (object, expected) in [
        (json!({}), Kstatus::Current),
        (json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } }), Kstatus::Terminating),
        (
            json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 1 } }),
            Kstatus::InProgress,
        ),
        (json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 2 } }), Kstatus::Current),
        (condition("Ready", "True"), Kstatus::Current),
        (condition("Ready", "False"), Kstatus::InProgress),
        (condition("Ready", "Unknown"), Kstatus::InProgress),
        (condition("Reconciling", "True"), Kstatus::InProgress),
        (condition("Stalled", "True"), Kstatus::Failed),
        (condition("StaleApproval", "True"), Kstatus::Current),
    ] {
        assert_eq!(kstatus(&object), expected, "{object}");
    }
}

/// Every version of an object that a watcher saw.
type Versions = Arc<Mutex<Vec<Value>>>;

async fn watch<K>(scene: &Scene) -> Result<Versions>
where
    K: kube::Resource<DynamicType = ()>,
{
    let api: Api<DynamicObject> = Api::all_with(scene.client.clone(), &ApiResource::erase::<K>(&()));
    let versions = Versions::default();
    let seen = Arc::clone(&versions);
    // A kind that was established a moment ago is not served yet.
    let started = async || Ok(Some(api.watch(&WatchParams::default().timeout(290), "0").await?));
    let mut events = scene.until("a watch", started).await?.boxed();
    tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) =
                event
            {
                let object = serde_json::to_value(object).unwrap_or_default();
                lock(&seen).push(object);
            }
        }
    });
    Ok(versions)
}

fn all(versions: &Versions) -> Vec<Value> {
    lock(versions).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_waits_is_never_held_up_by_rules_or_approvals() -> Result<()> {
    let mut scene = Scene::with_namespace("pg1").await?;
    let (rules, approvals) = (watch::<AutopilotRule>(&scene).await?, watch::<ActionApproval>(&scene).await?);
    scene.controller().await?;

    // Given a rule from a file, applied as strictly as kubectl can,
    let rule = include_str!("../../fixtures/rules/approval-required.yaml")
        .replace("  enforcement:", "  pollInterval: 1\n  enforcement:")
        .replace("    # more than", "    for: 1\n    # more than");
    for way in ["--server-side=false", "--server-side=true"] {
        scene.cluster.kubectl_stdin(&["apply", way, "--validate=strict", "-f", "-"], &rule).await?.ok()?;
    }
    scene.until_condition("volume-resize", "Ready", "True").await?;

    // and approvals in every condition that people and files bring about.
    bring_about_every_condition(&scene).await?;

    // Then, whenever a GitOps tool looked, no approval would have held it up,
    let seen = all(&approvals);
    ensure!(seen.len() > 20, "every version was seen: {}", seen.len());
    for object in &seen {
        let status = kstatus(object);
        ensure!(matches!(status, Kstatus::Current | Kstatus::Terminating), "{status:?}: {object:#}");
        ensure!(object["status"]["observedGeneration"].is_null(), "{object:#}");
        let kinds =
            object["status"]["conditions"].as_array().into_iter().flatten().map(|c| c["type"].clone());
        for kind in kinds {
            ensure!(!["Ready", "Stalled", "Reconciling"].iter().any(|k| kind == *k), "{object:#}");
        }
    }
    // and a rule only until an edit of it was read.
    for edit in [json!({ "weight": 2 }), json!({ "suspend": true }), json!({ "suspend": null })] {
        let patch = json!({ "spec": edit }).to_string();
        let args = ["patch", "autopilotrule", "volume-resize", "--type=merge", "-p", &patch];
        scene.cluster.kubectl(&args).await?.ok()?;
        current(&scene, "volume-resize").await?;
    }
    for object in all(&rules) {
        let read = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let status = kstatus(&object);
        ensure!(
            status == Kstatus::Current || (status == Kstatus::InProgress && !read),
            "{status:?}: {object:#}"
        );
    }

    // Rules that cannot act, or have no data, are as current as others; one that is not understood is what is waited for.
    scene.cluster.apply(include_str!("../../fixtures/rules/pool-selector.yaml")).await?;
    let text = RuleText::new("no-data").set("/conditions/expressions/0/key", json!("px_nothing")).text();
    scene.cluster.apply(&text).await?;
    scene.until_condition("no-data", "DataAvailable", "False").await?;
    for rule in ["pool-selector", "no-data"] {
        current(&scene, rule).await?;
    }
    let text = RuleText::new("nonsense").set("/conditions/type", json!("logs")).text();
    scene.cluster.apply(&text).await?;
    scene.until_condition("nonsense", "Ready", "False").await?;
    let nonsense = serde_json::to_value(scene.rule("nonsense").await?)?;
    ensure!(kstatus(&nonsense) == Kstatus::InProgress);
    Ok(())
}

/// Creates claims whose approvals are pending, decided, unknown and stale, and waits until each approval says so.
async fn bring_about_every_condition(scene: &Scene) -> Result<()> {
    let mut volumes = Vec::new();
    for claim in ["pending", "declined", "approved", "stale", "unknown", "canceled"] {
        let volume = scene.claim("pg1", claim, "10Gi", &[("app", "postgres")]).await?;
        scene.usage(&volume, 6.0, 10.0);
        volumes.push((claim, volume));
    }
    for (claim, volume) in &volumes {
        let name = names::approval_name("volume-resize", volume);
        scene.until_pending("pg1", "volume-resize", volume).await?;
        match *claim {
            "declined" | "approved" | "canceled" => scene.answer("pg1", &name, claim).await?,
            "unknown" => scene.answer("pg1", &name, "Approved!").await?,
            // The original's file, in both ways, as strictly as kubectl can: it is taken, and it is inert.
            "stale" => {
                let text = original_approval(volume, "volume-resize", "pg1", claim);
                for way in
                    [["--server-side=true", "--force-conflicts"], ["--server-side=false", "--force=false"]]
                {
                    let args = [&["apply", "--validate=strict", "-f", "-"][..], &way].concat();
                    let said = scene.cluster.kubectl_stdin(&args, &text).await?;
                    ensure!(!said.stderr.contains("unknown field"), "{}", said.stderr);
                    said.ok()?;
                }
            }
            _ => {}
        }
    }
    // A file for an object that is proposed nothing.
    scene
        .cluster
        .kubectl_stdin(
            &["apply", "--validate=strict", "-f", "-"],
            &original_approval("pvc-of-nobody", "volume-resize", "pg1", "nobody"),
        )
        .await?
        .ok()?;
    let condition = async |volume: &str, kind: &str| {
        scene
            .until(&format!("condition {kind} on the approval of {volume}"), async || {
                let approval = scene.approval("pg1", "volume-resize", volume).await?;
                let conditions =
                    approval.and_then(|a| a.status).and_then(|s| s.conditions).unwrap_or_default();
                Ok(conditions.into_iter().any(|c| c.type_ == kind).then_some(()))
            })
            .await
    };
    for (claim, volume) in &volumes {
        match *claim {
            "declined" => {
                drop(scene.until_state("pg1", "volume-resize", volume, RuleState::ActionsDeclined).await?)
            }
            "approved" => scene.until_request("pg1", claim, "20Gi").await?,
            // `canceled` is the controller's word; from a person it is one without a meaning.
            "unknown" | "canceled" => condition(volume, "UnknownApprovalState").await?,
            "stale" => condition(volume, "StaleApproval").await?,
            _ => {}
        }
    }
    condition("pvc-of-nobody", "StaleApproval").await?;
    Ok(())
}

async fn current(scene: &Scene, rule: &str) -> Result<()> {
    scene
        .until(&format!("{rule} is Current"), async || {
            let rule = scene.rule(rule).await?;
            rule.status.as_ref().and_then(|s| s.observed_generation).context("not observed yet")?;
            Ok((kstatus(&serde_json::to_value(rule)?) == Kstatus::Current).then_some(()))
        })
        .await
}
