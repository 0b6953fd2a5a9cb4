//! A plain HTTP server on loopback, for the stubs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use futures::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What a stub answers with.
pub type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// A listening server; dropping it ends it and its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1, on the current runtime.
    pub async fn start<H, F>(handler: H) -> Result<Server>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Answer>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((socket, _)) = accepted else { continue };
                        let _ = socket.set_nodelay(true);
                        let handler = handler.clone();
                        connections.spawn(async move {
                            let service = service_fn(move |request| {
                                let answer = handler(request);
                                async move { answer.await.map_err(|error| std::io::Error::other(format!("{error:#}"))) }
                            });
                            // An error here is a client that left.
                            let connection = hyper::server::conn::http1::Builder::new();
                            let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Server { address, task })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A body of a request.
pub async fn read(body: Incoming) -> Result<Bytes> {
    Ok(body.collect().await.context("read a request")?.to_bytes())
}

/// JSON, whole.
pub fn json(status: u16, body: impl Into<Bytes>) -> Result<Answer> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    Ok(Response::builder().status(status).header("content-type", "application/json").body(body)?)
}

/// JSON, line by line, for as long as the stream goes.
pub fn lines(stream: impl Stream<Item = Bytes> + Send + 'static) -> Result<Answer> {
    use futures::StreamExt as _;
    let body = StreamBody::new(stream.map(|line| Ok(Frame::data(line)))).boxed_unsync();
    Ok(Response::builder().header("content-type", "application/json").body(body)?)
}
