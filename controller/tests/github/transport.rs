//! Requests as they are sent; answers that do not come, or not whole.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use autopilot_controller::pull_requests::{Conditional, Forge as _, ForgeError, GitHub, NewPull};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::json;
use tower_service::Service;

use crate::server::{TOKEN, answer, config, fixed, forge, lines, server, source, text, with};

fn unavailable<T: std::fmt::Debug>(result: Result<T, ForgeError>) -> String {
    match result {
        Err(ForgeError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_says_who_asks_and_keeps_the_path_of_the_address() {
    let (url, log) = server(|_| answer(200, &json!({ "default_branch": "main" }))).await;
    let forge = forge(&format!("{url}/api/v3"));
    assert_eq!(forge.default_branch().await.unwrap(), "main");
    let seen = log.lock().unwrap()[0].clone();
    assert_eq!(seen.line(), "GET /api/v3/repos/acme/flux");
    for (name, value) in [
        ("user-agent", "autopilot"),
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
        ("authorization", &format!("Bearer {TOKEN}")),
    ] {
        assert_eq!(seen.header(name), Some(value));
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
}

#[tokio::test]
async fn an_etag_comes_back_as_it_was_given() {
    const ETAG: &str = r#"W/"8f6a""#;
    let (url, log) = server(|seen| match seen.header("if-none-match") {
        Some(ETAG) => with(
            304,
            &[("x-ratelimit-remaining", "7"), ("x-ratelimit-limit", "10"), ("x-ratelimit-reset", "0")],
            &json!(null),
        ),
        _ => with(200, &[("etag", ETAG)], &json!([])),
    })
    .await;
    let forge = forge(&url);
    let Conditional::Changed(page) = forge.pulls(3, None).await.unwrap() else { panic!("not modified") };
    assert_eq!((page.etag.as_deref(), page.more), (Some(ETAG), false));
    assert_eq!(forge.budget(), None, "no header tells of one");
    assert_eq!(forge.pulls(3, Some(ETAG)).await.unwrap(), Conditional::NotModified);
    assert_eq!(forge.budget().map(|b| (b.remaining, b.limit)), Some((7, 10)));
    // One that fits no header makes the request unconditional.
    assert!(matches!(forge.pulls(3, Some("a\nb")).await.unwrap(), Conditional::Changed(_)));
    let seen = log.lock().unwrap();
    let query = "state=all&sort=updated&direction=desc&per_page=100&page=3";
    assert!(seen.iter().all(|s| s.uri.query() == Some(query)), "{seen:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_answer() {
    for (body, kind, part) in [
        (
            "<html>log in</html>",
            "text/html; charset=utf-8",
            "baseUrl of a GitHub Enterprise Server ends in /api/v3",
        ),
        ("", "application/json", "cannot be read"),
        (r#"{"default_branch":"#, "application/json", "cannot be read"),
        (r#"{"name":"flux"}"#, "application/json", "default_branch"),
        ("[1, 2]", "application/json", "cannot be read"),
    ] {
        let (url, _) = server(move |_| text(200, kind, body)).await;
        let why = unavailable(forge(&url).default_branch().await);
        assert!(why.contains("cannot look at acme/flux: ") && why.contains(part), "{why}");
    }
}

/// Reads a request with its body, as far as the test needs it: to the end of a JSON object.
fn read_request(stream: &mut std::net::TcpStream) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).unwrap();
        read.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if n == 0 || text.ends_with("}") || (text.starts_with("GET") && text.ends_with("\r\n\r\n")) {
            return text;
        }
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    // Given a server that answers the first request of a connection and closes it after the second,
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let opened = Arc::new(AtomicUsize::new(0));
    let writes = Arc::new(AtomicUsize::new(0));
    let (connections, posts) = (opened.clone(), writes.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            let answer = |stream: &mut std::net::TcpStream| {
                let request = read_request(stream);
                posts.fetch_add(usize::from(request.starts_with("POST")), Ordering::SeqCst);
            };
            answer(&mut stream);
            let body = r#"{"default_branch":"main"}"#;
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            answer(&mut stream);
        }
    });
    let forge = forge(&url);
    forge.default_branch().await.unwrap();
    // when a write goes over the kept connection,
    let new = NewPull {
        title: "t".to_owned(),
        body: "b".to_owned(),
        branch: "aut-b".to_owned(),
        base: "main".to_owned(),
    };
    let why = unavailable(forge.open(&new).await);
    // then nobody knows what came of it, and nobody tries again.
    assert!(why.starts_with("cannot open a pull request of branch aut-b in acme/flux: "), "{why}");
    assert_eq!((opened.load(Ordering::SeqCst), writes.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_begins_is_no_answer() {
    for sent in ["", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[{", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(sent.as_bytes()).unwrap();
        });
        let why = unavailable(forge(&url).pulls(1, None).await);
        assert!(why.starts_with("cannot list the pull requests of acme/flux: "), "{why}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = unavailable(forge(&format!("http://{closed}")).pulls(1, None).await);
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn only_the_beginning_of_a_long_failure_is_read() {
    let (forge, log) = fixed(502, &[], json!("x".repeat(1024 * 1024))).await;
    let why = unavailable(forge.default_branch().await);
    assert!(why.ends_with("502 Bad Gateway"), "{why}");
    assert_eq!(lines(&log).len(), 1, "no retry");
}

/// A service in the same process that never answers.
#[derive(Clone)]
struct Silent;

impl Service<Request<octocrab::OctoBody>> for Silent {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<octocrab::OctoBody>) -> Self::Future {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_costs_ten_seconds() {
    let forge = GitHub::over(Silent, &config("http://127.0.0.1:1"), source(TOKEN), Timestamp::now);
    let begun = tokio::time::Instant::now();
    let why = unavailable(forge.default_branch().await);
    assert_eq!(why, "cannot look at acme/flux: no whole answer within 10 s");
    assert_eq!(begun.elapsed().as_secs(), Duration::from_secs(10).as_secs());
}

#[tokio::test(start_paused = true)]
async fn writes_are_a_second_apart_and_reads_are_not() {
    let forge = GitHub::over(Silent, &config("http://127.0.0.1:1"), source(TOKEN), Timestamp::now);
    let begun = tokio::time::Instant::now();
    // Each waits ten seconds for its answer, side by side.
    let (first, second, _) = tokio::join!(forge.close(1), forge.close(2), forge.default_branch());
    unavailable(first);
    unavailable(second);
    assert_eq!(begun.elapsed().as_secs(), 11);
}
