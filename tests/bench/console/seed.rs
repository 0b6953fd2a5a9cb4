//! Ten thousand approvals on the real API, events, and changes at a steady pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_shared::api::ActionApproval;
use autopilot_stack::Cluster;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Approvals.
pub(crate) const APPROVALS: usize = 10_000;
/// Namespaces that they are spread over.
const NAMESPACES: usize = 50;
/// Events; five of each approval's object.
pub(crate) const EVENTS: usize = 50_000;
/// Requests at once.
const AT_ONCE: usize = 24;
const RULE: &str = "volume-resize";

fn namespace(i: usize) -> String {
    format!("team-{:03}", i % NAMESPACES)
}

fn volume(i: usize) -> String {
    // Spread, as random UIDs are.
    let spread = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("pvc-{:08x}-4{:03x}-4d1c-a{:03x}-{i:012x}", spread >> 32, i & 0xfff, spread & 0xfff)
}

fn ago(minutes: usize) -> String {
    let minutes = i64::try_from(minutes).unwrap_or_default();
    Timestamp::now().saturating_sub(SignedDuration::from_mins(minutes)).map_or_else(
        |_| String::new(),
        |t| {
            // As the API writes it.
            format!("{:.6}", t)
        },
    )
}

/// Returns an approval as the controller leaves it: 1.5 kB.
pub(crate) fn approval(i: usize) -> Value {
    let (volume, namespace, digest) = (volume(i), namespace(i), format!("{:016x}", i + 1));
    let claim = format!("data-postgres-{i:05}");
    // Up to 30 hours old, 80.00 to 99.99 percent full.
    let (at, value) = (ago(i * 7 % 1800), format!("{}.{:02}0417", 80 + i * 31 % 20, i % 100));
    json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "ActionApproval",
        "metadata": {
            "name": format!("{RULE}-{volume}"), "namespace": namespace, "uid": format!("uid-{i}"),
            "resourceVersion": "1", "labels": { "rule": RULE, "object": volume },
            "annotations": { "autopilot.libopenstorage.org/proposal": digest },
        },
        "spec": {
            "approvalState": "pending",
            "actions": [{
                "name": "resize", "params": { "scalepercentage": "100", "maxsize": "400Gi" }, "proposal": digest,
            }],
        },
        "status": {
            "Rule": { "Name": RULE, "Namespace": "" },
            "actionPreviews": [{
                "action": { "name": "resize", "params": { "scalepercentage": "100", "maxsize": "400Gi" } },
                "expectedResult": { "Message": "PVC will resize from 10Gi to 20Gi" },
                "involvedObjects": [{
                    "kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": claim, "namespace": namespace,
                    "uid": volume,
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": format!("postgres-{}", i % 97),
                        "uid": format!("0b5c9d1e-2f4a-4c1b-9e7d-{i:012x}"),
                    }],
                }],
            }],
            "proposal": {
                "id": format!("8d3f5a7c-{i:04x}-4b2e-9c1d-5e6f7a8b9c0d"), "digest": digest, "action": "resize",
                "from": "10Gi", "to": "20Gi", "at": at, "ruleHash": "3f2a9c1b7d5e8046",
                "pvcUID": format!("1c6d8e2f-3a5b-4d7c-8f9e-{i:012x}"),
                "measured": [{
                    "key": "100 * (kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes)",
                    "operator": "Gt", "values": ["80"], "value": value,
                }],
            },
        },
    })
}

/// Creates all approvals.
pub(crate) async fn approvals(cluster: &Cluster, client: &Client) -> Result<()> {
    for i in 0..NAMESPACES {
        cluster.namespace(&namespace(i), &[]).await?;
    }
    let one = async |i: usize| -> Result<()> {
        let mut object = approval(i);
        let status = json!({ "status": object["status"].take() });
        for field in ["uid", "resourceVersion"] {
            object["metadata"].as_object_mut().map(|m| m.remove(field));
        }
        let object: ActionApproval = serde_json::from_value(object)?;
        let name = object.metadata.name.clone().unwrap_or_default();
        let api: Api<ActionApproval> = Api::namespaced(client.clone(), &namespace(i));
        api.create(&PostParams::default(), &object).await.with_context(|| format!("create {name}"))?;
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    };
    stream::iter(0..APPROVALS).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

/// Creates all events.
pub(crate) async fn events(client: &Client) -> Result<()> {
    const STEPS: [&str; 6] =
        ["Initializing", "Normal", "Triggered", "ActionAwaitingApproval", "ActiveActionsPending", "Normal"];
    let api: Api<Event> = Api::namespaced(client.clone(), "default");
    let api = &api;
    let one = async |n: usize| -> Result<()> {
        let (i, step) = (n / 5, n % 5);
        let message =
            format!("rule: {RULE}:{} transition from {} => {}", volume(i), STEPS[step], STEPS[step + 1]);
        let at = ago(60 - 10 * step);
        let event = json!({
            "metadata": { "name": format!("{RULE}.{n:016x}"), "namespace": "default" },
            "reason": "Transition", "type": "Normal", "message": message, "count": 1,
            "firstTimestamp": at, "lastTimestamp": at, "source": { "component": "autopilot" },
            "involvedObject": {
                "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRule", "name": RULE,
            },
        });
        api.create(&PostParams::default(), &serde_json::from_value(event)?).await?;
        Ok(())
    };
    stream::iter(0..EVENTS).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

/// Changes of approvals, all over the list, until it is dropped.
pub(crate) struct Updates {
    task: JoinHandle<()>,
    done: Arc<AtomicU64>,
}

impl Updates {
    /// Makes this many changes a second: a pull request with another number, which is on the screen and moves no row.
    pub(crate) fn start(client: &Client, per_second: u32) -> Updates {
        let done = Arc::new(AtomicU64::new(0));
        let (client, count) = (client.clone(), Arc::clone(&done));
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / per_second);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let turns = Arc::new(Semaphore::new(AT_ONCE));
            for n in 0_usize.. {
                ticks.tick().await;
                let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
                let (client, count) = (client.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let i = n * 7919 % APPROVALS;
                    let url = format!("https://github.com/example/gitops/pull/{n}");
                    let status =
                        json!({ "status": { "pullRequest": { "number": n, "url": url, "state": "open" } } });
                    let api: Api<ActionApproval> = Api::namespaced(client, &namespace(i));
                    let name = format!("{RULE}-{}", volume(i));
                    if api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(turn);
                });
            }
        });
        Updates { task, done }
    }

    /// Returns how many were made.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        self.task.abort();
    }
}
