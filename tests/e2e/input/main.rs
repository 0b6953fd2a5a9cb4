//! Input by people: rules that make no sense, rules that do, edits of the configuration, and what GitOps tools make of
//! our objects. All on a real API server.

mod accepted;
mod configuration;
mod deployment;
mod kstatus;
mod malformed;
mod rivals;

use anyhow::Result;
use autopilot_stack::{Controller, fetch};
use autopilot_tests::Scene;
use autopilot_tests::controllers::serving_url;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

/// Returns the messages of the warnings with this reason about an object, each as often as it was told.
pub(crate) async fn warnings(
    scene: &Scene,
    namespace: &str,
    kind: &str,
    name: &str,
    reason: &str,
) -> Result<Vec<String>> {
    let fields =
        format!("involvedObject.kind={kind},involvedObject.name={name},reason={reason},type=Warning");
    let events = Api::<Event>::namespaced(scene.client.clone(), namespace)
        .list(&ListParams::default().fields(&fields))
        .await?;
    let told = |event: Event| {
        let times = usize::try_from(event.count.unwrap_or(1)).unwrap_or(1);
        std::iter::repeat_n(event.message.unwrap_or_default(), times)
    };
    Ok(events.items.into_iter().flat_map(told).collect())
}

/// Returns the value of a metric without labels.
pub(crate) async fn metric(controller: &Controller, name: &str) -> Result<Option<f64>> {
    let (_, body) = fetch::get(&format!("{}/metrics", serving_url(controller).await?)).await?;
    let text = String::from_utf8(body.to_vec())?;
    Ok(text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()))
}
