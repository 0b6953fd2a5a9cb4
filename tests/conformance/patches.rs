//! Answers of the API server to writes whose precondition does not hold: the controller tells these answers from
//! refusals.

use anyhow::Result;
use autopilot_shared::api::ActionApproval;
use autopilot_stack::{Cluster, ClusterOptions};
use autopilot_tui::cluster::send;
use autopilot_tui::decision::{Action, Ending, Target, Write};
use autopilot_tui::rows::{Approval, Names};
use autopilot_tui::text::Safe;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_that_does_not_hold_is_told_apart_from_a_refusal() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::without_binder()).await?;
    let api: Api<ConfigMap> = Api::namespaced(cluster.admin_client().await?, "default");
    let map: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": "a" }, "data": { "k": "v" } }))?;
    let made = api.create(&PostParams::default(), &map).await?;
    let version = made.metadata.resource_version.unwrap_or_default();

    // Given a map that has changed since it was read,
    let newer = Patch::Merge(json!({ "data": { "k": "w" } }));
    api.patch("a", &PatchParams::default(), &newer).await?;
    let status = |error: kube::Error| match error {
        kube::Error::Api(status) => Ok(*status),
        other => Err(other),
    };

    // when a JSON patch tests the old version, then 422 and not a word about what is wrong,
    let json_patch = |operations| serde_json::from_value(operations).map(Patch::<ConfigMap>::Json);
    let patch = json_patch(json!([
        { "op": "test", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/data", "value": { "k": "x" } },
    ]))?;
    let refused = status(api.patch("a", &PatchParams::default(), &patch).await.unwrap_err())?;
    assert_eq!((refused.code, named(&refused)), (422, false), "{refused:?}");

    // when it makes an object that is not valid, then 422 that names the kind and the field,
    let patch = json_patch(json!([{ "op": "add", "path": "/data", "value": { "no such/key": "x" } }]))?;
    let refused = status(api.patch("a", &PatchParams::default(), &patch).await.unwrap_err())?;
    assert_eq!((refused.code, named(&refused)), (422, true), "{refused:?}");

    // when a merge patch carries the old version, then 409.
    let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "data": { "k": "x" } }));
    let refused = status(api.patch("a", &PatchParams::default(), &patch).await.unwrap_err())?;
    assert_eq!(refused.code, 409, "{refused:?}");
    assert_eq!(api.get("a").await?.data.unwrap_or_default().get("k").map(String::as_str), Some("w"));
    Ok(())
}

fn named(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|d| !d.kind.is_empty() || !d.causes.is_empty())
}

/// Name, state that was shown, state meanwhile, whether it was latched meanwhile, whether the decision is taken.
type Case = (&'static str, Option<&'static str>, Option<&'static str>, bool, bool);

/// An approval as it was shown, as it is now, and whether a decision about the former is taken.
const DECISIONS: &[Case] = &[
    ("absent", None, None, false, true),
    ("pending", Some("pending"), Some("pending"), false, true),
    ("absent-declined", None, Some("declined"), false, false),
    ("pending-declined", Some("pending"), Some("declined"), false, false),
    ("pending-absent", Some("pending"), None, false, false),
    ("absent-latched", None, None, true, false),
    ("pending-latched", Some("pending"), Some("pending"), true, false),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_about_what_is_not_so_any_more_is_refused() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::without_binder()).await?;
    autopilot_tests::install::crds(&cluster).await?;
    let client = cluster.admin_client().await?;
    let api: Api<ActionApproval> = Api::namespaced(client.clone(), "default");
    for (name, shown, now, latched, taken) in DECISIONS {
        let digest = "0123456789abcdef";
        let spec = json!({ "approvalState": shown, "actions": [{ "name": "resize", "proposal": digest }] });
        let mut made = json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "ActionApproval",
            "metadata": { "name": name, "annotations": { "a": "b" } }, "spec": spec,
        });
        if shown.is_none() {
            made["spec"].as_object_mut().map(|s| s.remove("approvalState"));
        }
        api.create(&PostParams::default(), &serde_json::from_value(made)?).await?;
        let status = |status: Value| Patch::Merge(json!({ "status": status }));
        let proposed = status(json!({ "proposal": {
            "id": "x", "digest": digest, "action": "resize", "from": "10Gi", "to": "20Gi", "pvcUID": "p",
            "ruleHash": "h", "measured": [],
        } }));
        let seen = api.patch_status(name, &PatchParams::default(), &proposed).await?;
        let row =
            Approval::from_wire(serde_json::from_value(serde_json::to_value(seen)?)?, &mut Names::default());
        assert_eq!(row.undecidable(), None, "{name}");
        if now != shown {
            let spec = Patch::Merge(json!({ "spec": { "approvalState": now } }));
            api.patch(name, &PatchParams::default(), &spec).await?;
        }
        if *latched {
            let decision = status(json!({ "decision": { "digest": digest, "outcome": "declined" } }));
            api.patch_status(name, &PatchParams::default(), &decision).await?;
        }
        let write = Write {
            action: Action::Approve,
            target: Target::of(&row),
            reason: String::new(),
            by: "maria".to_owned(),
            context: Safe::default(),
            server: Safe::default(),
            at: jiff::Timestamp::now(),
            dry_run: false,
        };
        let ending = send::send(&client, &write).await;
        let found = api.get(name).await?.spec.approval_state;
        if *taken {
            assert_eq!((ending, found.as_deref()), (Ending::Done, Some("approved")), "{name}");
        } else {
            assert!(matches!(ending, Ending::Changed(_)), "{name}: {ending:?}");
            assert_eq!(found.as_deref(), *now, "{name}");
        }
    }
    Ok(())
}
