//! The server for metrics and health, over real loopback connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use autopilot_controller::telemetry::{
    Admin, Format, Heartbeat, Limits, LogHandle, Metrics, Readiness, ServeError, Server, log, start,
};
use tokio_util::sync::CancellationToken;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    admin: Admin,
    server: Server,
    end: CancellationToken,
    /// The log lives as long as this.
    _log: Box<dyn tracing::Subscriber + Send + Sync>,
}

async fn world(limits: Limits) -> World {
    let (subscriber, handle): (_, LogHandle) = log::subscriber("info", Format::Json, std::io::sink).unwrap();
    let admin = Admin {
        metrics: Metrics::new(),
        readiness: Readiness::waiting_for(["AutopilotRules", "PersistentVolumeClaims"]),
        heartbeat: Heartbeat::new(),
        log: Some(handle),
    };
    let end = CancellationToken::new();
    let server = start(LOOPBACK, admin.clone(), limits, end.clone()).await.unwrap();
    World { admin, server, end, _log: Box::new(subscriber) }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Reads until the server closes the connection, as it does after each answer.
fn read_answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

impl World {
    /// One request on a connection of its own, off the runtime's threads.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: autopilot\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = self.server.address();
        off_the_runtime(move || {
            let mut stream = connect(address);
            stream.write_all(request.as_bytes()).unwrap();
            read_answer(stream)
        })
        .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn metrics_come_as_openmetrics_and_end_the_connection() {
    let world = world(Limits::default()).await;
    assert_ne!(world.server.address().port(), 0);
    world.admin.metrics.set_rules_in_system(3);
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.head.contains(kind), "{}", answer.head);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(answer.body.contains("autopilot_rules_in_system 3\n") && answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn ready_tells_what_is_missing_and_never_comes_back_after_the_end_has_begun() {
    let world = world(Limits::default()).await;
    let readiness = &world.admin.readiness;
    let answer = world.get("/ready").await;
    let both = "AutopilotRules: not synced yet\nPersistentVolumeClaims: not synced yet\n";
    assert_eq!((answer.status, answer.body.as_str()), (503, both));
    readiness.synced("AutopilotRules");
    readiness.missing("PersistentVolumeClaims", "forbidden: list");
    let answer = world.get("/ready").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "PersistentVolumeClaims: forbidden: list\n"));
    readiness.synced("PersistentVolumeClaims");
    assert_eq!(world.get("/ready").await.status, 200);
    readiness.shut_down();
    let answer = world.get("/ready").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "shutting down\n"));
}

#[tokio::test]
async fn live_is_the_heartbeat() {
    let world = world(Limits::default()).await;
    assert_eq!(world.get("/live").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_of_sixty_seconds_is_dead_until_the_next() {
    let heart = Heartbeat::new();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(heart.is_alive());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!heart.is_alive());
    heart.beat();
    assert!(heart.is_alive());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!heart.is_alive());
}

#[tokio::test]
async fn the_log_level_is_shown_changed_and_refused_with_what_to_write() {
    let world = world(Limits::default()).await;
    assert_eq!(world.get("/log-level").await.body, "info\n");
    let answer = world.ask("PUT", "/log-level", "autopilot=debug\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "autopilot=debug\n"));
    let answer = world.ask("PUT", "/log-level", "inof").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("\"inof\" is no log level: write error, warn, info"), "{}", answer.body);
    assert_eq!(world.get("/log-level").await.body, "autopilot=debug\n");
    assert_eq!(world.ask("PUT", "/log-level", &"x".repeat(2_000)).await.status, 413);
    assert_eq!(world.ask("DELETE", "/log-level", "").await.status, 405);
    assert_eq!(world.get("/secrets").await.status, 404);
}

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_thing_is_cut_off_and_others_are_served_meanwhile() {
    let life = Duration::from_millis(300);
    let world = world(Limits { connection: life, connections: 4, ..Limits::default() }).await;
    let address = world.server.address();
    let halves = [
        "",
        "GET /metrics HTTP/1.1\r\nhost: a",
        "PUT /log-level HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nin",
    ];
    let begun = Instant::now();
    let slow: Vec<_> = halves
        .into_iter()
        .map(|half| {
            tokio::task::spawn_blocking(move || {
                let mut stream = connect(address);
                stream.write_all(half.as_bytes()).unwrap();
                // Ends when the server closes; an error is a reset, which is an end as well.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest);
                begun.elapsed()
            })
        })
        .collect();
    assert_eq!(world.get("/live").await.status, 200);
    for client in slow {
        let took = client.await.unwrap();
        assert!((life..PATIENCE).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn more_clients_than_connections_wait_for_their_turn_and_are_served() {
    let limits = Limits { connection: Duration::from_millis(300), connections: 2, ..Limits::default() };
    let world = world(limits).await;
    let address = world.server.address();
    let _silent: Vec<TcpStream> = (0..4).map(|_| connect(address)).collect();
    assert_eq!(world.get("/live").await.status, 200);
}

#[tokio::test]
async fn the_end_is_bounded_by_no_client() {
    let limits =
        Limits { connection: Duration::from_secs(60), end: Duration::from_millis(200), ..Limits::default() };
    let world = world(limits).await;
    let address = world.server.address();
    let mut slow = connect(address);
    slow.write_all(b"PUT /log-level HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nin").unwrap();
    assert_eq!(world.get("/live").await.status, 200);
    world.end.cancel();
    let begun = Instant::now();
    world.server.ended().await;
    assert!(begun.elapsed() < PATIENCE);
    assert!(TcpStream::connect(address).is_err(), "still listening");
    let _ = slow.shutdown(Shutdown::Both);
}

#[tokio::test]
async fn an_address_in_use_is_told_with_the_flag_to_change() {
    let world = world(Limits::default()).await;
    let taken = world.server.address();
    let again = start(taken, world.admin.clone(), Limits::default(), CancellationToken::new()).await;
    let error: ServeError = again.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("choose another --metrics-addr"), "{error}");
}
