//! Answers of the stubs.

use anyhow::{Context as _, Result};
use autopilot_stack::http_server::{Body, BoxError, Server, full};
use futures::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};

/// The answer of a stub.
pub(crate) type Answer = Response<Body>;

/// Starts a server that answers like this. One that fails closes the connection.
pub(crate) fn serve<F>(
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> Result<Server>
where
    F: Future<Output = Result<Answer>> + Send + 'static,
{
    Server::start(move |request| {
        let answered = answer(request);
        async move { answered.await.map_err(BoxError::from) }
    })
}

/// Reads the body of a request.
pub(crate) async fn read(body: Incoming) -> Result<Bytes> {
    Ok(body.collect().await.context("read a request")?.to_bytes())
}

/// Returns an answer with JSON, as a whole.
pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Result<Answer> {
    Ok(Response::builder().status(status).header("content-type", "application/json").body(full(body))?)
}

/// Returns an answer with JSON, line by line, for as long as the stream goes.
pub(crate) fn lines(stream: impl Stream<Item = Bytes> + Send + 'static) -> Result<Answer> {
    let body = StreamBody::new(stream.map(|line| Ok(Frame::data(line)))).boxed_unsync();
    Ok(Response::builder().header("content-type", "application/json").body(body)?)
}
