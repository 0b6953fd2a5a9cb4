//! Requests and replies: one exchange with a token, a time-out and a size cap. Nothing is sent twice and no redirect is
//! followed.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autopilot_shared::error;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LINK, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use jiff::Timestamp;
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::problem::{Problem, number, problem};
use super::token::{Token, TokenSource};
use crate::prometheus::clean;

/// For one exchange, from the token to the last byte.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two writes, as GitHub asks.
const SPACING: Duration = Duration::from_secs(1);
/// Most bytes of a reply. A page of 100 pull requests has 2 MB, with the longest texts 9 MB.
const MOST: usize = 32 * 1024 * 1024;
/// Most bytes of a reply that is no success.
const MOST_OF_ERROR: usize = 64 * 1024;

/// Rest of the hour's requests, according to the last reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests that are left until the reset.
    pub remaining: u64,
    /// Requests per hour.
    pub limit: u64,
    /// Time at which it starts anew.
    pub reset: Timestamp,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query below the base, encoded.
    pub(crate) route: String,
    /// JSON.
    pub(crate) body: Option<Value>,
    /// Makes the request conditional: a reply only if this changed.
    pub(crate) etag: Option<&'a str>,
    /// Purpose, to complete "cannot …".
    pub(crate) doing: String,
}

impl<'a> Call<'a> {
    /// Makes a request without body.
    pub(crate) fn new(method: Method, route: impl Into<String>, doing: impl Into<String>) -> Self {
        Call { method, route: route.into(), body: None, etag: None, doing: doing.into() }
    }

    /// Adds a body.
    pub(crate) fn body(self, body: Value) -> Self {
        Call { body: Some(body), ..self }
    }

    /// Makes it conditional.
    pub(crate) fn unless(self, etag: Option<&'a str>) -> Self {
        Call { etag, ..self }
    }
}

/// A reply that is a success, or 304.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Nothing changed since the ETag of the request.
    pub(crate) not_modified: bool,
    /// For the next conditional request.
    pub(crate) etag: Option<String>,
    /// Whether the header `Link` names a next page; `None` if there is no such header.
    pub(crate) next: Option<bool>,
    html: bool,
    body: Vec<u8>,
    doing: String,
}

impl Reply {
    /// Reads the body.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let hint = if self.html {
                "it is a page for people; baseUrl of a GitHub Enterprise Server ends in /api/v3".to_owned()
            } else {
                clean(&error.to_string())
            };
            Problem::unavailable(&self.doing, &format!("the answer cannot be read: {hint}"))
        })
    }
}

/// Route of the token's account.
pub(crate) const USER: &str = "/user";

/// The API of one server.
pub(crate) struct Api {
    crab: Octocrab,
    base: String,
    token: TokenSource,
    clock: fn() -> Timestamp,
    budget: Mutex<Option<Budget>>,
    /// Pause between two writes.
    pub(crate) spacing: Duration,
    /// The token whose account is known.
    known: Mutex<Option<Token>>,
    /// Time of the last write.
    written: tokio::sync::Mutex<Option<Instant>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &self.base).field("token", &self.token).finish_non_exhaustive()
    }
}

impl Api {
    /// `base` is without slash at its end.
    pub(crate) fn new(crab: Octocrab, base: String, token: TokenSource, clock: fn() -> Timestamp) -> Self {
        Api {
            crab,
            base,
            token,
            clock,
            budget: Mutex::new(None),
            spacing: SPACING,
            known: Mutex::new(None),
            written: tokio::sync::Mutex::new(None),
        }
    }

