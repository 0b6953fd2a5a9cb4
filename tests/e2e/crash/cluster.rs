//! The clusters of these tests: API servers behind fault proxies, which the cases use in turn. One Prometheus serves all:
//! the names of volumes differ.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::{
    Cluster, ClusterOptions, ControllerCommand, CsiDriver, Exporter, FaultProxy, Prometheus,
    PrometheusOptions,
};
use autopilot_tests::{ClusterPool, PooledCluster, SharedPool, controllers, install};
use kube::Client;
use tokio::sync::OnceCell;

/// Nearly all of the time is waiting: many clusters cost little.
const CLUSTERS: usize = 8;

static POOL: SharedPool<Pool> = SharedPool::new();

struct Pool {
    clusters: Arc<ClusterPool<ProxiedCluster>>,
    metrics: OnceCell<Arc<Metrics>>,
}

/// The metrics of all clusters.
pub(crate) struct Metrics {
    prometheus: Prometheus,
    /// Scraped four times a second.
    pub(crate) exporter: Exporter,
}

/// A cluster with CRDs, permissions and configuration, the proxy in front of it, and its storage. No binder: `CsiDriver`
/// binds, and starting takes half the time.
pub(crate) struct ProxiedCluster {
    // Ends first.
    pub(crate) csi: CsiDriver,
    /// Between the controllers and the API server.
    pub(crate) proxy: FaultProxy,
    /// etcd and the API server.
    pub(crate) servers: Cluster,
    command: ControllerCommand,
}

/// A cluster while a case uses it.
pub(crate) struct CaseCluster {
    cluster: PooledCluster<ProxiedCluster>,
    /// The administrator's, past the proxy. Belongs to the runtime of the test that took the cluster.
    pub(crate) client: Client,
    pub(crate) metrics: Arc<Metrics>,
}

/// Keeps idle clusters running while a test takes one after the other.
pub(crate) struct Clusters(Arc<Pool>);

/// Returns the clusters of this process.
pub(crate) fn clusters() -> Clusters {
    Clusters(
        POOL.get(|| Pool { clusters: Arc::new(ClusterPool::new(pool_size())), metrics: OnceCell::new() }),
    )
}

/// Returns how many clusters may run at once.
pub(crate) fn pool_size() -> usize {
    ClusterPool::<ProxiedCluster>::size(CLUSTERS)
}

impl Clusters {
    /// Waits for a free cluster. Starts one if none idles.
    pub(crate) async fn take(&self) -> Result<CaseCluster> {
        let metrics = Arc::clone(self.0.metrics.get_or_try_init(Metrics::start).await?);
        let cluster = self.0.clusters.take(async || ProxiedCluster::start(&metrics).await).await?;
        let client = cluster.servers.admin_client().await?;
        Ok(CaseCluster { cluster, client, metrics })
    }
}

impl CaseCluster {
    /// Marks it as not to be used again: what is left in it is unknown.
    pub(crate) fn spoil(&self) {
        self.cluster.spoil();
    }
}

impl Deref for CaseCluster {
    type Target = ProxiedCluster;

    fn deref(&self) -> &ProxiedCluster {
        &self.cluster
    }
}

impl Drop for CaseCluster {
    fn drop(&mut self) {
        // The next case begins without the faults of this one.
        self.cluster.proxy.clear_rules();
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

impl ProxiedCluster {
    async fn start(metrics: &Metrics) -> Result<ProxiedCluster> {
        let options = ClusterOptions::without_binder();
        let servers = Cluster::start(options).await?;
        install::crds_and_permissions(&servers).await?;
        let config = install::prometheus_config(metrics.prometheus.url(), "");
        install::configuration(&servers, &config).await?;
        let csi = CsiDriver::start(&servers).await?;
        csi.storage_class("fast", true).await?;
        let token = servers.service_account_token("kube-system", "autopilot").await?;
        let proxy = FaultProxy::to_cluster(&servers)?;
        let kubeconfig = servers.kubeconfig(&token, Some(&proxy.url()))?;
        let command = controllers::command(&kubeconfig, &[]).context("the controller's binary")?;
        Ok(ProxiedCluster { csi, proxy, servers, command })
    }

    /// Returns the command line of a controller behind the proxy with the shipped permissions; arguments and log are to be
    /// added.
    pub(crate) fn command(&self) -> ControllerCommand {
        self.command.clone()
    }
}
