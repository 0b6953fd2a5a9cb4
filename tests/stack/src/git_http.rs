//! git over HTTP: a small server that runs git's own CGI program.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::http_server::{Body, BoxError, Server, full};

/// Serves the bare repositories in a folder, for reading: `URL/NAME.git`.
pub(crate) fn serve(root: &Path) -> Result<Server> {
    let root = root.to_owned();
    Server::start(move |request| {
        let root = root.clone();
        async move { handle(&root, request).await.map_err(BoxError::from) }
    })
}

/// Returns git with none of the machine's own configuration.
pub(crate) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end and returns what it wrote.
pub(crate) async fn run(mut command: Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command.spawn().context("run git (package git)")?;
    let pipe = child.stdin.take();
    let feed = async {
        if let Some(mut pipe) = pipe {
            // A program that does not read all of it closes the pipe.
            let _ = pipe.write_all(input).await;
        }
    };
    let output = tokio::join!(feed, child.wait_with_output()).1?;
    if !output.status.success() {
        bail!("git: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

async fn handle(root: &Path, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let mut command = git(root);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(header::CONTENT_TYPE).unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string());
    if let Some(encoding) = header(header::CONTENT_ENCODING) {
        command.env("HTTP_CONTENT_ENCODING", encoding);
    }
    if let Some(protocol) = parts.headers.get("git-protocol").and_then(|value| value.to_str().ok()) {
        command.env("GIT_PROTOCOL", protocol);
    }
    answer(&run(command, &body).await?)
}

/// Parses the output of a CGI program: header lines, an empty line, the body.
fn answer(output: &[u8]) -> Result<Response<Body>> {
    let end =
        output.windows(4).position(|four| four == b"\r\n\r\n").context("git http-backend: no headers")?;
    let mut status = 200;
    let mut headers = HeaderMap::new();
    for line in String::from_utf8_lossy(output.get(..end).unwrap_or_default()).lines() {
        let (name, value) = line.split_once(':').context("git http-backend: a line that is no header")?;
        if name.eq_ignore_ascii_case("status") {
            status = value.trim().split(' ').next().unwrap_or_default().parse()?;
        } else {
            headers.insert(http::HeaderName::try_from(name)?, value.trim().parse()?);
        }
    }
    let body = Bytes::copy_from_slice(output.get(end + 4..).unwrap_or_default());
    let mut response = Response::builder().status(status).body(full(body))?;
    *response.headers_mut() = headers;
    Ok(response)
}
