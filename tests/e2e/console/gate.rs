//! A gate before the API server: it passes bytes on, counts who comes, can be shut, and breaks what is open.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::lock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Shared {
    upstream: SocketAddr,
    came: Mutex<Vec<Instant>>,
    /// Whether it is open. Every change breaks all connections.
    open: watch::Sender<bool>,
}

/// The gate; dropping it closes its port.
pub(crate) struct Gate {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Gate {
    /// Opens a gate before a server, by its address (`https://127.0.0.1:PORT`).
    pub(crate) async fn before(server: &str) -> Result<Gate> {
        let (scheme, upstream) = server.split_once("://").context("no scheme")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let came = Mutex::default();
        let shared = Arc::new(Shared { upstream: upstream.parse()?, came, open: watch::channel(true).0 });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Gate { url, shared, task })
    }

    /// Returns its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections; who comes next is let in.
    pub(crate) fn cut(&self) {
        self.shared.open.send_replace(true);
    }

    /// Lets in whoever connects from now on.
    pub(crate) fn open(&self) {
        self.cut();
    }

    /// Breaks all connections from now on.
    pub(crate) fn shut(&self) {
        self.shared.open.send_replace(false);
    }

    /// Returns how many connected since then.
    pub(crate) fn came(&self, since: Instant) -> usize {
        let came = lock(&self.shared.came);
        came.iter().filter(|at| **at >= since).count()
    }

    /// Checks that connections since then came at most once a second.
    pub(crate) fn calm(&self, since: Instant) -> Result<()> {
        let came = lock(&self.shared.came);
        let times: Vec<Duration> = came.iter().filter_map(|at| at.checked_duration_since(since)).collect();
        let limit = since.elapsed().as_secs() + 1;
        ensure!(times.len() as u64 <= limit, "{} connections in {limit} s: {times:?}", times.len());
        let close = times.windows(3).find(|t| t[2] - t[0] < Duration::from_millis(1500));
        ensure!(close.is_none(), "connections too close: {close:?} of {times:?}");
        Ok(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
        self.shut();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((mut near, _)) = listener.accept().await {
        lock(&shared.came).push(Instant::now());
        let mut open = shared.open.subscribe();
        if !*open.borrow_and_update() {
            continue;
        }
        let upstream = shared.upstream;
        tokio::spawn(async move {
            let passed = async {
                let mut far = TcpStream::connect(upstream).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            };
            // Whoever ends it, it is over for both.
            tokio::select! {
                _ = passed => {}
                _ = open.changed() => {}
            }
        });
    }
}
