//! The servers, and what every test asks them with.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use autopilot_controller::prometheus::{Client, Endpoint};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::future::BoxFuture;
use jiff::Timestamp;

/// An answer with one sample.
pub(crate) const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":
    [{"metric":{"volumename":"pvc-1"},"value":[1700000000.123,"42"]}]}}"#;

/// What a server saw of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub form: HashMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

pub(crate) type Log = Arc<Mutex<Vec<Seen>>>;

/// A server that answers every request with `answer` and writes down what it saw.
pub(crate) async fn server<F>(answer: F) -> (String, Log)
where
    F: Fn(Seen) -> BoxFuture<'static, Response<Body>> + Clone + Send + Sync + 'static,
{
    let log = Log::default();
    let seen = log.clone();
    let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let form = form_urlencoded::parse(&body).into_owned().collect();
        let request = Seen { method, uri, headers, form };
        seen.lock().unwrap().push(request.clone());
        answer(request)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, log)
}

pub(crate) fn response(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// A server with the same answer for everything.
pub(crate) async fn fixed(status: u16, body: &'static str) -> (String, Log) {
    server(move |_| Box::pin(async move { response(status, body) })).await
}

/// A server that takes connections one after the other, reads a request from each, writes these bytes and closes.
pub(crate) fn raw(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&stream);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}")
}

pub(crate) fn read_request(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

pub(crate) fn at() -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_120).unwrap()
}

pub(crate) fn client(url: &str) -> Client {
    Client::new(Endpoint::new(url)).unwrap()
}
