//! The writes. Each tests on the server that the object is the one that was shown.

use std::time::Duration;

use autopilot_shared::api::{
    ANNOTATION_DECIDED_AT, ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON,
    ActionApprovalSpec, ActionApprovalStatus, GROUP, approval_state,
};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cluster::error::{classify, never_sent};
use crate::connection::Trouble;
use crate::decision::{Action, Ending, Target, VIA, Write};
use crate::rows::{Approval, ApprovalState, Names, wire};
use crate::text::Safe;

/// Time that a write may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Name of the field manager.
const MANAGER: &str = "autopilot-console";

type Wire = wire::Object<ActionApprovalSpec, ActionApprovalStatus>;

/// Returns the path of an approval.
fn path(target: &Target) -> String {
    format!("/apis/{GROUP}/v1alpha1/namespaces/{}/actionapprovals/{}", target.raw_namespace, target.raw_name)
}

/// Returns the JSON patch of an approval or refusal: first what must be so, then what is to be.
pub fn patch(write: &Write) -> Value {
    let target = &write.target;
    let mut steps = vec![
        json!({ "op": "test", "path": "/metadata/uid", "value": &*target.uid }),
        json!({ "op": "test", "path": "/spec/actions/0/proposal", "value": target.digest.as_deref() }),
    ];
    // The server takes `null` for what is absent, and for nothing else.
    let state = match &target.state {
        ApprovalState::Absent => Value::Null,
        state => json!(state.word()),
    };
    let unreadable = matches!(&target.state, ApprovalState::Other(word) if word.sanitized());
    if !unreadable {
        steps.push(json!({ "op": "test", "path": "/spec/approvalState", "value": state }));
    }
    // A decision may be latched and not be copied into the spec yet. Only what is undecided is decided.
    steps.push(json!({ "op": "test", "path": "/status/decision", "value": null }));
    if unreadable || !target.annotated {
        // `add` of the map would wipe one that somebody added meanwhile.
        steps.push(json!({ "op": "test", "path": "/metadata/resourceVersion", "value": &*target.version }));
    }
    if !target.annotated {
        steps.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
    }
    let at = write.at.to_string();
    let annotations = [
        (ANNOTATION_DECIDED_BY, write.by.as_str()),
        (ANNOTATION_DECIDED_VIA, VIA),
        (ANNOTATION_DECIDED_AT, at.as_str()),
        (ANNOTATION_REASON, &write.reason),
    ];
    for (key, value) in annotations {
        let key = key.replace('~', "~0").replace('/', "~1");
        steps.push(json!({ "op": "add", "path": format!("/metadata/annotations/{key}"), "value": value }));
    }
    let state =
        if write.action == Action::Decline { approval_state::DECLINED } else { approval_state::APPROVED };
    steps.push(json!({ "op": "add", "path": "/spec/approvalState", "value": state }));
    Value::Array(steps)
}

/// Sends a write and says how it ended.
pub async fn send(client: &Client, write: &Write) -> Ending {
    let sent = async {
        match write.action {
            Action::Delete => delete(client, write).await,
            Action::Approve | Action::Decline => decide(client, write).await,
        }
    };
    match timeout(PATIENCE, sent).await {
        Ok(Ok(ending)) => ending,
        Ok(Err(error)) => refused(client, write, &error).await,
        Err(_) => Ending::Unknown(Safe::own("the server does not answer")),
    }
}

async fn decide(client: &Client, write: &Write) -> Result<Ending, kube::Error> {
    let dry = if write.dry_run { "&dryRun=All" } else { "" };
    let request = http::Request::patch(format!("{}?fieldManager={MANAGER}{dry}", path(&write.target)))
        .header(http::header::CONTENT_TYPE, "application/json-patch+json")
        .body(patch(write).to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await?;
    Ok(Ending::Done)
}

/// Reads it afresh, and deletes exactly what was read if that is what was shown.
async fn delete(client: &Client, write: &Write) -> Result<Ending, kube::Error> {
    let Some(row) = fresh(client, &write.target).await? else {
        return Ok(Ending::Changed(Safe::own("it is gone")));
    };
    if let Some(why) = write.target.changed(Some(&row), Action::Delete) {
        return Ok(Ending::Changed(Safe::own(why)));
    }
    let mut options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": { "uid": &*row.uid, "resourceVersion": &*row.version },
    });
    if write.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    let request = http::Request::delete(path(&write.target))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(options.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await?;
    Ok(Ending::Done)
}

/// Returns the approval as it is now.
async fn fresh(client: &Client, target: &Target) -> Result<Option<Approval>, kube::Error> {
    let request = http::Request::get(path(target)).body(Vec::new()).map_err(kube::Error::HttpError)?;
    match client.request::<Value>(request).await {
        Ok(value) => Ok(Some(Approval::from_wire(Wire::read(&value), &mut Names::default()))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what an error means: where a test failed, what is different now.
async fn refused(client: &Client, write: &Write, error: &kube::Error) -> Ending {
    let (trouble, text) = classify(error);
    let code = if let kube::Error::Api(status) = error { status.code } else { 0 };
    match (trouble, code) {
        (Trouble::Forbidden, _) => Ending::Denied(text),
        (_, 404) => Ending::Changed(Safe::own("it is gone")),
        (_, 409 | 422) => {
            let now = timeout(PATIENCE, fresh(client, &write.target)).await;
            let why = match now {
                Ok(Ok(row)) => write.target.changed(row.as_ref(), write.action),
                _ => None,
            };
            match why {
                Some(why) => Ending::Changed(Safe::own(why)),
                None if code == 409 => Ending::Changed(Safe::own("somebody wrote to it at the same moment")),
                None => Ending::Failed(text),
            }
        }
        (_, 0) if never_sent(error) => Ending::Dropped(text),
        (_, 0) => Ending::Unknown(text),
        (_, 500..) => Ending::Unknown(text),
        _ => Ending::Failed(text),
    }
}
