//! Why there is no answer.
//!
//! A message names the host and what to do; it never holds a url, a user or a secret. Text that a server wrote is cut
//! and without control characters.

use std::path::PathBuf;
use std::time::Duration;

/// Why an endpoint gives no client. What is wrong is in the configuration or in a file it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The url cannot be used. It is not repeated: it may hold a password.
    #[error("the provider's url cannot be used: {problem}")]
    Url {
        /// The fault, and what would be right.
        problem: &'static str,
    },
    /// Two ways to say who asks.
    #[error("the url of {host} has a user and there are credentials besides; leave one of the two")]
    TwoCredentials {
        /// Of the url.
        host: Box<str>,
    },
    /// The file with certificates to trust cannot be used.
    #[error("the certificates to trust, {}, cannot be used: {problem}", .path.display())]
    CaFile {
        /// Of the configuration.
        path: PathBuf,
        /// The fault, and what would be right.
        problem: String,
    },
    /// An https url and not one certificate to trust.
    #[error(
        "the system has no certificates to trust ({problem}); https to {host} needs ca_file in the configuration"
    )]
    NoRoots {
        /// Of the url.
        host: Box<str>,
        /// The reason why the system's certificates cannot be had.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for {host}: {problem}")]
    Tls {
        /// Of the url.
        host: Box<str>,
        /// In the library's words.
        problem: String,
    },
}

/// Why a query has no answer. None of these says anything about an object: it is no data, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No connection, or it broke.
    #[error(
        "cannot reach {host}: {problem}; check the provider's url, the network policy and, for https, ca_file"
    )]
    Unreachable {
        /// `host:port` of the url.
        host: Box<str>,
        /// In the system's words.
        problem: String,
    },
    /// No whole answer in time, or the server gave the query up for that reason.
    #[error(
        "{host} gave no whole answer within {timeout:?}; make the rule's key cheaper or raise the provider's timeout"
    )]
    TimedOut {
        /// `host:port` of the url.
        host: Box<str>,
        /// Of the endpoint.
        timeout: Duration,
    },
    /// 401 or 403.
    #[error(
        "{host} answered {status}: it does not accept the credentials; check user, password or token in the configuration"
    )]
    Unauthorized {
        /// `host:port` of the url.
        host: Box<str>,
        /// HTTP status.
        status: u16,
    },
    /// The answer is larger than the endpoint allows.
    #[error(
        "the answer of {host} is larger than {max_answer} bytes; aggregate in the rule's key or raise max_answer"
    )]
    TooLarge {
        /// `host:port` of the url.
        host: Box<str>,
        /// Of the endpoint, in bytes.
        max_answer: usize,
    },
    /// The server understands the request, but not the query, or cannot evaluate it.
    #[error("{host} refused the query: {error_type}: {text}; correct the rule's key")]
    Refused {
        /// `host:port` of the url.
        host: Box<str>,
        /// Prometheus' word: `bad_data`, `execution`, …
        error_type: String,
        /// In the server's words.
        text: String,
    },
    /// 5xx or 429: the server is there, but does not answer now.
    #[error("{host} answered {status}: {text}; it is asked again at the next pass")]
    ServerError {
        /// `host:port` of the url.
        host: Box<str>,
        /// HTTP status.
        status: u16,
        /// In the server's words.
        text: String,
    },
    /// Something answered, but not a Prometheus.
    #[error(
        "the answer of {host} (status {status}) is not one of Prometheus: {problem}; check the provider's url"
    )]
    NotAnAnswer {
        /// `host:port` of the url.
        host: Box<str>,
        /// HTTP status.
        status: u16,
        /// The unexpected content.
        problem: String,
    },
    /// The key is a scalar, a string or a range.
    #[error(
        "the rule's key yields a {kind} on {host} instead of an instant vector; give one that yields series"
    )]
    NotAVector {
        /// `host:port` of the url.
        host: Box<str>,
        /// `scalar`, `string`, `matrix`.
        kind: String,
    },
    /// The file with password or token gives none.
    #[error("no credentials for {host}: {problem}")]
    Credentials {
        /// `host:port` of the url.
        host: Box<str>,
        /// Names the file.
        problem: String,
    },
}

impl QueryError {
    /// One word for conditions, events and metrics; it does not change between versions.
    pub fn reason(&self) -> &'static str {
        match self {
            QueryError::Unreachable { .. } => "Unreachable",
            QueryError::TimedOut { .. } => "TimedOut",
            QueryError::Unauthorized { .. } => "Unauthorized",
            QueryError::TooLarge { .. } => "TooLarge",
            QueryError::Refused { .. } => "Refused",
            QueryError::ServerError { .. } => "ServerError",
            QueryError::NotAnAnswer { .. } => "NotAnAnswer",
            QueryError::NotAVector { .. } => "NotAVector",
            QueryError::Credentials { .. } => "Credentials",
        }
    }
}
