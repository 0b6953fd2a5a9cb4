//! The Prometheus client against servers on the loopback interface, good ones and bad ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the exception for tests does not cover their helpers"
)]

mod provider;
mod server;

use std::convert::Infallible;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use autopilot_controller::prometheus::{Client, ClientError, Credentials, Endpoint, QueryError, SecretFrom};
use axum::body::{Body, Bytes};
use axum::http::Method;
use futures::StreamExt;

use crate::server::{ONE, at, client, fixed, raw, response, server};

/// The error of one query; its text names the host, and no secret, whatever it is.
async fn fails(client: &Client) -> QueryError {
    let error = client.instant("up", at()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:"), "{text}");
    assert!(!format!("{text} {error:?} {client:?}").contains("hush"), "{text}");
    assert!(!text.contains("http://"), "{text}");
    error
}

#[tokio::test]
async fn a_query_is_a_form_with_query_time_and_timeout() {
    let (url, log) = fixed(200, ONE).await;
    let query = "(100 * a{b=\"ü&+\"} # used\n) > 50";
    let answer = client(&format!("{url}/prom/?dedup=true")).instant(query, at()).await.unwrap();
    assert_eq!(answer.samples[0].volume.as_deref(), Some("pvc-1"));
    assert_eq!((answer.samples[0].value, answer.bytes), (42.0, ONE.len()));
    let log = log.lock().unwrap();
    let [seen] = &log[..] else { panic!("{log:?}") };
    assert_eq!(
        (&seen.method, seen.uri.to_string().as_str()),
        (&Method::POST, "/prom/api/v1/query?dedup=true")
    );
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((seen.header("authorization"), seen.header("accept-encoding")), (None, None));
    let form = [("query", query), ("time", "1700000000.120"), ("timeout", "10")];
    assert_eq!(seen.form, form.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

#[tokio::test]
async fn credentials_are_sent_as_the_server_expects_them() {
    let (url, log) = fixed(200, ONE).await;
    let with_user = url.replace("http://", "http://me:hu%73h@");
    let text = |text: &str| SecretFrom::Text(text.to_owned());
    for (url, credentials, header) in [
        (&url, Credentials::None, None),
        (&url, Credentials::Bearer(text("hush")), Some("Bearer hush")),
        (
            &url,
            Credentials::Basic { username: "me".to_owned(), password: text("hush") },
            Some("Basic bWU6aHVzaA=="),
        ),
        (&with_user, Credentials::None, Some("Basic bWU6aHVzaA==")),
    ] {
        let client = Client::new(Endpoint { credentials, ..Endpoint::new(url) }).unwrap();
        client.instant("up", at()).await.unwrap();
        assert_eq!(log.lock().unwrap().last().unwrap().header("authorization"), header);
    }
    let both = Endpoint { credentials: Credentials::Bearer(text("hush")), ..Endpoint::new(&with_user) };
    let error = Client::new(both).unwrap_err();
    assert!(matches!(error, ClientError::TwoCredentials { .. }));
    assert!(!format!("{error} {error:?}").contains("hush"));
}

#[tokio::test]
async fn a_token_file_is_read_for_every_request() {
    let (url, log) = fixed(200, ONE).await;
    let file = scratch("token");
    let credentials = Credentials::Bearer(SecretFrom::File(file.clone()));
    let client = Client::new(Endpoint { credentials, ..Endpoint::new(&url) }).unwrap();
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        client.instant("up", at()).await.unwrap();
        let sent = log.lock().unwrap().last().unwrap().header("authorization").map(str::to_owned);
        assert_eq!(sent, Some(format!("Bearer {token}")));
    }
    for content in [" \n".to_owned(), "x".repeat(100_000), "hush\nhush".to_owned()] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(fails(&client).await.reason(), "Credentials");
    }
    std::fs::remove_file(&file).unwrap();
    let error = fails(&client).await;
    assert_eq!(error.reason(), "Credentials");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert_eq!(log.lock().unwrap().len(), 2, "nothing is sent without the token");
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("autopilot-query-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn every_bad_answer_has_its_reason_and_says_what_to_do() {
    let error = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    let late = r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    for (status, body, reason, words) in [
        (401, "", "Unauthorized", "answered 401"),
        (403, error, "Unauthorized", "check user, password or token"),
        (400, error, "Refused", "bad_data: parse error; correct the rule's key"),
        (422, error, "Refused", "bad_data: parse error"),
        (200, error, "Refused", "bad_data: parse error"),
        (404, "404 page not found", "NotAnAnswer", "(status 404)"),
        (405, ONE, "NotAnAnswer", "(status 405)"),
        (302, "", "NotAnAnswer", "no redirect"),
        (200, "<!DOCTYPE html><html>", "NotAnAnswer", "<!DOCTYPE html>"),
        (200, "", "NotAnAnswer", "empty"),
        (200, r#"{"status":"success","data":{"res"#, "NotAnAnswer", "ends in the middle"),
        (200, scalar, "NotAVector", "a scalar"),
        (500, "oops\u{7}", "ServerError", "answered 500: oops;"),
        (502, "", "ServerError", "502: Bad Gateway"),
        (503, error, "ServerError", "503: bad_data: parse error"),
        (429, "slow down", "ServerError", "429: slow down"),
        (503, late, "TimedOut", "raise the provider's timeout"),
        (504, "<html>", "TimedOut", "within 10s"),
    ] {
        let (url, _) = fixed(status, body).await;
        let error = fails(&client(&url)).await;
        assert_eq!(error.reason(), reason, "{status} {body}: {error}");
        assert!(error.to_string().contains(words), "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fails(&client(&format!("http://{free}"))).await;
    assert_eq!(error.reason(), "Unreachable");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn the_time_out_covers_the_head_and_the_body() {
    let silent = server(|_| Box::pin(std::future::pending())).await.0;
    let stalls = server(|_| {
        let start = futures::stream::iter([Ok::<_, Infallible>(Bytes::from("{\"status\":"))]);
        Box::pin(async { response(200, Body::from_stream(start.chain(futures::stream::pending()))) })
    });
    for url in [silent, stalls.await.0] {
        let endpoint = Endpoint { timeout: Duration::from_millis(200), ..Endpoint::new(&url) };
        let error = fails(&Client::new(endpoint).unwrap()).await;
        assert_eq!(error.reason(), "TimedOut");
        assert!(error.to_string().contains("within 200ms"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_over_the_cap_is_refused_while_it_arrives() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let streamed = server(move |_| {
        let counter = counter.clone();
        let pieces = futures::stream::iter(0..50).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from(vec![b' '; 1_000_000]))
        });
        Box::pin(async { response(200, Body::from_stream(pieces)) })
    });
    let error = fails(&client(&streamed.await.0)).await;
    assert_eq!(error.reason(), "TooLarge");
    assert!(error.to_string().contains("33554432 bytes"), "{error}");
    let sent = sent.load(Ordering::SeqCst);
    assert!((33..50).contains(&sent), "{sent} MB were taken");

    // With a length in its head not even the first byte is waited for.
    let url = raw(&["HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"]);
    assert_eq!(fails(&client(&url)).await.reason(), "TooLarge");
}

#[tokio::test]
async fn the_cap_is_the_last_size_that_is_taken() {
    let (url, _) = fixed(200, ONE).await;
    let of = |max_answer| Client::new(Endpoint { max_answer, ..Endpoint::new(&url) }).unwrap();
    assert!(of(ONE.len()).instant("up", at()).await.is_ok());
    assert_eq!(fails(&of(ONE.len() - 1)).await.reason(), "TooLarge");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let url = raw(&["HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"status\":\"success\",\"data\""]);
    assert_eq!(fails(&client(&url)).await.reason(), "Unreachable");
    let url = raw(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta"]);
    assert_eq!(fails(&client(&url)).await.reason(), "Unreachable");
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_is_tried_once_more() {
    let good = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
                {\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}";
    let answers: &'static [&'static str] = vec!["", good].leak();
    assert!(client(&raw(answers)).instant("up", at()).await.is_ok());
    assert_eq!(fails(&client(&raw(&["", ""]))).await.reason(), "Unreachable");
}

#[tokio::test]
async fn warnings_infos_and_odd_values_arrive_as_they_are() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"pv":"a"},"value":[1,"NaN"]},{"metric":{"pv":"a"},"value":[1,"+Inf"]},
        {"metric":{},"value":[1,"-Inf"]},{"metric":{"pv":"h"},"histogram":[1,{"count":"1","sum":"1"}]}]},
        "warnings":["store-3 is away"],"infos":["metric might not be a counter"]}"#;
    let (url, _) = fixed(200, body).await;
    let answer = client(&url).instant("up", at()).await.unwrap();
    assert_eq!(answer.warnings, ["store-3 is away"]);
    assert_eq!(answer.infos, ["metric might not be a counter"]);
    assert_eq!(answer.samples.iter().map(|s| &*s.text).collect::<Vec<_>>(), ["NaN", "+Inf", "-Inf"]);
    assert!(answer.samples[0].value.is_nan());
    assert_eq!(answer.samples[1].value, f64::INFINITY);
    assert_eq!(answer.histograms, 1);
}
