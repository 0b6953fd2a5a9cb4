//! A request's way through the front.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{RwLock, watch};

use super::ask::{Answer, Ask, bearer};
use super::limits::{Limited, Limits};
use super::route::{Route, route};
use crate::http_server::{Body, BoxError, full};
use crate::lock::lock;

/// The longest title, and the longest body or comment, that GitHub takes, in characters.
const TITLE: usize = 256;
const TEXT: usize = 65_536;

/// `emulate` lets a token ask 5,000 times an hour, and one request here is several there: each account has as many tokens
/// behind the front, used in turn.
pub(super) const TOKENS_BEHIND: usize = 32;

/// Returns one of an account's tokens behind the front.
pub(super) fn token_behind(login: &str, turn: usize) -> String {
    format!("behind-the-front-{login}-{turn}")
}

/// The front, with `emulate` behind it.
pub(super) struct Front {
    pub(super) upstream: Ask,
    /// `owner/name` of the repository whose pull requests are followed.
    pub(super) repo: String,
    /// By token.
    logins: HashMap<String, String>,
    asked: AtomicUsize,
    /// Counts what moved branches.
    pub(super) moves: watch::Sender<u64>,
    /// Writes one after the other, and no reader sees half of one.
    order: RwLock<()>,
    pub(super) state: Mutex<FrontState>,
}

#[derive(Default)]
pub(super) struct FrontState {
    pub(super) revoked: HashSet<String>,
    pub(super) limits: Limits,
    pub(super) protected: HashSet<String>,
    /// Heads of pull requests whose branch has moved.
    pub(super) heads: HashMap<u64, String>,
    /// The commits that merges really gave to the base branch.
    pub(super) merges: HashMap<u64, String>,
    /// Logins of those who closed or merged.
    pub(super) closers: HashMap<u64, String>,
}

/// A request.
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// `owner/name` of the repository, or empty.
    pub(super) repo: String,
    pub(super) headers: HeaderMap,
    /// For `emulate`: see [`token_behind`].
    pub(super) authorization: Option<HeaderValue>,
    /// Empty without a token.
    pub(super) login: String,
    pub(super) body: Bytes,
    pub(super) json: Value,
}

impl Front {
    pub(super) fn new(upstream: &str, repo: &str, logins: HashMap<String, String>) -> Self {
        Self {
            upstream: Ask::new(upstream),
            repo: repo.to_owned(),
            logins,
            asked: AtomicUsize::new(0),
            moves: watch::channel(0).0,
            order: RwLock::default(),
            state: Mutex::default(),
        }
    }

    /// Returns the header that lets an account in behind the front. `None` without an account.
    fn behind(&self, login: &str) -> Option<HeaderValue> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed) % TOKENS_BEHIND;
        (!login.is_empty()).then(|| bearer(&token_behind(login, turn)).ok())?
    }

    /// Sends a GET for JSON as the owner, past all limits, and never in the middle of a write.
    pub(super) async fn look(&self, path: &str) -> Result<Value> {
        let owner = self.repo.split('/').next().unwrap_or_default();
        let _reads = self.order.read().await;
        self.upstream.get(path, self.behind(owner).as_ref()).await
    }

    /// Hands a request on as it is.
    pub(super) async fn pass(&self, asked: &Asked) -> Result<Answer> {
        let mut headers = asked.headers.clone();
        for name in [header::IF_NONE_MATCH, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(name);
        }
        headers.remove(header::AUTHORIZATION);
        headers.extend(asked.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        self.upstream.send(asked.method.clone(), &asked.path, headers, asked.body.clone()).await
    }

    /// Sends a GET for JSON in the requester's name.
    pub(super) async fn get(&self, asked: &Asked, path: &str) -> Result<Value> {
        self.upstream.get(path, asked.authorization.as_ref()).await
    }

    /// Sends a request of our own in the requester's name.
    pub(super) async fn ask(
        &self,
        asked: &Asked,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer> {
        self.upstream.json(method, path, asked.authorization.as_ref(), body).await
    }

    /// Returns the login of the requester, empty without a token. `None` if the token is not accepted.
    fn login(&self, headers: &HeaderMap) -> Option<String> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Some(String::new());
        };
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let known = ["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str());
        let token = token.trim();
        (known && !lock(&self.state).revoked.contains(token)).then(|| self.logins.get(token).cloned())?
    }

    async fn answer(&self, asked: &Asked, what: &Route) -> Result<Answer> {
        if asked.method == Method::GET {
            let _reads = self.order.read().await;
            return match what {
                Route::ListPulls => self.list_pulls(asked).await,
                Route::ReadPull(number) => self.read_pull(asked, *number).await,
                Route::PullFiles(number) => self.pull_files(asked, *number).await,
                Route::ReadIssue(number) => self.read_issue(asked, *number).await,
                _ => self.pass(asked).await,
            };
        }
        let _writes = self.order.write().await;
        match what {
            Route::OpenPull => self.open_pull(asked).await,
            Route::EditPull(number) => self.edit_pull(asked, *number).await,
            Route::MergePull(number) => self.merge_pull(asked, *number).await,
            Route::AskReviewers(number) => self.ask_reviewers(asked, *number).await,
            Route::Comment(number) => self.comment(asked, *number).await,
            Route::CreateRef => self.create_ref(asked).await,
            Route::MoveRef(name) => self.move_ref(asked, name).await,
            Route::DeleteRef(name) => self.delete_ref(asked, name).await,
            Route::WriteFile => self.write_file(asked).await,
            _ => self.pass(asked).await,
        }
    }
}

