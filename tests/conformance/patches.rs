//! What the API server answers to writes whose precondition does not hold: the controller tells these answers from
//! refusals.

use anyhow::Result;
use autopilot_stack::{Cluster, ClusterOptions};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_that_does_not_hold_is_told_apart_from_a_refusal() -> Result<()> {
    let cluster =
        Cluster::start(ClusterOptions { controller_manager: false, ..ClusterOptions::default() }).await?;
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
