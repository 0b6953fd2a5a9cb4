//! From typed API objects to what the world keeps of them.

use std::collections::BTreeMap;

use autopilot_shared::Quantity;
use autopilot_shared::api::{
    ANNOTATION_SIZE_IN_GIT, ActionApproval, AutopilotRuleObject, LABEL_OBJECT, LABEL_RULE,
};
use autopilot_shared::quantity::Size;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ResourceQuota};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use serde_json::Value;

use super::pvcs::{Pvc, PvcNames, Pvcs, Rare};
use crate::decide::view::{Approval, Journal, QuotaRoom, ResizeReport, Writer};

/// A resourceVersion as a number. They are comparable as integers since Kubernetes 1.35, and were in practice before.
pub fn version(text: Option<&str>) -> u64 {
    text.and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// Field managers that apply files for a person at a terminal.
const PEOPLE: [&str; 4] =
    ["kubectl", "kubectl-client-side-apply", "kubectl-last-applied", "before-first-apply"];

/// Returns the record of a PVC.
pub fn claim(pvc: &PersistentVolumeClaim, claims: &mut Pvcs) -> Pvc {
    let spec = pvc.spec.as_ref();
    let status = pvc.status.as_ref();
    let text = |map: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
        map.and_then(|m| m.get("storage")).map(|q| q.0.clone()).unwrap_or_default()
    };
    let size = |text: &str| text.parse::<Quantity>().map(Size::from).unwrap_or_default();
    let requested = text(spec.and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref()));
    let request = size(&requested);
    let ignored = pvc.annotations().get(ANNOTATION_SIZE_IN_GIT).is_some_and(|v| v == "ignore");
    let rare = Rare {
        request_text: (request.to_string() != requested).then(|| requested.into()),
        size_in_git: size_owner(pvc).filter(|_| !ignored).map(|owner| claims.text(&owner)),
        resize: report(pvc),
    };
    Pvc {
        namespace: claims.text(&pvc.namespace().unwrap_or_default()),
        names: PvcNames::new(
            &pvc.name_any(),
            spec.and_then(|s| s.volume_name.as_deref()).unwrap_or_default(),
            pvc.metadata.uid.as_deref().unwrap_or_default(),
        ),
        version: version(pvc.metadata.resource_version.as_deref()),
        created: pvc.metadata.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second()),
        request,
        capacity: size(&text(status.and_then(|s| s.capacity.as_ref()))),
        class: spec
            .and_then(|s| s.storage_class_name.as_deref())
            .filter(|c| !c.is_empty())
            .map(|c| claims.text(c)),
        labels: claims.labels(pvc.labels().clone()),
        rare: (rare != Rare::default()).then(|| Box::new(rare)),
        resized: resized(pvc),
        bound: status.and_then(|s| s.phase.as_deref()) == Some("Bound"),
        deleting: pvc.metadata.deletion_timestamp.is_some(),
    }
}

/// When the storage reported another size than the first. The binder writes the first one, together with the phase; whoever
/// resizes writes the size without it, and nothing of it later but another size.
fn resized(pvc: &PersistentVolumeClaim) -> u32 {
    let reports = |entry: &&ManagedFieldsEntry| {
        entry.subresource.as_deref() == Some("status")
            && owns(entry, &["f:status", "f:capacity", "f:storage"])
            && !owns(entry, &["f:status", "f:phase"])
    };
    let times = pvc.metadata.managed_fields.iter().flatten().filter(reports).filter_map(|e| e.time.as_ref());
    times.filter_map(|time| u32::try_from(time.0.as_second()).ok()).max().unwrap_or(0)
}

/// The GitOps tool that owns the size: by an Apply of `requests.storage`, or by the labels that Flux and Argo CD set.
fn size_owner(pvc: &PersistentVolumeClaim) -> Option<String> {
    let applier = pvc.metadata.managed_fields.iter().flatten().find(|entry| {
        entry.operation.as_deref() == Some("Apply")
            && !entry.manager.as_deref().is_some_and(|m| PEOPLE.contains(&m))
            && owns(entry, &["f:spec", "f:resources", "f:requests", "f:storage"])
    });
    if let Some(entry) = applier {
        return Some(entry.manager.clone().unwrap_or_else(|| "a GitOps tool".to_owned()));
    }
    let labelled = |prefix: &str| pvc.labels().keys().any(|k| k.starts_with(prefix));
    if labelled("kustomize.toolkit.fluxcd.io/") || labelled("helm.toolkit.fluxcd.io/") {
        Some("Flux".to_owned())
    } else if labelled("argocd.argoproj.io/")
        || pvc.annotations().keys().any(|k| k == "argocd.argoproj.io/tracking-id")
    {
        Some("Argo CD".to_owned())
    } else {
        None
    }
}

fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let mut at: Option<&Value> = entry.fields_v1.as_ref().map(|f| &f.0);
    for step in path {
        at = at.and_then(|v| v.get(step));
    }
    at.is_some()
}