pub(super) async fn handle(
    front: Arc<Front>,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // A task of its own: a client that leaves does not undo half of what it has asked for.
    tokio::spawn(async move {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let (repo, what) = route(&parts.method, &path);
        let Some(login) = front.login(&parts.headers) else {
            return finish(refusal(401, "Bad credentials", &Value::Null), None);
        };
        let write = parts.method != Method::GET && parts.method != Method::HEAD;
        // A statement of its own: the lock would be held over the body of an `if let`.
        let admitted = lock(&front.state).limits.admit(&login, write);
        if let Err(limited) = admitted {
            let mut answer = refuse_limited(&limited);
            lock(&front.state).limits.tell(&login, &mut answer.headers);
            return finish(answer, None);
        }
        let if_none_match = parts.headers.get(header::IF_NONE_MATCH).cloned();
        let asked = Asked {
            method: parts.method,
            path,
            repo,
            authorization: front.behind(&login),
            headers: parts.headers,
            login,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            body,
        };
        let answered = match too_long(&asked) {
            Some(answer) => Ok(answer),
            None => front.answer(&asked, &what).await,
        };
        // Not a closed connection: that is a fault which a test must have asked for.
        let mut answer = answered
            .unwrap_or_else(|error| refusal(500, &format!("the tests' GitHub: {error:#}"), &Value::Null));
        let unchanged = tag(&asked, &mut answer, if_none_match.as_ref());
        let mut state = lock(&front.state);
        if !unchanged {
            state.limits.spend(&asked.login);
        }
        state.limits.tell(&asked.login, &mut answer.headers);
        drop(state);
        finish(answer, Some(&asked.method))
    })
    .await?
}

/// Gives the answer to a GET its ETag, and makes it a 304 where the client has it already.
fn tag(asked: &Asked, answer: &mut Answer, if_none_match: Option<&HeaderValue>) -> bool {
    if asked.method != Method::GET || answer.status != StatusCode::OK {
        return false;
    }
    // The Link header belongs to what a list says: without it, a new last page would go unnoticed.
    let mut hasher = DefaultHasher::new();
    answer.body.hash(&mut hasher);
    answer.headers.get(header::LINK).map(HeaderValue::as_bytes).hash(&mut hasher);
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    let matches = if_none_match.and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(',').any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == &etag[2..])
    });
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.headers.insert(header::ETAG, value);
    }
    if matches {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.body = Bytes::new();
    }
    matches
}

fn finish(answer: Answer, method: Option<&Method>) -> Result<Response<Body>, BoxError> {
    let mut response = Response::builder().status(answer.status).body(full(answer.body))?;
    *response.headers_mut() = answer.headers;
    if method != Some(&Method::HEAD) {
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
            response.headers_mut().remove(name);
        }
    }
    Ok(response)
}

/// Returns a refusal in GitHub's words; `errors` may be null.
pub(super) fn refusal(status: u16, message: &str, errors: &Value) -> Answer {
    let mut body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    if !errors.is_null() {
        body["errors"] = errors.clone();
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer { status, headers, body: Bytes::from(body.to_string()) }
}

/// Returns the 422 of a request whose content does not do.
pub(super) fn invalid(errors: &Value) -> Answer {
    refusal(422, "Validation Failed", errors)
}

fn refuse_limited(limited: &Limited) -> Answer {
    match limited {
        Limited::Primary => refusal(403, "API rate limit exceeded for user ID 1.", &Value::Null),
        Limited::Secondary(limit) => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            let mut answer = refusal(limit.status, message, &Value::Null);
            answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(limit.retry_after.as_secs()));
            answer
        }
    }
}

fn too_long(asked: &Asked) -> Option<Answer> {
    [("title", TITLE), ("body", TEXT)].into_iter().find_map(|(field, most)| {
        let length = asked.json.get(field)?.as_str()?.chars().count();
        let message = format!("{field} is too long (maximum is {most} characters)");
        (length > most).then(|| {
            invalid(&json!([{ "resource": "Issue", "code": "custom", "field": field, "message": message }]))
        })
    })
}
