//! The proxy, as tests use it.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::{Notify, broadcast, watch as signal};

use super::forward;
use super::order::{Order, Pattern};
use super::record::Recorded;
use super::rule::{Action, Hook, KillWhen, Match, RuleId};
use super::shared::{ProxyShared, Upstream};
use crate::cluster::Cluster;
use crate::http_server::Server;
use crate::lock::lock;
use crate::wait::wait_for;

/// The proxy; dropping it closes its port and all connections.
pub struct FaultProxy {
    server: Server,
    shared: Arc<ProxyShared>,
}

/// Tells whether a hook has run.
#[derive(Debug, Clone)]
pub struct Fired(signal::Receiver<bool>);

impl Fired {
    /// Returns whether it has run.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it has run.
    ///
    /// # Errors
    /// When `limit` passes.
    pub async fn wait(&self, limit: Duration) -> Result<()> {
        wait_for("the proxy's hook to run", limit, async || Ok(self.has_fired().then_some(()))).await
    }
}

impl FaultProxy {
    /// Starts one in front of a cluster's API; give [`Cluster::kubeconfig`] its [`Self::url`]. Clients keep their own
    /// tokens.
    ///
    /// # Errors
    /// When the cluster's certificate cannot be read.
    pub fn to_cluster(cluster: &Cluster) -> Result<Self> {
        Self::start(cluster.url(), Some(&cluster.ca_file()))
    }

    /// Starts one in front of a plain `http://HOST:PORT`, e.g. Prometheus or [`crate::GitHub`].
    ///
    /// # Errors
    /// When no port can be had.
    pub fn to_plain(url: &str) -> Result<Self> {
        Self::start(url, None)
    }

    fn start(url: &str, ca_file: Option<&Path>) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        if let Some(file) = ca_file {
            let pem =
                CertificateDer::pem_file_iter(file).with_context(|| format!("read {}", file.display()))?;
            for certificate in pem {
                roots.add(certificate?)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
        let shared = Arc::new(ProxyShared {
            upstream: Upstream { url: url.trim_end_matches('/').to_owned(), client },
            counted: Mutex::new(Arc::new(is_counted)),
            rules: Mutex::default(),
            log: Mutex::default(),
            orders: broadcast::channel(64).0,
            held: signal::channel(Vec::new()).0,
            open_watches: AtomicUsize::new(0),
            thaw: Notify::new(),
        });
        let handled = Arc::clone(&shared);
        let server = Server::start(move |request| forward::handle(Arc::clone(&handled), request))?;
        Ok(Self { server, shared })
    }

    /// Returns its address (`http://127.0.0.1:PORT`).
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Adds a rule. Of the rules that match a request the first one added decides, except that delays add up.
    pub fn rule(&self, when: Match, action: Action) -> RuleId {
        lock(&self.shared.rules).add(when, action)
    }

    /// Takes a rule away; requests it holds (a delay) go on as they were.
    pub fn remove(&self, rule: RuleId) {
        lock(&self.shared.rules).remove(rule);
    }

    /// Takes all rules away, hooks too, lets held watches flow, and closes what is frozen.
    pub fn clear_rules(&self) {
        lock(&self.shared.rules).clear();
        self.shared.thaw.notify_waiters();
        self.release_watches();
    }

    /// Returns how often a rule has been applied.
    #[must_use]
    pub fn applied(&self, rule: RuleId) -> usize {
        lock(&self.shared.rules).applied(rule)
    }

    /// Calls `hook` (which kills the controller) when the `n`-th counted write comes by, counted from 1 since the start or
    /// [`Self::clear_log`], and never answers that write.
    pub fn kill_at(&self, n: usize, when: KillWhen, hook: impl FnOnce() + Send + 'static) -> Fired {
        self.kill_on(Match::writes().write(n), when, hook)
    }

    /// Does the same at the first request that matches.
    pub fn kill_on(&self, request: Match, when: KillWhen, hook: impl FnOnce() + Send + 'static) -> Fired {
        let (fired, seen) = signal::channel(false);
        let hook = Hook::new(when, hook, fired);
        self.rule(request.times(1), Action::Kill(Arc::new(hook)));
        Fired(seen)
    }

    /// Loses the answer to the `n`-th counted write (as in [`Self::kill_at`]), which takes effect.
    pub fn drop_answer_at(&self, n: usize) -> RuleId {
        self.rule(Match::writes().write(n).times(1), Action::DropAnswer)
    }

    /// Sets which requests have a write index; the path comes with its query. At first: those that change something,
    /// without leases, tokens and reviews.
    pub fn count_writes(&self, counted: impl Fn(&Method, &str) -> bool + Send + Sync + 'static) {
        *lock(&self.shared.counted) = Arc::new(counted);
    }

    /// Breaks the open watches whose path contains `path` (`""`: all). Returns how many watches of any path were open.
    pub fn cut_watches(&self, path: &str) -> usize {
        self.order(Order::Cut(Pattern(path.into())))
    }

    /// Ends the open watches whose path contains `path` (`""`: all) with the event that says 410 Expired. Returns how many
    /// watches of any path were open.
    pub fn expire_watches(&self, path: &str) -> usize {
        self.order(Order::Expire(Pattern(path.into())))
    }

    fn order(&self, order: Order) -> usize {
        let open = self.open_watches();
        // Without a watch there is nobody to take it.
        let _ = self.shared.orders.send(order);
        open
    }

    /// Keeps back the events of watches, open or to come, whose path contains `path` (`""`: all): their readers' caches grow
    /// stale. Nothing is lost.
    pub fn hold_watches(&self, path: &str) {
        self.shared.held.send_modify(|held| held.push(Pattern(path.into())));
    }

    /// Lets all that was kept back flow.
    pub fn release_watches(&self) {
        self.shared.held.send_modify(Vec::clear);
    }

    /// Returns how many watches are open.
    #[must_use]
    pub fn open_watches(&self) -> usize {
        self.shared.open_watches.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Returns the requests so far, oldest first (the last 50,000).
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.log).requests.iter().cloned().collect()
    }

    /// Returns the counted writes so far, oldest first.
    #[must_use]
    pub fn writes(&self) -> Vec<Recorded> {
        lock(&self.shared.log).requests.iter().filter(|request| request.write.is_some()).cloned().collect()
    }

    /// Returns how many counted writes came by.
    #[must_use]
    pub fn write_count(&self) -> usize {
        lock(&self.shared.log).writes
    }

    /// Forgets the requests, and counts writes from 1 again.
    pub fn clear_log(&self) {
        let mut log = lock(&self.shared.log);
        log.requests.clear();
        log.writes = 0;
    }
}

/// Returns whether a request counts as a write. Leases and tokens come by the clock, reviews change nothing: a test
/// that counts writes wants none of them.
fn is_counted(method: &Method, path: &str) -> bool {
    const UNCOUNTED: [&str; 3] =
        ["/apis/coordination.k8s.io/", "/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/"];
    let resource = path.split('?').next().unwrap_or(path);
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
        && !UNCOUNTED.iter().any(|prefix| resource.starts_with(prefix))
        && !resource.ends_with("/token")
}
