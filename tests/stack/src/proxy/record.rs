//! What the proxy remembers of a request.

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
    /// What the server answered, if it was asked and has.
    pub upstream: Option<u16>,
    /// What the client was told; none while it waits, and when its connection was closed instead.
    pub status: Option<u16>,
}

impl Recorded {
    /// The path without its query.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
