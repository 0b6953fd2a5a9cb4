//! A GitHub that answers as it is told, and writes down what it was asked.

use std::sync::{Arc, Mutex};

use autopilot_controller::pull_requests::GitHub;
use autopilot_controller::pull_requests::github::{TokenSlot, TokenSource};
use autopilot_shared::config::{Config, Github};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};

/// Looks like a classic token.
pub(crate) const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// What a server saw of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// `METHOD path`, without query.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri.path())
    }
}

pub(crate) type Log = Arc<Mutex<Vec<Seen>>>;

/// `METHOD path` of every request so far.
pub(crate) fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap().iter().map(Seen::line).collect()
}

pub(crate) async fn server<F>(answer: F) -> (String, Log)
where
    F: Fn(&Seen) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let log = Log::default();
    let seen = log.clone();
    let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let request = Seen { method, uri, headers, body };
        let answer = answer(&request);
        seen.lock().unwrap().push(request);
        std::future::ready(answer)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, log)
}

pub(crate) fn answer(status: u16, body: &Value) -> Response<Body> {
    with(status, &[], body)
}

pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.to_string().into()).unwrap()
}

pub(crate) fn text(status: u16, kind: &str, body: &str) -> Response<Body> {
    Response::builder().status(status).header("content-type", kind).body(body.to_owned().into()).unwrap()
}

/// The configuration of acme/flux at this address.
pub(crate) fn config(url: &str) -> Github {
    let text = json!({ "providers": [{ "name": "github", "type": "github-scm", "github": {
        "user": "acme", "repo": "flux", "folder": "approvals", "author": "Autopilot",
        "email": "bot@example.com", "baseUrl": url,
    } }] });
    Config::parse(&text.to_string()).unwrap().github.unwrap()
}

pub(crate) fn source(token: &str) -> TokenSource {
    let slot = TokenSlot::new();
    slot.put(Some(token.as_bytes()));
    TokenSource::Slot(slot)
}

pub(crate) fn forge(url: &str) -> GitHub {
    GitHub::new(&config(url), source(TOKEN)).unwrap()
}

/// A server with the same answer for everything, and a client for it.
pub(crate) async fn fixed(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Value,
) -> (GitHub, Log) {
    let (url, log) = server(move |_| with(status, headers, &body)).await;
    (forge(&url), log)
}
