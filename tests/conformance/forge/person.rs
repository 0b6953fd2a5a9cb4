//! Somebody else than the controller, who merges.

use anyhow::{Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::place::Place;

/// Sends a request in the person's name; the path begins after `/repos/OWNER/NAME`.
pub(crate) async fn person(place: &Place, method: &str, path: &str, body: &Value) -> Result<Value> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder()
        .method(method)
        .uri(format!("{}/repos/{}/{}{path}", place.url, place.owner, place.name))
        .header("user-agent", "test")
        .header("authorization", format!("Bearer {}", place.person_token))
        .header("content-type", "application/json");
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let response = client.request(request.body(Full::new(body))?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}
