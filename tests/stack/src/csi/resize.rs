//! The writes of external-resizer and kubelet into a claim and its volume.

use anyhow::{Context, Result};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::behaviour::{Behaviour, Resize};
use crate::quantity::bytes;

const INFEASIBLE: &str = "ControllerResizeInfeasible";
const IN_PROGRESS: &str = "ControllerResizeInProgress";

/// Returns the size that the claim asks for.
pub(super) fn requested(claim: &PersistentVolumeClaim) -> Option<String> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.clone())
}

/// Returns the size that the claim has.
pub(super) fn capacity(claim: &PersistentVolumeClaim) -> Option<String> {
    Some(claim.status.as_ref()?.capacity.as_ref()?.get("storage")?.0.clone())
}

/// Returns whether a bound claim asks for more than it has.
pub(super) fn wanted(claim: &PersistentVolumeClaim) -> bool {
    let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    let sizes = requested(claim).zip(capacity(claim));
    bound
        && sizes.is_some_and(|(request, capacity)| match (bytes(&request), bytes(&capacity)) {
            (Ok(request), Ok(capacity)) => request > capacity,
            _ => false,
        })
}

/// Returns whether a claim that wants to grow already shows all that this behaviour would write.
pub(super) fn settled(claim: &PersistentVolumeClaim, behaviour: &Behaviour) -> bool {
    let shows = |expected: &str, message: Option<&str>| {
        let Some(status) = claim.status.as_ref() else {
            return false;
        };
        let storage = |map: Option<&std::collections::BTreeMap<String, String>>| {
            map.and_then(|map| map.get("storage").cloned())
        };
        let allocated = status.allocated_resources.as_ref().and_then(|map| map.get("storage"));
        let said = status.conditions.iter().flatten().any(|condition| {
            condition.type_ == "ControllerResizeError"
                && message.is_none_or(|message| condition.message.as_deref() == Some(message))
        });
        said && storage(status.allocated_resource_statuses.as_ref()).as_deref() == Some(expected)
            && allocated.map(|quantity| &quantity.0) == requested(claim).as_ref()
    };
    match behaviour {
        Behaviour::Never => true,
        Behaviour::Immediate | Behaviour::Slow(_) => false,
        Behaviour::Infeasible => shows(INFEASIBLE, None),
        Behaviour::Failing(message) => shows(IN_PROGRESS, Some(message)),
    }
}

/// Does to the claim what the behaviour says. Returns the claim as the API has it then.
pub(super) async fn carry_out(
    client: &Client,
    claim: &PersistentVolumeClaim,
    behaviour: &Behaviour,
) -> Result<(PersistentVolumeClaim, Option<Resize>)> {
    let to = requested(claim).context("a claim without a request")?;
    match behaviour {
        Behaviour::Never => Ok((claim.clone(), None)),
        Behaviour::Immediate => finish(client, claim, to).await,
        Behaviour::Slow(time) => {
            under_way(client, claim, &to, IN_PROGRESS, json!([condition("Resizing", "")])).await?;
            tokio::time::sleep(*time).await;
            finish(client, claim, to).await
        }
        Behaviour::Infeasible => {
            let message = format!("size {to} is not feasible for this volume");
            let conditions = json!([condition("ControllerResizeError", &message)]);
            Ok((under_way(client, claim, &to, INFEASIBLE, conditions).await?, None))
        }
        Behaviour::Failing(message) => {
            let conditions = json!([condition("ControllerResizeError", message)]);
            Ok((under_way(client, claim, &to, IN_PROGRESS, conditions).await?, None))
        }
    }
}

fn condition(kind: &str, message: &str) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({ "type": kind, "status": "True", "message": message, "lastTransitionTime": now })
}

async fn under_way(
    client: &Client,
    claim: &PersistentVolumeClaim,
    to: &str,
    state: &str,
    conditions: Value,
) -> Result<PersistentVolumeClaim> {
    let status = json!({
        "allocatedResources": { "storage": to },
        "allocatedResourceStatuses": { "storage": state },
        "conditions": conditions,
    });
    patch_status(client, claim, &status).await
}

async fn finish(
    client: &Client,
    claim: &PersistentVolumeClaim,
    to: String,
) -> Result<(PersistentVolumeClaim, Option<Resize>)> {
    let from = capacity(claim).context("a claim without a capacity")?;
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
    let volume = volume.context("a bound claim without a volume")?;
    let grown = json!({ "spec": { "capacity": { "storage": to } } });
    Api::<PersistentVolume>::all(client.clone())
        .patch(volume, &PatchParams::default(), &Patch::Merge(grown))
        .await
        .with_context(|| format!("grow volume {volume}"))?;
    let status = json!({
        "capacity": { "storage": to },
        "allocatedResources": { "storage": to },
        "allocatedResourceStatuses": null,
        "conditions": null,
    });
    let claim = patch_status(client, claim, &status).await?;
    let resize = Resize {
        namespace: claim.namespace().unwrap_or_default(),
        name: claim.name_any(),
        from,
        to,
        at: Timestamp::now(),
    };
    Ok((claim, Some(resize)))
}

async fn patch_status(
    client: &Client,
    claim: &PersistentVolumeClaim,
    status: &Value,
) -> Result<PersistentVolumeClaim> {
    // The UID makes the patch fail when another claim has the name by now.
    let patch = json!({ "metadata": { "uid": claim.uid() }, "status": status });
    let api: Api<PersistentVolumeClaim> =
        Api::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    api.patch_status(&claim.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await
        .context("patch the claim's status")
}
