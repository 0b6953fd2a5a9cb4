//! What the proxy remembers of a request.

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;

use super::{LOG_LENGTH, Shared};
use crate::lock::lock;

/// The part of a body that is remembered.
const BODY_LENGTH: usize = 64 * 1024;

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its number, from 0.
    pub seq: u64,
    /// When it had arrived whole.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The number among the counted writes, from 1.
    pub write: Option<usize>,
    /// The `user-agent` header.
    pub user_agent: String,
    /// Whether it names an ETag that it has (`if-none-match`).
    pub conditional: bool,
    /// The body of a request that may change something, its first 64 KiB.
    pub body: Bytes,
    /// What the server answered, if it was asked and has.
    pub upstream: Option<u16>,
    /// What the client was told; none while it waits, and when its connection was closed instead.
    pub status: Option<u16>,
}

impl Recorded {
    /// The path without its query.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Enters a request, and gives it its number and, if it counts, its write index.
pub(super) fn enter(
    shared: &Shared,
    method: &Method,
    path: &str,
    agent: &str,
    conditional: bool,
    body: &Bytes,
) -> (u64, Option<usize>) {
    let counted = lock(&shared.counted).clone();
    let counts = counted(method, path);
    let mut log = lock(&shared.log);
    let seq = log.next;
    log.next += 1;
    if counts {
        log.writes += 1;
    }
    let write = counts.then_some(log.writes);
    if log.requests.len() == LOG_LENGTH {
        log.requests.pop_front();
    }
    log.requests.push_back(Recorded {
        seq,
        at: Timestamp::now(),
        method: method.clone(),
        path: path.to_owned(),
        write,
        user_agent: agent.to_owned(),
        conditional,
        body: body.slice(..body.len().min(BODY_LENGTH)),
        upstream: None,
        status: None,
    });
    (seq, write)
}

/// Notes how a request went on.
pub(super) fn note(shared: &Shared, seq: u64, change: impl FnOnce(&mut Recorded)) {
    let mut log = lock(&shared.log);
    // Numbers run without gaps, so that the oldest one gives the place.
    let place = log.requests.front().and_then(|first| seq.checked_sub(first.seq));
    let place = place.and_then(|place| usize::try_from(place).ok());
    if let Some(request) = place.and_then(|place| log.requests.get_mut(place)) {
        change(request);
    }
}
