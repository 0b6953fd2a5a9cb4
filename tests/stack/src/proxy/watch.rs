//! Watches: streams that are cut, expired and held back while they are open.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;

use super::order::Order;
use super::refusal::Refusal;
use super::shared::ProxyShared;
use crate::http_server::{Body, BoxError};

type Chunk = Result<Bytes, BoxError>;

/// A body that is fed while it is read.
struct Fed(mpsc::Receiver<Chunk>);

impl hyper::body::Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Counts as an open watch while it lives.
struct Open(Arc<ProxyShared>);

impl Open {
    fn new(shared: Arc<ProxyShared>) -> Self {
        shared.open_watches.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open_watches.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns the event that tells a client to list again.
pub(super) fn expired_event() -> Bytes {
    let event = serde_json::json!({ "type": "ERROR", "object": Refusal::expired().status() });
    format!("{event}\n").into()
}

/// Returns the body for the client, fed from the server's.
pub(super) fn follow(shared: Arc<ProxyShared>, path: String, upstream: Incoming) -> Body {
    let (sender, chunks) = mpsc::channel(64);
    tokio::spawn(pump(shared, path, upstream, sender));
    Fed(chunks).boxed_unsync()
}

async fn pump(shared: Arc<ProxyShared>, path: String, mut upstream: Incoming, client: mpsc::Sender<Chunk>) {
    let mut orders = shared.orders.subscribe();
    let mut held = shared.held.subscribe();
    let open = Open::new(shared);
    let mut waiting: VecDeque<Chunk> = VecDeque::new();
    let mut ended = false;
    loop {
        let holds = held.borrow_and_update().iter().any(|pattern| pattern.matches(&path));
        if ended && waiting.is_empty() && !holds {
            return;
        }
        tokio::select! {
            () = client.closed() => return,
            order = orders.recv() => match order {
                Ok(Order::Cut(pattern)) if pattern.matches(&path) => {
                    drop(open);
                    let _ = client.send(Err("the watch was cut".into())).await;
                    return;
                }
                Ok(Order::Expire(pattern)) if pattern.matches(&path) => {
                    drop(open);
                    let _ = client.send(Ok(expired_event())).await;
                    return;
                }
                _ => {}
            },
            changed = held.changed() => if changed.is_err() { return },
            frame = upstream.frame(), if !ended => match frame {
                Some(Ok(frame)) => waiting.extend(frame.into_data().ok().map(Ok)),
                Some(Err(error)) => {
                    waiting.push_back(Err(error.into()));
                    ended = true;
                }
                None => ended = true,
            },
            permit = client.reserve(), if !holds && !waiting.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(chunk) = waiting.pop_front() {
                        permit.send(chunk);
                    }
                }
                Err(_) => return,
            },
        }
    }
}
