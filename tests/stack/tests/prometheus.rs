//! A real Prometheus that scrapes the harness's exporter.

use std::time::Duration;

use anyhow::Result;
use autopilot_stack::{Exporter, Prometheus, PrometheusOptions, wait_for};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_series_of_the_exporter_is_queried_until_it_is_removed() -> Result<()> {
    let exporter = Exporter::start()?;
    let labels = [("volumename", "pvc-1"), ("note", "a \"quoted\\\" one")];
    exporter.set("px_volume_usage_bytes", &labels, 6e9);
    let prometheus = Prometheus::start(PrometheusOptions {
        targets: vec![exporter.target()],
        scrape_interval: Duration::from_millis(200),
        flags: vec!["--query.lookback-delta=2s".into()],
    })
    .await?;

    let samples = prometheus.wait_for_series("px_volume_usage_bytes > 5e9", LIMIT).await?;
    assert_eq!(samples.len(), 1, "{samples:?}");
    let sample = samples.first().cloned().unwrap_or_default();
    assert_eq!(sample.pointer("/value/1").and_then(|value| value.as_str()), Some("6000000000"));
    assert_eq!(sample.pointer("/metric/note").and_then(|value| value.as_str()), Some("a \"quoted\\\" one"));

    exporter.remove("px_volume_usage_bytes", &labels);
    wait_for("the series to be gone", LIMIT, async || {
        Ok(prometheus.query("px_volume_usage_bytes").await?.is_empty().then_some(()))
    })
    .await?;

    // Other targets, and a restart, at the same address.
    let other = Exporter::start()?;
    other.set("other", &[], f64::INFINITY);
    prometheus.set_targets(&[other.target()]).await?;
    prometheus.wait_for_series("other", LIMIT).await?;
    prometheus.stop().await;
    assert!(prometheus.query("other").await.is_err());
    prometheus.restart().await?;
    prometheus.wait_for_series("other", LIMIT).await?;
    Ok(())
}
