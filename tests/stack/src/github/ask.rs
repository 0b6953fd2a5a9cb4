//! Questions to the GitHub API of the tests.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// No answer of a healthy server on loopback takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer of the server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Returns the body as JSON, or null.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the body of an answer that must be a success.
    pub(crate) fn ok(self, asked: &str) -> Result<Value> {
        if !self.status.is_success() {
            bail!("{asked}: {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self.json())
    }
}

impl Ask {
    pub(crate) fn new(url: &str) -> Self {
        // Node closes connections that rest for five seconds, also in the moment in which they are taken up again.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { url: url.to_owned(), client }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer> {
        let asked = format!("{method} {path}");
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.url)).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let exchange = async {
            let (parts, body) = self.client.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, anyhow::Error>(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(LIMIT, exchange)
            .await
            .with_context(|| format!("{asked}: no answer"))?
            .context(asked)
    }

    /// Sends JSON (none where it is null) with somebody's `authorization`.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        authorization: Option<&HeaderValue>,
        body: &Value,
    ) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("autopilot-stack"));
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        if !bytes.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.send(method, path, headers, bytes).await
    }

    /// Sends a GET for JSON that must succeed.
    pub(crate) async fn get(&self, path: &str, authorization: Option<&HeaderValue>) -> Result<Value> {
        self.json(Method::GET, path, authorization, &Value::Null).await?.ok(&format!("GET {path}"))
    }

    /// Sends GETs for a list, all its pages. The path has a query already.
    pub(crate) async fn list(&self, path: &str, authorization: Option<&HeaderValue>) -> Result<Vec<Value>> {
        const PAGES: usize = 100;
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let answer = self.get(&format!("{path}&per_page=100&page={page}"), authorization).await?;
            let items = answer.as_array().with_context(|| format!("GET {path}: no list"))?;
            all.extend(items.iter().cloned());
            if items.len() < 100 {
                return Ok(all);
            }
        }
        bail!("GET {path}: more than {PAGES} pages")
    }
}

/// Returns the header of a token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).context("a token that fits a header")?;
    value.set_sensitive(true);
    Ok(value)
}
