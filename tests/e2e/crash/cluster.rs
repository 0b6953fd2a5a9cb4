//! Lanes: clusters behind fault proxies that the tests take in turn. One Prometheus for all: names of volumes differ.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::{
    Cluster, ClusterOptions, ControllerCommand, CsiDriver, Exporter, FaultProxy, Prometheus,
    PrometheusOptions,
};
use kube::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Metrics of all lanes.
pub struct Metrics {
    prometheus: Prometheus,
    /// What Prometheus scrapes, four times a second.
    pub exporter: Exporter,
}

/// What a lane is made of.
struct Parts {
    // Ends first.
    csi: CsiDriver,
    proxy: FaultProxy,
    cluster: Cluster,
    command: ControllerCommand,
}

/// A cluster with CRDs, permissions and configuration, the proxy in front of it, and its storage. No binder: `CsiDriver`
/// binds, and starting takes half the time.
pub struct Lane {
    parts: Option<Parts>,
    /// As administrator, past the proxy. Belongs to the runtime of the test that took the lane.
    pub client: Client,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Something went wrong in it: not used again.
    pub spoilt: std::sync::atomic::AtomicBool,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

struct Pool {
    idle: Mutex<Vec<Parts>>,
    permits: Arc<Semaphore>,
    metrics: tokio::sync::OnceCell<Arc<Metrics>>,
}

/// Lives as long as a test needs it, so that everything ends with the last one.
static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());

/// How many lanes there are: `AUTOPILOT_LANES`, else 8: nearly all of the time is waiting.
pub fn lanes() -> usize {
    std::env::var("AUTOPILOT_LANES").ok().and_then(|n| n.parse().ok()).unwrap_or(8).max(1)
}

/// Keeps idle lanes running while a test takes one after the other.
pub struct Keep(Arc<Pool>);

/// The lanes of this process.
pub fn keep() -> Keep {
    let mut known = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    Keep(known.upgrade().unwrap_or_else(|| {
        let pool = Arc::new(Pool {
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(lanes())),
            metrics: tokio::sync::OnceCell::new(),
        });
        *known = Arc::downgrade(&pool);
        pool
    }))
}

impl Keep {
    /// Waits for a free lane; starts one when none idles.
    pub async fn lane(&self) -> Result<Lane> {
        let pool = Arc::clone(&self.0);
        let permit = Arc::clone(&pool.permits).acquire_owned().await?;
        let metrics = Arc::clone(pool.metrics.get_or_try_init(Metrics::start).await?);
        let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let parts = match idle {
            Some(parts) => parts,
            None => Parts::start(&metrics).await?,
        };
        let client = parts.cluster.admin_client().await?;
        let spoilt = std::sync::atomic::AtomicBool::new(false);
        Ok(Lane { parts: Some(parts), client, metrics, spoilt, pool, _permit: permit })
    }
}

impl Lane {
    #[expect(clippy::expect_used, reason = "taken out in drop only")]
    fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("a lane has its parts until it is dropped")
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.parts().cluster
    }

    /// The faults.
    pub fn proxy(&self) -> &FaultProxy {
        &self.parts().proxy
    }

    /// The storage.
    pub fn csi(&self) -> &CsiDriver {
        &self.parts().csi
    }

    /// A controller behind the proxy with the shipped permissions; arguments and log are to be added.
    pub fn command(&self) -> ControllerCommand {
        self.parts().command.clone()
    }

    /// Says that what is left in the lane is not known.
    pub fn spoil(&self) {
        self.spoilt.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let spoilt = self.spoilt.load(std::sync::atomic::Ordering::Relaxed) || std::thread::panicking();
        if let Some(parts) = self.parts.take().filter(|_| !spoilt) {
            parts.proxy.clear_rules();
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(parts);
        }
    }
}

impl Metrics {
    async fn start() -> Result<Arc<Metrics>> {
        let exporter = Exporter::start()?;
        let prometheus = Prometheus::start(PrometheusOptions {
            targets: vec![exporter.target()],
            scrape_interval: Duration::from_millis(250),
            ..PrometheusOptions::default()
        })
        .await?;
        Ok(Arc::new(Metrics { prometheus, exporter }))
    }
}

impl Parts {
    async fn start(metrics: &Metrics) -> Result<Parts> {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await?;
        let folder = |path: &str| format!("{}/../deploy/{path}", env!("CARGO_MANIFEST_DIR"));
        let (crds, rbac) = (folder("crds"), folder("rbac"));
        cluster.kubectl(&["apply", "-f", &crds, "-f", &rbac]).await?.ok()?;
        cluster
            .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &crds])
            .await?
            .ok()?;
        let config = format!(
            "providers:\n- name: default\n  type: prometheus\n  params: url={},timeout=3\nmin_poll_interval: 1\n",
            metrics.prometheus.url()
        );
        let map = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "autopilot-config", "namespace": "kube-system" },
            "data": { "config.yaml": config },
        });
        cluster.apply(&map.to_string()).await?;
        let csi = CsiDriver::start(&cluster).await?;
        csi.storage_class("fast", true).await?;
        let token = cluster.service_account_token("kube-system", "autopilot").await?;
        let proxy = FaultProxy::to_cluster(&cluster)?;
        let kubeconfig = cluster.kubeconfig(&token, Some(&proxy.url()))?;
        let command = ControllerCommand::new([
            "--metrics-addr",
            "127.0.0.1:0",
            "--log-level",
            "debug,hyper=info,kube=info,tower=info",
        ])
        .context("the controller's binary")?
        .env("KUBECONFIG", kubeconfig);
        Ok(Parts { csi, proxy, cluster, command })
    }
}