    /// Returns the budget according to the last reply; `None` before the first, or if there are no limits.
    pub(crate) fn budget(&self) -> Option<Budget> {
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Option<Token>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and reads the reply.
    pub(crate) async fn exchange(&self, call: Call<'_>) -> Result<Reply, Problem> {
        let doing = call.doing.clone();
        if call.method != Method::GET {
            self.spaced().await;
        }
        match tokio::time::timeout(TIMEOUT, self.within_time(call)).await {
            Ok(reply) => reply,
            Err(_) => {
                Err(Problem::unavailable(&doing, &format!("no whole answer within {} s", TIMEOUT.as_secs())))
            }
        }
    }

    /// Writes are serial and apart: GitHub asks for that, whatever is left of the budget.
    async fn spaced(&self) {
        let mut written = self.written.lock().await;
        if let Some(last) = *written {
            tokio::time::sleep_until(last + self.spacing).await;
        }
        *written = Some(Instant::now());
    }

    async fn within_time(&self, call: Call<'_>) -> Result<Reply, Problem> {
        let doing = call.doing.clone();
        let token =
            self.token.token().await.map_err(|error| Problem::no_token(&doing, &error.to_string()))?;
        // A pull request that another account opens would not be known as ours.
        if call.route != USER && self.known().as_ref().is_some_and(|known| *known != token) {
            return Err(Problem::new_token());
        }
        let request = self.request(&call, &token)?;
        let sent = self.crab.execute(request).await;
        let response =
            sent.map_err(|error| Problem::unavailable(&doing, &token.scrub(&innermost(&error))))?;
        let (head, body) = response.into_parts();
        self.note_budget(&head.headers);
        let most = if head.status.is_success() { MOST } else { MOST_OF_ERROR };
        let body = read(body, most, head.status.is_success()).await;
        let body = body.map_err(|what| Problem::unavailable(&doing, &token.scrub(&what)))?;
        if !head.status.is_success() && head.status != StatusCode::NOT_MODIFIED {
            // A proxy that repeats what it was sent must not bring the token into a log.
            let body = token.scrub(&String::from_utf8_lossy(&body));
            return Err(problem(&doing, head.status, &head.headers, body.as_bytes(), (self.clock)()));
        }
        if call.route == USER {
            *self.known() = Some(token);
        }
        let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok());
        Ok(Reply {
            not_modified: head.status == StatusCode::NOT_MODIFIED,
            etag: text(ETAG).map(str::to_owned),
            next: text(LINK).map(|link| link.contains(r#"rel="next""#)),
            html: text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")),
            body,
            doing,
        })
    }

    fn request(&self, call: &Call<'_>, token: &Token) -> Result<Request<octocrab::OctoBody>, Problem> {
        let bad = |what: &str| Problem::unavailable(&call.doing, what);
        let builder = Request::builder().method(&call.method).uri(format!("{}{}", self.base, call.route));
        let request = self.crab.build_request(builder, call.body.as_ref());
        let mut request = request.map_err(|error| bad(&innermost(&error)))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        // GitHub refuses requests that do not say who asks.
        headers.insert(USER_AGENT, HeaderValue::from_static("autopilot"));
        headers.insert(
            AUTHORIZATION,
            token.header().map_err(|error| Problem::no_token(&call.doing, &error.to_string()))?,
        );
        // An ETag that no header can hold is as good as none.
        if let Some(etag) = call.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        Ok(request)
    }

    fn note_budget(&self, headers: &HeaderMap) {
        let (Some(remaining), Some(limit), Some(reset)) = (
            number(headers, "x-ratelimit-remaining"),
            number(headers, "x-ratelimit-limit"),
            number(headers, "x-ratelimit-reset"),
        ) else {
            return;
        };
        let reset = i64::try_from(reset).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let Some(reset) = reset else { return };
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Budget { remaining, limit, reset });
    }
}

/// Reads a body up to `most` bytes: of a success the whole or nothing, of a failure its beginning.
async fn read(
    mut body: BoxBody<Bytes, octocrab::Error>,
    most: usize,
    whole: bool,
) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // The text of a failure is worth less than its status.
            Err(_) if !whole => break,
            Err(error) => return Err(format!("the answer breaks off: {}", innermost(&error))),
        };
        let Some(piece) = frame.data_ref() else { continue };
        if read.len() + piece.len() > most {
            if whole {
                return Err(format!("the answer is larger than {most} bytes"));
            }
            read.extend_from_slice(&piece[..most - read.len()]);
            break;
        }
        read.extend_from_slice(piece);
    }
    Ok(read)
}

/// Returns the text of the innermost error, which says what happened; the outer ones say "client error".
fn innermost(error: &dyn Error) -> String {
    clean(&error::innermost(error))
}
