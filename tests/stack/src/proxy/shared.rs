//! The state that the connections of a proxy share.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, watch as signal};

use super::order::{Order, Pattern};
use super::record::Recorded;
use super::rule::Rules;
use crate::lock::lock;

/// The number of requests that are remembered; older ones are forgotten.
const LOG_LENGTH: usize = 50_000;
/// The part of a body that is remembered.
const BODY_LENGTH: usize = 64 * 1024;

/// The server behind the proxy.
pub(super) struct Upstream {
    pub(super) url: String,
    pub(super) client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A predicate of method and path: the request counts as a write.
pub(super) type Counted = Arc<dyn Fn(&Method, &str) -> bool + Send + Sync>;

/// The state of a proxy.
pub(super) struct ProxyShared {
    pub(super) upstream: Upstream,
    pub(super) counted: Mutex<Counted>,
    pub(super) rules: Mutex<Rules>,
    pub(super) log: Mutex<Log>,
    pub(super) orders: broadcast::Sender<Order>,
    pub(super) held: signal::Sender<Vec<Pattern>>,
    pub(super) open_watches: AtomicUsize,
    /// Ends what is frozen.
    pub(super) thaw: Notify,
}

/// The requests that came by.
#[derive(Default)]
pub(super) struct Log {
    pub(super) requests: VecDeque<Recorded>,
    pub(super) next: u64,
    pub(super) writes: usize,
}

impl ProxyShared {
    /// Enters a request, and gives it its number and, if it counts, its write index.
    pub(super) fn enter(
        &self,
        method: &Method,
        path: &str,
        agent: &str,
        conditional: bool,
        body: &Bytes,
    ) -> (u64, Option<usize>) {
        let counted = lock(&self.counted).clone();
        let counts = counted(method, path);
        let mut log = lock(&self.log);
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
    pub(super) fn note(&self, seq: u64, change: impl FnOnce(&mut Recorded)) {
        let mut log = lock(&self.log);
        // Numbers run without gaps, so that the oldest one gives the place.
        let place = log.requests.front().and_then(|first| seq.checked_sub(first.seq));
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(request) = place.and_then(|place| log.requests.get_mut(place)) {
            change(request);
        }
    }
}
