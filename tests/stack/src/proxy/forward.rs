//! A request's way through the proxy.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::refusal::Refusal;
use super::rule::{Action, Hook, KillWhen, Seen};
use super::shared::ProxyShared;
use super::watch;
use crate::http_server::{Body, BoxError, full};
use crate::lock::lock;

/// They speak about one connection, not about the request.
const HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER];

/// Why a connection is closed without an answer.
#[derive(Debug)]
struct Closed(&'static str);

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Closed {}

pub(super) async fn handle(
    shared: Arc<ProxyShared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or_default().to_owned();
    // A task of its own: a client that dies, be it by our own hook, does not undo what it has sent.
    tokio::spawn(async move {
        let conditional = parts.headers.contains_key(header::IF_NONE_MATCH);
        let (seq, write) = shared.enter(&parts.method, &path, &agent, conditional, &body);
        let watch = parts.method == Method::GET && is_watch(&path);
        let seen = Seen { method: parts.method, path, write, watch, user_agent: agent, body };
        let answer = decide(&shared, seq, &seen, parts.headers).await;
        if let Ok(response) = &answer {
            let status = response.status().as_u16();
            shared.note(seq, |request| request.status = Some(status));
        }
        answer
    })
    .await?
}

fn is_watch(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"))
}

async fn decide(
    shared: &Arc<ProxyShared>,
    seq: u64,
    seen: &Seen,
    headers: HeaderMap,
) -> Result<Response<Body>, BoxError> {
    let (delay, action) = lock(&shared.rules).decide(seen);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match action {
        None | Some(Action::Delay(_)) => {
            let response = forward(shared, seq, seen, headers).await?;
            let (parts, body) = response.into_parts();
            let body = if seen.watch && parts.status == StatusCode::OK {
                watch::follow(Arc::clone(shared), seen.path.clone(), body)
            } else {
                body.map_err(BoxError::from).boxed_unsync()
            };
            Ok(Response::from_parts(parts, body))
        }
        Some(Action::DropRequest) => Err(Closed("request dropped").into()),
        Some(Action::DropAnswer) => {
            forward(shared, seq, seen, headers).await?.into_body().collect().await?;
            Err(Closed("answer dropped").into())
        }
        Some(Action::Freeze) => {
            shared.thaw.notified().await;
            Err(Closed("frozen").into())
        }
        Some(Action::Refuse(refusal)) => refuse(&refusal),
        Some(Action::ExpireWatch) => {
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
            Ok(answer.body(full(watch::expired_event()))?)
        }
        Some(Action::Kill(hook)) => {
            if hook.when == KillWhen::AfterForward {
                forward(shared, seq, seen, headers).await?.into_body().collect().await?;
            }
            run(hook).await;
            Err(Closed("the client was killed").into())
        }
    }
}

async fn run(hook: Arc<Hook>) {
    // It waits for the end of a process. A panic in it shows in the hook not having fired.
    let _ = tokio::task::spawn_blocking(move || hook.run()).await;
}

async fn forward(
    shared: &Arc<ProxyShared>,
    seq: u64,
    seen: &Seen,
    headers: HeaderMap,
) -> Result<Response<Incoming>, BoxError> {
    let url = format!("{}{}", shared.upstream.url, seen.path);
    let mut request =
        Request::builder().method(seen.method.clone()).uri(url).body(Full::new(seen.body.clone()))?;
    *request.headers_mut() = headers;
    // Over TLS the client writes the server's own name. A plain server learns the name that it was asked by: GitHub's links to
    // further pages lead through the proxy then.
    if shared.upstream.url.starts_with("https:") {
        request.headers_mut().remove(header::HOST);
    }
    strip(request.headers_mut());
    let mut response = shared.upstream.client.request(request).await?;
    strip(response.headers_mut());
    let status = response.status().as_u16();
    shared.note(seq, |request| request.upstream = Some(status));
    Ok(response)
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP {
        headers.remove(name);
    }
}

fn refuse(refusal: &Refusal) -> Result<Response<Body>, BoxError> {
    let mut answer =
        Response::builder().status(refusal.code).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in refusal.headers() {
        answer = answer.header(name, value);
    }
    Ok(answer.body(full(refusal.body().to_string()))?)
}
