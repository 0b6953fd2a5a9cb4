//! GitHub, github.com or an Enterprise Server, with a classic or a fine-grained token.
//!
//! * `token`: the token and its sources.
//! * `api`: one exchange; octocrab makes the request and hyper carries it.
//! * `problem`: the meaning of a reply that is no success (pure).
//! * `wire`: GitHub's objects (pure).
//! * `forge`: the port, implemented with these.
//!
//! Least permissions of a fine-grained token, for this one repository: Contents and Pull requests, read and write;
//! Issues, read, only to learn who closed a pull request. A classic token has the scope `repo`, or `public_repo`.
//!
//! octocrab's own models and calls are not used: they hide the headers of a success (budget, ETag), cannot delete a
//! file from a tree, and stop at fields that a deleted user leaves empty.

mod api;
mod forge;
mod problem;
mod route;
mod token;
mod wire;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::config::Github;
use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::body::Body;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use octocrab::{AuthState, OctoBody, OctocrabBuilder};
use tower_service::Service;

pub use api::Budget;
pub(crate) use token::{TOKEN_KEY, TOKEN_SECRET};
pub use token::{TokenSlot, TokenSource};

use crate::prometheus::{ClientError, tls};
use api::Api;

/// The API of github.com.
const PUBLIC: &str = "https://api.github.com";
/// Idle connections are closed before a load balancer does it (60 s is common).
const IDLE: Duration = Duration::from_secs(50);

/// Reason why there is no client. The cause is in the configuration or in the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// The address cannot be used.
    #[error("baseUrl cannot be used: give an address such as https://git.example.com/api/v3")]
    Address,
    /// Nothing to check the server's certificate with, or no TLS.
    #[error("no TLS to {host}: {problem}; SSL_CERT_FILE may name a file with certificates to trust")]
    Tls {
        /// Host of the address.
        host: String,
        /// The problem, for people.
        problem: String,
    },
}

/// One repository on GitHub. Requests have 10 s each, are never sent twice, and carry the token of that moment.
/// Clones share connection, token and budget.
#[derive(Clone, Debug)]
pub struct GitHub {
    api: Arc<Api>,
    owner: String,
    name: String,
}

impl GitHub {
    /// Makes a client for the repository of the configuration; connects to nothing yet. Reads certificates when the
    /// address is https (blocking), and must be called inside a tokio runtime, where octocrab starts a task.
    ///
    /// # Errors
    /// See [`GitHubError`].
    pub fn new(config: &Github, token: TokenSource) -> Result<Self, GitHubError> {
        let base: Uri = base(config).parse().map_err(|_| GitHubError::Address)?;
        let host = base.authority().ok_or(GitHubError::Address)?.as_str();
        let over_tls = match base.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(GitHubError::Address),
        };
        let connector = tls::connector(host, over_tls, None, api::TIMEOUT / 2).map_err(|error| {
            let problem = match error {
                ClientError::NoRoots { problem, .. } => {
                    format!("the system has no certificates to trust ({problem})")
                }
                other => other.to_string(),
            };
            GitHubError::Tls { host: host.to_owned(), problem }
        })?;
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(GitHub::over(http, config, token, Timestamp::now))
    }

    /// Makes a client over any HTTP service: one in the same process needs no socket. `clock` is what pauses are
    /// measured with.
    pub fn over<S, B>(service: S, config: &Github, token: TokenSource, clock: fn() -> Timestamp) -> Self
    where
        S: Service<Request<OctoBody>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        // The token is not octocrab's: its clients keep one for life.
        let built: Result<_, Infallible> =
            OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build();
        let Ok(crab) = built;
        GitHub {
            api: Arc::new(Api::new(crab, base(config).trim_end_matches('/').to_owned(), token, clock)),
            owner: config.user.clone(),
            name: config.repo.clone(),
        }
    }

    /// Sets another pause between two writes than the second that GitHub asks for: a server of one's own may need none.
    #[must_use]
    pub fn spaced(mut self, spacing: Duration) -> Self {
        if let Some(api) = Arc::get_mut(&mut self.api) {
            api.spacing = spacing;
        }
        self
    }

    /// Returns the rest of the hour's requests according to the last reply; `None` before the first, and on servers
    /// without limits.
    pub fn budget(&self) -> Option<Budget> {
        self.api.budget()
    }
}

fn base(config: &Github) -> &str {
    config.base_url.as_deref().unwrap_or(PUBLIC)
}
