//! The controller's own HTTP server: `/metrics`, `/ready`, `/live`, `/log-level`.
//!
//! Anything in the cluster can reach it, so a client must not be able to hold it: every connection serves one
//! request and ends after [`Limits::connection`] whatever it does, there are at most [`Limits::connections`],
//! and a body has at most [`Limits::body`] bytes.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::rejection::StringRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::health::{Heartbeat, Readiness};
use super::log::LogHandle;
use super::metrics::{self, Metrics};

/// Everything that the server shows.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `/metrics`.
    pub metrics: Metrics,
    /// `/ready`.
    pub readiness: Readiness,
    /// `/live`.
    pub heartbeat: Heartbeat,
    /// `/log-level`; without it that path is not found.
    pub log: Option<LogHandle>,
}

/// Limits for one client, and for all of them together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Life of a connection, from its acceptance to the last byte of the answer.
    pub connection: Duration,
    /// Connections at a time; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Bytes of a body.
    pub body: usize,
    /// How long the end of the server waits for answers under way.
    pub end: Duration,
}

impl Default for Limits {
    /// 15 s (a scrape has 10 s by default), 128 connections, 1 KiB, 1 s.
    fn default() -> Self {
        Limits {
            connection: Duration::from_secs(15),
            connections: 128,
            body: 1024,
            end: Duration::from_secs(1),
        }
    }
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is in use, or not ours.
    #[error("listening on {address} for metrics and health: {source}; choose another --metrics-addr")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The reason that the system gives.
        source: io::Error,
    },
}

/// A server that runs. It ends with its token; dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: AbortOnDropHandle<()>,
}

impl Server {
    /// The address that is bound: port 0 has become a real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has ended, at most [`Limits::end`] after its token was cancelled.
    pub async fn ended(self) {
        // An error says that the task panicked or was aborted: ended, in any case.
        let _ended = self.task.await;
    }
}

/// Starts the server on an address. When `end` is cancelled it accepts no more and lets the answers under way
/// finish.
///
/// # Errors
/// When it cannot listen there.
pub async fn start(
    address: SocketAddr,
    admin: Admin,
    limits: Limits,
    end: CancellationToken,
) -> Result<Server, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let tcp = TcpListener::bind(address).await.map_err(failed)?;
    let address = tcp.local_addr().map_err(failed)?;
    let slots = Arc::new(Semaphore::new(limits.connections));
    let listener = Bounded { tcp, slots, life: limits.connection };
    let service = routes(admin, limits.body).into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(end.clone().cancelled_owned());
    let task = tokio::spawn(async move {
        let bounded_end = async {
            end.cancelled().await;
            sleep(limits.end).await;
        };
        tokio::select! {
            served = serving.into_future() => {
                if let Err(error) = served {
                    tracing::error!(%error, "the server for metrics and health has ended");
                }
            }
            () = bounded_end => {}
        }
    });
    tracing::info!(%address, "serving /metrics, /ready, /live and /log-level");
    Ok(Server { address, task: AbortOnDropHandle::new(task) })
}

fn routes(admin: Admin, body_limit: usize) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/ready", get(ready))
        .route("/live", get(live))
        .route("/log-level", get(show_level).put(set_level))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(axum::middleware::map_response(one_request_each))
        .with_state(admin)
}

/// A scrape and a probe come every few seconds at most: a new connection each costs nothing, and none lies
/// idle.
async fn one_request_each(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.exposition() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("writing the metrics: {error}")),
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let reasons = admin.readiness.reasons();
    match reasons.is_empty() {
        true => plain(StatusCode::OK, "ready".to_owned()),
        false => plain(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n")),
    }
}

async fn live(State(admin): State<Admin>) -> Response {
    let age = admin.heartbeat.age();
    if admin.heartbeat.is_alive() {
        plain(StatusCode::OK, "alive".to_owned())
    } else {
        let text = format!("the engine gave no sign of life for {} s", age.as_secs());
        plain(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

async fn show_level(State(admin): State<Admin>) -> Response {
    match admin.log {
        Some(log) => plain(StatusCode::OK, log.level()),
        None => plain(StatusCode::NOT_FOUND, "this process has no log level to change".to_owned()),
    }
}

async fn set_level(
    State(admin): State<Admin>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    body: Result<String, StringRejection>,
) -> Response {
    // Loopback is `kubectl exec` or `kubectl port-forward`: both are guarded by RBAC, the pod's network is
    // not.
    if !peer.ip().to_canonical().is_loopback() {
        let text = "only from inside the pod: kubectl port-forward, then PUT to 127.0.0.1";
        return plain(StatusCode::FORBIDDEN, text.to_owned());
    }
    let Some(log) = admin.log else {
        return plain(StatusCode::NOT_FOUND, "this process has no log level to change".to_owned());
    };
    let level = match body {
        Ok(level) => level,
        Err(refused) => return plain(refused.status(), refused.body_text()),
    };
    match log.set_level(&level) {
        Ok(()) => {
            let level = log.level();
            tracing::info!(set_to = %level, "log level changed");
            plain(StatusCode::OK, level)
        }
        Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn plain(status: StatusCode, mut text: String) -> Response {
    const TEXT: (HeaderName, &str) = (CONTENT_TYPE, "text/plain; charset=utf-8");
    text.push('\n');
    (status, [TEXT], text).into_response()
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// A listener whose connections are few and do not live long.
struct Bounded {
    tcp: TcpListener,
    slots: Arc<Semaphore>,
    life: Duration,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            // Nobody closes the semaphore; were it closed, there would be no more connections.
            return pending().await;
        };
        let (io, peer) = Listener::accept(&mut self.tcp).await;
        (Connection { io, life: Box::pin(sleep(self.life)), _slot: slot }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A connection that fails once its time is over: a client that sends its request, or reads its answer, byte
/// by byte is cut off.
struct Connection {
    io: TcpStream,
    life: Pin<Box<Sleep>>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    /// What waits for the client also waits for the end of its time.
    fn unless_over<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match progress {
            Poll::Pending => self.life.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            done => done,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.io).poll_read(cx, into);
        self.unless_over(cx, progress)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.io).poll_write(cx, from);
        self.unless_over(cx, progress)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_over(cx, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.io).poll_shutdown(cx);
        self.unless_over(cx, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::log::{self, Format};

    async fn put_from(peer: &str, level: &str) -> (StatusCode, LogHandle) {
        let (_subscriber, log) = log::subscriber("info", Format::Text, io::sink).unwrap();
        let admin = Admin {
            metrics: Metrics::new(),
            readiness: Readiness::waiting_for([]),
            heartbeat: Heartbeat::new(),
            log: Some(log.clone()),
        };
        let peer = ConnectInfo(Peer(peer.parse().unwrap()));
        let answer = set_level(State(admin), peer, Ok(level.to_owned())).await;
        (answer.status(), log)
    }

    #[tokio::test]
    async fn only_a_loopback_peer_of_either_family_may_change_the_level() {
        for peer in ["10.0.0.7:5000", "[fd00::7]:5000", "[::ffff:10.0.0.7]:5000"] {
            let (status, log) = put_from(peer, "debug").await;
            assert_eq!((status, log.level().as_str()), (StatusCode::FORBIDDEN, "info"), "{peer}");
        }
        for peer in ["127.0.0.1:5000", "127.9.9.9:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
            // The subscriber is gone with the call's end, so that a good level cannot be applied: a bad one
            // shows that the peer was let in.
            assert_eq!(put_from(peer, "inof").await.0, StatusCode::BAD_REQUEST, "{peer}");
        }
    }
}
