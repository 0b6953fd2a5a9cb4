//! Installing: the shipped manifests and a configuration.

use std::path::PathBuf;

use anyhow::Result;
use autopilot_stack::Cluster;
use serde_json::json;

/// Returns the path of a file or folder of the checkout.
pub fn checkout(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Applies the CRDs with `kubectl` and waits until the API server serves them.
///
/// # Errors
/// When `kubectl` fails.
pub async fn crds(cluster: &Cluster) -> Result<()> {
    apply(cluster, &["deploy/crds"]).await
}

/// Applies CRDs and permissions with `kubectl`, as a person would.
///
/// # Errors
/// When `kubectl` fails.
pub async fn crds_and_permissions(cluster: &Cluster) -> Result<()> {
    apply(cluster, &["deploy/crds", "deploy/rbac"]).await
}

/// Applies folders of which the first holds the CRDs.
async fn apply(cluster: &Cluster, folders: &[&str]) -> Result<()> {
    let folders: Vec<String> = folders.iter().map(|f| checkout(f).to_string_lossy().into_owned()).collect();
    let mut args = vec!["apply"];
    for folder in &folders {
        args.extend(["-f", folder]);
    }
    cluster.kubectl(&args).await?.ok()?;
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &folders[0]];
    cluster.kubectl(&wait).await?.ok()?;
    Ok(())
}

/// Returns a configuration with metrics at `url`, passes every second, and the lines of `more`.
pub fn prometheus_config(url: &str, more: &str) -> String {
    format!(
        "providers:\n- name: default\n  type: prometheus\n  params: url={url},timeout=3\nmin_poll_interval: 1\n{more}"
    )
}

/// Writes a text into the controller's ConfigMap.
///
/// # Errors
/// When the API refuses.
pub async fn configuration(cluster: &Cluster, text: &str) -> Result<()> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "autopilot-config", "namespace": "kube-system" },
        "data": { "config.yaml": text },
    });
    cluster.apply(&map.to_string()).await?;
    Ok(())
}
