//! A real Prometheus.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::binaries::Binaries;
use crate::fetch;
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::temp::TempDir;
use crate::wait::wait_for;

const READY: Duration = Duration::from_secs(60);

/// The targets, and how they are scraped.
#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// `host:port` of the exporters.
    pub targets: Vec<String>,
    /// The interval between two scrapes.
    pub scrape_interval: Duration,
    /// More flags, e.g. `--query.lookback-delta=3s`.
    pub flags: Vec<String>,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self { targets: Vec::new(), scrape_interval: Duration::from_secs(1), flags: Vec::new() }
    }
}

/// A running Prometheus; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    process: Mutex<Process>,
    spec: Spec,
    url: String,
    scrape_interval: Duration,
    dir: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it is ready. The exporters' own labels win (`honor_labels`).
    ///
    /// # Errors
    /// When it is not installed, or does not get ready.
    pub async fn start(options: PrometheusOptions) -> Result<Self> {
        let program = Binaries::locate().await?.get("prometheus")?;
        let dir = TempDir::new("prometheus")?;
        let port = free_port()?;
        let mut args = vec![
            format!("--config.file={}", dir.join("prometheus.yml").display()).into(),
            format!("--storage.tsdb.path={}", dir.join("tsdb").display()).into(),
            format!("--web.listen-address=127.0.0.1:{port}").into(),
            "--web.enable-lifecycle".into(),
            "--log.level=warn".into(),
        ];
        args.extend(options.flags.iter().map(Into::into));
        let spec = Spec {
            name: "prometheus".into(),
            program,
            args,
            env: Vec::new(),
            log: dir.join("prometheus.log"),
        };
        write_config(&dir, &options.targets, options.scrape_interval)?;
        let prometheus = Self {
            process: Mutex::new(Process::spawn(spec.clone())?),
            spec,
            url: format!("http://127.0.0.1:{port}"),
            scrape_interval: options.scrape_interval,
            dir,
        };
        prometheus.wait_ready().await?;
        Ok(prometheus)
    }

    /// Returns its address (`http://127.0.0.1:PORT`), the same after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it; its port refuses connections until [`Self::restart`].
    pub async fn stop(&self) {
        self.process.lock().await.kill9();
    }

    /// Kills it if it runs, and starts it again with its data on the same port.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await;
        let process = Process::spawn(self.spec.clone())?;
        *self.process.lock().await = process;
        self.wait_ready().await
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn freeze(&self) -> Result<()> {
        self.process.lock().await.signal("STOP")
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn thaw(&self) -> Result<()> {
        self.process.lock().await.signal("CONT")
    }

    /// Scrapes other targets from now on.
    ///
    /// # Errors
    /// When the configuration cannot be written or loaded.
    pub async fn set_targets(&self, targets: &[String]) -> Result<()> {
        write_config(&self.dir, targets, self.scrape_interval)?;
        let (status, body) = fetch::post(&format!("{}/-/reload", self.url), "").await?;
        ensure!(status.is_success(), "prometheus reload: {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Returns the `data.result` of an instant query.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let form = format!("query={}", fetch::encode(query));
        let (status, body) = fetch::post(&format!("{}/api/v1/query", self.url), &form).await?;
        ensure!(status.is_success(), "query '{query}': {status}: {}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body)?;
        let result = answer.pointer("/data/result").and_then(Value::as_array);
        result.cloned().with_context(|| format!("query '{query}': no result in {answer}"))
    }

    /// Waits until an instant query gives at least one sample, and returns all.
    ///
    /// # Errors
    /// When `limit` passes.
    pub async fn wait_for_series(&self, query: &str, limit: Duration) -> Result<Vec<Value>> {
        wait_for(&format!("samples of '{query}'"), limit, async || {
            Ok(Some(self.query(query).await?).filter(|samples| !samples.is_empty()))
        })
        .await
    }

    async fn wait_ready(&self) -> Result<()> {
        let address = format!("{}/-/ready", self.url);
        let process = self.process.lock().await;
        process.ready(READY, async || Ok(fetch::get(&address).await?.0.is_success().then_some(()))).await
    }
}

fn write_config(dir: &TempDir, targets: &[String], interval: Duration) -> Result<()> {
    let interval = format!("{}ms", interval.as_millis());
    let config = json!({
        "global": { "scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval },
        "scrape_configs": [{
            "job_name": "volumes",
            "honor_labels": true,
            "static_configs": [{ "targets": targets }],
        }],
    });
    let path = dir.join("prometheus.yml");
    // JSON is YAML.
    std::fs::write(&path, serde_json::to_vec_pretty(&config)?)
        .with_context(|| format!("write {}", path.display()))
}
