//! Small questions to the server: is it there, who are we, may we.

use std::sync::Arc;

use autopilot_shared::api::GROUP;
use kube::Client;
use serde_json::{Value, json};

use crate::cluster::session::Session;
use crate::connection::{Answer, Verb};
use crate::text::Safe;

fn post(uri: &str, body: &Value) -> Result<http::Request<Vec<u8>>, kube::Error> {
    http::Request::post(uri)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)
}

/// Asks whether the server answers: the cheapest question that also tells whether the credentials are taken.
///
/// # Errors
/// When it does not answer, or refuses.
pub(crate) async fn alive(client: &Client) -> Result<(), kube::Error> {
    let request = http::Request::get(format!("/apis/{GROUP}/v1alpha1")).body(Vec::new());
    match client.request_text(request.map_err(kube::Error::HttpError)?).await {
        // Neither the kinds nor the right to see that they are there is a matter of being alive.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(()),
        other => other.map(drop),
    }
}

/// Returns the authenticated user, as the server names it.
///
/// # Errors
/// When the server does not say.
pub(crate) async fn identity(client: &Client) -> Result<Safe, kube::Error> {
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let request = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &body)?;
    let answer: Value = client.request(request).await?;
    let name = answer["status"]["userInfo"]["username"].as_str().unwrap_or_default();
    Ok(Safe::new(name))
}

/// Asks whether we may do something in a namespace, or everywhere; `None` if the server could not find out: an
/// authorizer that fails has not said no.
///
/// # Errors
/// When the server does not say.
pub(crate) async fn may(
    client: &Client,
    namespace: Option<&str>,
    verb: &str,
    plural: &str,
) -> Result<Option<Answer>, kube::Error> {
    let group = if plural == "events" { "" } else { GROUP };
    let mut attributes = json!({ "verb": verb, "group": group, "resource": plural });
    if let Some(namespace) = namespace {
        attributes["namespace"] = namespace.into();
    }
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    });
    let request = post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &body)?;
    let answer: Value = client.request(request).await?;
    let status = &answer["status"];
    let [allowed, denied] = ["allowed", "denied"].map(|key| status[key].as_bool().unwrap_or(false));
    let failed = status["evaluationError"].as_str().is_some_and(|e| !e.is_empty());
    if !allowed && !denied && failed {
        return Ok(None);
    }
    let reason = match status["reason"].as_str().filter(|r| !r.is_empty()) {
        Some(reason) => Safe::new(reason),
        None => {
            let place = namespace.map_or_else(|| "all namespaces".to_owned(), |n| format!("namespace {n}"));
            Safe::new(&format!("you may not {verb} {plural} in {place}"))
        }
    };
    Ok(Some(Answer { allowed, reason }))
}

/// Returns our permissions on approvals in a namespace, or everywhere. What is not answered is unknown.
pub async fn access(session: &Session, namespace: Option<&Arc<str>>) -> Vec<(Verb, Answer)> {
    let mut answers = Vec::new();
    for verb in [Verb::Patch, Verb::Delete] {
        let client = session.client();
        let asked = may(&client, namespace.map(|n| &**n), verb.as_str(), "actionapprovals");
        if let Ok(Some(answer)) = session.ask(asked).await {
            answers.push((verb, answer));
        }
    }
    answers
}
