//! Refusals in the words of the server that the proxy stands before.

use std::time::Duration;

use http::header::{self, HeaderName};
use jiff::Timestamp;
use serde_json::json;

/// In whose words a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Kubernetes,
    GitHub,
}

/// A refusal as the API server words it, or GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// The `reason` of the `Status`.
    pub reason: String,
    /// The `message` of the `Status`.
    pub message: String,
    /// The `Retry-After` header.
    pub retry_after: Option<Duration>,
    words: Words,
    /// `x-ratelimit-reset` of an account that has nothing left, in seconds from now.
    resets_in: Option<Duration>,
}

impl Refusal {
    /// Returns any refusal in Kubernetes' words.
    #[must_use]
    pub fn new(code: u16, reason: &str, message: &str) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            retry_after: None,
            words: Words::Kubernetes,
            resets_in: None,
        }
    }

    /// Returns 409 Conflict: somebody else wrote in between.
    #[must_use]
    pub fn conflict() -> Self {
        Self::new(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version",
        )
    }

    /// Returns 409 AlreadyExists.
    #[must_use]
    pub fn already_exists() -> Self {
        Self::new(409, "AlreadyExists", "object already exists")
    }

    /// Returns 410 Expired.
    #[must_use]
    pub fn expired() -> Self {
        Self::new(410, "Expired", "too old resource version: 1 (2)")
    }

    /// Returns 429 TooManyRequests, with the time to wait.
    #[must_use]
    pub fn too_many_requests(retry_after: Duration) -> Self {
        let refusal = Self::new(429, "TooManyRequests", "too many requests, please try again later");
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// Returns 500 InternalError.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(500, "InternalError", "Internal error occurred: injected")
    }

    /// Returns 503 ServiceUnavailable.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    }

    /// Returns 403 Forbidden, as before the API server has read its roles.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(
            403,
            "Forbidden",
            "events is forbidden: User \"autopilot\" cannot create resource \"events\"",
        )
    }

    /// Returns 504 Timeout: whether the request took effect is unknown (here it did not).
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(504, "Timeout", "request did not complete within the allotted timeout")
    }

    /// Returns a refusal of GitHub's, of any kind: `(404, "Not Found")`, `(422, "Validation Failed")`, `(502, "Server
    /// Error")`.
    #[must_use]
    pub fn github(code: u16, message: &str) -> Self {
        Self { words: Words::GitHub, ..Self::new(code, "", message) }
    }

    /// Returns GitHub's secondary limit, with the time to wait; 403 or 429.
    #[must_use]
    pub fn github_secondary(code: u16, retry_after: Duration) -> Self {
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self { retry_after: Some(retry_after), ..Self::github(code, message) }
    }

    /// Returns GitHub's primary limit: nothing left until then.
    #[must_use]
    pub fn github_exhausted(resets_in: Duration) -> Self {
        let refusal = Self::github(403, "API rate limit exceeded for user ID 1.");
        Self { resets_in: Some(resets_in), ..refusal }
    }

    /// Returns the headers besides the content type.
    pub(super) fn headers(&self) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::new();
        if let Some(wait) = self.retry_after {
            headers.push((header::RETRY_AFTER, wait.as_secs().to_string()));
        }
        if let Some(wait) = self.resets_in {
            let reset = Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            for (name, value) in
                [("limit", 5000), ("remaining", 0), ("used", 5000), ("reset", reset.as_second())]
            {
                // The names are our own, so that none is left out.
                headers.extend(
                    HeaderName::try_from(format!("x-ratelimit-{name}")).map(|name| (name, value.to_string())),
                );
            }
        }
        headers
    }

    /// Returns the body.
    pub(super) fn body(&self) -> serde_json::Value {
        if self.words == Words::GitHub {
            return json!({
                "message": self.message,
                "documentation_url": "https://docs.github.com/rest",
                "status": self.code.to_string(),
            });
        }
        self.status()
    }

    /// Returns the body in Kubernetes' words.
    pub(super) fn status(&self) -> serde_json::Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(wait) = self.retry_after {
            status["details"] = json!({ "retryAfterSeconds": wait.as_secs() });
        }
        status
    }
}
