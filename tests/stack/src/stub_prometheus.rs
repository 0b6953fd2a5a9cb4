//! A server that answers like Prometheus, or like a Prometheus in trouble: for the faults that a real one does not show on
//! demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use jiff::Timestamp;
use serde_json::json;

use crate::fetch::form_value;
use crate::http_server::{Body, BoxError, Server, full};
use crate::lock::lock;

/// A question that was asked.
#[derive(Debug, Clone)]
pub struct StubRequest {
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The form: the body of a POST, the query of a GET.
    pub form: String,
}

impl StubRequest {
    /// Returns the PromQL expression.
    #[must_use]
    pub fn query(&self) -> String {
        form_value(&self.form, "query").unwrap_or_default()
    }

    /// Returns another value of the form, e.g. `time`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        form_value(&self.form, name)
    }
}

/// An answer of the stub.
#[derive(Debug, Clone)]
pub enum StubAnswer {
    /// A status and a body.
    Reply(u16, Bytes),
    /// Another answer, later.
    Delay(Duration, Box<StubAnswer>),
    /// A well-formed vector of at least this many bytes, sent in pieces. `bytes_sent` tells how far the client read.
    Huge(usize),
    /// The connection is closed without an answer.
    Drop,
    /// This much of a body that was announced twice as long, then the connection is closed.
    Truncated(Bytes),
    /// No answer, with the connection open.
    Hang,
}

impl StubAnswer {
    /// Returns a vector, as of now.
    #[must_use]
    pub fn vector(samples: &[(&[(&str, &str)], f64)]) -> Self {
        let now = Timestamp::now().as_duration().as_secs_f64();
        let result: Vec<_> = samples
            .iter()
            .map(|(labels, value)| {
                let metric: serde_json::Map<_, _> =
                    labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({ "metric": metric, "value": [now, prometheus_float(*value)] })
            })
            .collect();
        Self::json(&json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
    }

    /// Returns 200 with this JSON.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::Reply(200, value.to_string().into())
    }

    /// Returns an error in Prometheus' own form, e.g. `(422, "execution", "query processing would load too many
    /// samples")`.
    #[must_use]
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = json!({ "status": "error", "errorType": kind, "error": message });
        Self::Reply(status, body.to_string().into())
    }

    /// Returns this answer after a while.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::Delay(delay, Box::new(self))
    }
}

fn prometheus_float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    value.to_string()
}

type Handler = Arc<dyn Fn(&StubRequest) -> StubAnswer + Send + Sync>;

struct StubShared {
    handler: Mutex<Handler>,
    requests: Mutex<Vec<StubRequest>>,
    sent: AtomicUsize,
}

/// The server; dropping it closes its port.
pub struct StubPrometheus {
    server: Server,
    shared: Arc<StubShared>,
}

impl StubPrometheus {
    /// Starts it; `handler` is asked for every request of any path and may answer by the query.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(handler: impl Fn(&StubRequest) -> StubAnswer + Send + Sync + 'static) -> Result<Self> {
        let shared = Arc::new(StubShared {
            handler: Mutex::new(Arc::new(handler)),
            requests: Mutex::default(),
            sent: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        let server = Server::start(move |request| serve(Arc::clone(&served), request))?;
        Ok(Self { server, shared })
    }

    /// Returns its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers otherwise from now on.
    pub fn set(&self, handler: impl Fn(&StubRequest) -> StubAnswer + Send + Sync + 'static) {
        *lock(&self.shared.handler) = Arc::new(handler);
    }

    /// Returns the questions so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<StubRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the questions.
    pub fn clear(&self) {
        lock(&self.shared.requests).clear();
    }

    /// Returns how many bytes of [`StubAnswer::Huge`] answers were taken so far (what lies in socket buffers included).
    #[must_use]
    pub fn bytes_sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

async fn serve(shared: Arc<StubShared>, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let form = match parts.uri.query() {
        Some(query) if body.is_empty() => query.to_owned(),
        _ => String::from_utf8_lossy(&body).into_owned(),
    };
    let request = StubRequest {
        at: Timestamp::now(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        form,
    };
    lock(&shared.requests).push(request.clone());
    let handler = lock(&shared.handler).clone();
    let mut answer = handler(&request);
    while let StubAnswer::Delay(time, next) = answer {
        tokio::time::sleep(time).await;
        answer = *next;
    }
    let json = Response::builder().header(CONTENT_TYPE, "application/json");
    match answer {
        StubAnswer::Reply(status, body) => Ok(json.status(status).body(full(body))?),
        StubAnswer::Huge(size) => Ok(json.body(huge(shared, size))?),
        StubAnswer::Truncated(body) => {
            let length = body.len().max(1) * 2;
            let parts = stream::iter([Ok(Frame::data(body)), Err("truncated".into())]);
            Ok(json.header(CONTENT_LENGTH, length).body(StreamBody::new(parts).boxed_unsync())?)
        }
        StubAnswer::Drop => Err("dropped".into()),
        StubAnswer::Hang | StubAnswer::Delay(..) => std::future::pending().await,
    }
}

fn huge(shared: Arc<StubShared>, size: usize) -> Body {
    const HEAD: &str = r#"{"status":"success","data":{"resultType":"vector","result":["#;
    const TAIL: &str = r#"{"metric":{"volumename":"last"},"value":[1,"1"]}]}}"#;
    let samples = |from: usize| {
        let piece: String = (from..from + 1000)
            .map(|n| format!(r#"{{"metric":{{"volumename":"pvc-{n:08}"}},"value":[1,"1"]}},"#))
            .collect();
        Bytes::from(piece)
    };
    let piece_length = samples(0).len();
    let pieces = std::iter::once(Bytes::from_static(HEAD.as_bytes()))
        .chain((0..size.div_ceil(piece_length)).map(move |piece| samples(piece * 1000)))
        .chain(std::iter::once(Bytes::from_static(TAIL.as_bytes())));
    let counted = pieces.map(move |piece| {
        shared.sent.fetch_add(piece.len(), Ordering::Relaxed);
        Ok::<_, BoxError>(Frame::data(piece))
    });
    StreamBody::new(stream::iter(counted)).boxed_unsync()
}
