//! A request as the proxy remembers it.

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its number, from 0.
    pub seq: u64,
    /// When it had arrived whole.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The number among the counted writes, from 1.
    pub write: Option<usize>,
    /// The `user-agent` header.
    pub user_agent: String,
    /// Whether it names an ETag that it has (`if-none-match`).
    pub conditional: bool,
    /// The body of a request that may change something, its first 64 KiB.
    pub body: Bytes,
    /// The status of the server's answer. `None` if it was not asked, or has not answered.
    pub upstream: Option<u16>,
    /// The status that the client was told. `None` while it waits, and if its connection was closed instead.
    pub status: Option<u16>,
}

impl Recorded {
    /// Returns the path without its query.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }

    /// Returns the body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
