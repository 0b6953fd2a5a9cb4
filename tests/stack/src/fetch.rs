//! A plain HTTP client for the tests' own questions.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// No answer of a healthy server on loopback takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// Sends a GET to a plain `http://` address.
///
/// # Errors
/// When there is no whole answer within 30 s.
pub async fn get(url: &str) -> Result<(StatusCode, Bytes)> {
    send(Method::GET, url, "").await
}

/// Sends a POST to a plain `http://` address, with a form as its body.
///
/// # Errors
/// When there is no whole answer within 30 s.
pub async fn post(url: &str, form: &str) -> Result<(StatusCode, Bytes)> {
    send(Method::POST, url, form).await
}

async fn send(method: Method, url: &str, body: &str) -> Result<(StatusCode, Bytes)> {
    let asked = format!("{method} {url}");
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body.to_owned())))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status();
        Ok::<_, anyhow::Error>((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(LIMIT, exchange).await.with_context(|| format!("{asked}: no answer"))?.context(asked)
}

/// Percent-encodes a value of a form or a query.
#[must_use]
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the value of `key` in a form or a query, decoded.
#[must_use]
pub fn form_value(form: &str, key: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then(|| decode(value))
    })
}

pub(crate) fn decode(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{encode, form_value};

    #[test]
    fn a_form_value_survives_encoding() {
        let query = "(a{b=\"c d\"}\n) > 50 + 1 % ä";
        let form = format!("time=1&query={}", encode(query));
        assert_eq!(form_value(&form, "query").as_deref(), Some(query));
        assert_eq!(form_value("query=a+b", "query").as_deref(), Some("a b"));
        assert_eq!(form_value(&form, "step"), None);
    }
}
