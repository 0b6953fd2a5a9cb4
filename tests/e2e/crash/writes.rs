//! Writes, described in one line each.

use autopilot_stack::{Match, Recorded};
use serde_json::{Value, json};

/// Returns verb, kind and content of a write; the same for the same step of the same scenario.
pub(crate) fn label(write: &Recorded) -> String {
    describe(write.method.as_str(), write.resource(), &write.json())
}

/// Requests that are this write.
pub(crate) fn labelled(label: &str) -> Match {
    let label = label.to_owned();
    Match::writes().when(move |seen| {
        let resource = seen.path.split('?').next().unwrap_or_default();
        describe(seen.method.as_str(), resource, &serde_json::from_slice(&seen.body).unwrap_or_default())
            == label
    })
}

fn describe(method: &str, resource: &str, body: &Value) -> String {
    // A status that is replaced whole comes as a JSON patch.
    let replaced = body.as_array().and_then(|operations| operations.iter().find(|o| o["path"] == "/status"));
    let replaced = replaced.map(|operation| json!({ "status": operation["value"] }));
    let body = replaced.as_ref().unwrap_or(body);
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let verb = match method {
        "POST" => "create",
        "PATCH" => "patch",
        "PUT" => "update",
        "DELETE" => "delete",
        other => other,
    };
    if resource.contains("/events") {
        let about = match text("/involvedObject/kind") {
            "AutopilotRule" => "rule",
            "PersistentVolumeClaim" => "PVC",
            other => other,
        };
        let says = text("/message");
        let says = says.split_once(" transition from ").map_or(says, |(_, transition)| transition);
        return format!("{verb} event on {about}: {says}");
    }
    if resource.contains("/persistentvolumeclaims/") {
        return format!("{verb} persistentvolumeclaim: the resize");
    }
    if resource.contains("/autopilotruleobjects") {
        let items = body.pointer("/status/items").and_then(Value::as_array).map_or(0, Vec::len);
        let told = body.pointer("/status/told").and_then(Value::as_u64).unwrap_or_default();
        return match text("/status/state") {
            "" => format!("{verb} autopilotruleobject"),
            state if told > 0 && told as usize == items => {
                format!("{verb} autopilotruleobject status: {state}, all told")
            }
            state => {
                let proposes = body.pointer("/status/proposal").is_some_and(|p| !p.is_null());
                format!(
                    "{verb} autopilotruleobject status: {state}{}",
                    if proposes { ", with a proposal" } else { "" }
                )
            }
        };
    }
    if resource.contains("/actionapprovals") {
        if !resource.ends_with("/status") {
            return format!("{verb} actionapproval");
        }
        let what = match (body.pointer("/status/decision"), body.pointer("/status/execution")) {
            (Some(Value::Object(decision)), _) => {
                format!("decision {}", decision.get("outcome").and_then(Value::as_str).unwrap_or_default())
            }
            (_, Some(Value::Object(_))) => "execution".to_owned(),
            _ if body.pointer("/status/proposal").is_some_and(|p| !p.is_null()) => "preview".to_owned(),
            _ => "conditions".to_owned(),
        };
        return format!("{verb} actionapproval status: {what}");
    }
    if resource.contains("/autopilotrules/") {
        let what = if resource.ends_with("/status") { "status" } else { "finalizer" };
        return format!("{verb} autopilotrule {what}");
    }
    format!("{verb} {resource}")
}

/// Returns whether the server carried it out.
pub(crate) fn done(write: &Recorded) -> bool {
    write.upstream.is_some_and(|code| (200..300).contains(&code))
}

/// Returns the changes of a PVC's request that the server carried out.
pub(crate) fn resizes(writes: &[Recorded]) -> usize {
    writes.iter().filter(|w| w.resource().contains("/persistentvolumeclaims/") && done(w)).count()
}