/// Returns the storage's report on a resize: `allocatedResourceStatuses` and the PVC's conditions.
fn report(pvc: &PersistentVolumeClaim) -> ResizeReport {
    let Some(status) = pvc.status.as_ref() else { return ResizeReport::default() };
    let allocated =
        status.allocated_resource_statuses.as_ref().and_then(|m| m.get("storage")).map(String::as_str);
    let conditions: Vec<(&str, &str)> = status
        .conditions
        .iter()
        .flatten()
        .filter(|c| c.status == "True")
        .map(|c| (c.type_.as_str(), c.message.as_deref().unwrap_or_default()))
        .collect();
    let told = |kind: &str| conditions.iter().find(|(t, _)| *t == kind).map(|(_, message)| *message);
    let error = told("ControllerResizeError").or_else(|| told("NodeResizeError"));
    let infeasible = allocated.filter(|s| s.ends_with("ResizeInfeasible")).map(|word| match error {
        Some(why) => format!("{word}: {why}").into(),
        None => word.into(),
    });
    let words = match (error, allocated) {
        (Some(why), _) => Some(format!("the storage reports an error: {why}")),
        (None, Some(word)) => Some(format!("the storage is working on it: {word}")),
        (None, None) if told("FileSystemResizePending").is_some() => {
            Some("the file system grows when a pod mounts the volume".to_owned())
        }
        (None, None) if told("Resizing").is_some() => Some("the storage is working on it".to_owned()),
        (None, None) => None,
    };
    let progress = words.map(|w| w.chars().filter(|c| !c.is_control()).take(500).collect::<String>().into());
    ResizeReport { infeasible, progress }
}

/// The journal behind a rule object.
pub fn journal(mut object: AutopilotRuleObject) -> Journal {
    let owner = object
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|o| o.kind == "AutopilotRule")
        .map(|o| o.uid.clone())
        .unwrap_or_default();
    let label = |key: &str| object.labels().get(key).cloned();
    let labels = (label(LABEL_RULE), label(LABEL_OBJECT));
    let mut status = object.status.take().unwrap_or_default();
    // It is kept for long: a list that grew while it was read has room for entries that never come.
    status.items.shrink_to_fit();
    Journal {
        labels,
        namespace: object.namespace().unwrap_or_default().into(),
        name: object.name_any().into(),
        uid: object.metadata.uid.unwrap_or_default(),
        version: object.metadata.resource_version.unwrap_or_default(),
        owner,
        deleting: object.metadata.deletion_timestamp.is_some(),
        status,
    }
}

/// An approval, and who wrote its state. The entry that was written last stands last.
pub fn approval(mut raw: ActionApproval) -> Approval {
    let mut entries: Vec<ManagedFieldsEntry> = raw.metadata.managed_fields.take().unwrap_or_default();
    entries.retain(|e| {
        e.subresource.as_deref().unwrap_or_default().is_empty() && owns(e, &["f:spec", "f:approvalState"])
    });
    entries.sort_by_key(|e| e.time.as_ref().map(|t| t.0));
    let writers = entries
        .into_iter()
        .map(|e| Writer {
            manager: e.manager.unwrap_or_default(),
            apply: e.operation.as_deref() == Some("Apply"),
        })
        .collect();
    Approval { raw, writers }
}

/// Returns what a quota leaves of storage: empty if it does not count storage.
pub fn quotas(quota: &ResourceQuota) -> Vec<QuotaRoom> {
    const SUFFIX: &str = ".storageclass.storage.k8s.io/requests.storage";
    let Some(status) = &quota.status else {
        return Vec::new();
    };
    let bytes = |map: Option<&BTreeMap<String, _>>, key: &str| -> Option<i64> {
        map.and_then(|m: &BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
            m.get(key)
        })
        .and_then(|q| q.0.parse::<Quantity>().ok())
        .and_then(|q| q.bytes())
    };
    status
        .hard
        .iter()
        .flatten()
        .filter_map(|(key, _)| {
            let class = match key.as_str() {
                "requests.storage" => None,
                other => Some(other.strip_suffix(SUFFIX)?.into()),
            };
            let hard = bytes(status.hard.as_ref(), key)?;
            let used = bytes(status.used.as_ref(), key).unwrap_or(0);
            Some(QuotaRoom { name: quota.name_any().into(), class, left: hard.saturating_sub(used) })
        })
        .collect()
}

/// A watched object that cannot be read as its kind.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it cannot be read.
    pub why: String,
}

/// A watched object, or the name of the one that cannot be read.
///
/// # Errors
/// When it cannot be read as its kind.
pub fn readable<K: kube::Resource>(guarded: DeserializeGuard<K>) -> Result<K, Unreadable> {
    guarded.0.map_err(|invalid| Unreadable {
        namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
        name: invalid.metadata.name.clone().unwrap_or_default(),
        why: invalid.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_of_a_resize_is_that_of_the_size_and_not_of_the_binding() {
        let entry = |manager: &str, subresource: &str, second: u32, fields: Value| {
            json!({
                "manager": manager, "operation": "Update", "subresource": subresource,
                "time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsV1": fields,
            })
        };
        let bound = json!({ "f:status": { "f:capacity": { ".": {}, "f:storage": {} }, "f:phase": {} } });
        let sized = json!({ "f:status": { "f:capacity": { "f:storage": {} } } });
        let told = json!({ "f:status": { "f:conditions": {} } });
        let asked = json!({ "f:spec": { "f:resources": { "f:requests": { "f:storage": {} } } } });
        let binder = entry("kube-controller-manager", "status", 1, bound);
        let resizer = entry("csi-resizer", "status", 9, sized);
        let kubelet = entry("kubelet", "status", 20, told);
        let person = entry("kubectl-edit", "", 30, asked);
        for (entries, second) in
            [(vec![&binder, &kubelet, &person], 0), (vec![&binder, &resizer, &kubelet, &person], 9)]
        {
            let pvc = json!({ "metadata": { "name": "c", "managedFields": entries } });
            let at = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
            let expected = if second == 0 { 0 } else { u32::try_from(at).unwrap() + second };
            assert_eq!(resized(&serde_json::from_value(pvc).unwrap()), expected);
        }
    }
}
