//! The manifests in `deploy/`, and the guide's commands on them.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use autopilot_stack::{Cluster, ClusterOptions};
use autopilot_tests::{Scene, SceneOptions};
use serde_json::Value;

fn deploy() -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_is_applied_strictly_and_the_guides_commands_find_it() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::without_binder()).await?;
    let rendered = cluster.kubectl(&["kustomize", &deploy()]).await?.ok()?;
    for field in ["status:", "creationTimestamp:"] {
        ensure!(!rendered.lines().any(|l| l == field), "{field}");
    }
    let said = cluster.kubectl_stdin(&["apply", "--validate=strict", "-f", "-"], &rendered).await?;
    ensure!(!said.stderr.contains("Warning"), "{}", said.stderr);
    said.ok()?;
    // A second time, by the other way, changes nothing and meets no conflict.
    let again = cluster.kubectl(&["apply", "--validate=strict", "-k", &deploy()]).await?.ok()?;
    ensure!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let server_side = ["apply", "--server-side", "--validate=strict", "-k", &deploy()];
    cluster.kubectl(&server_side).await?.ok()?;

    let get = async |args: &[&str]| -> Result<Value> {
        let args = [&["get", "-n", "kube-system", "-o", "json"], args].concat();
        Ok(serde_json::from_str(&cluster.kubectl(&args).await?.ok()?)?)
    };
    let labels = get(&["deployments", "-l", "name=autopilot,tier=control-plane"]).await?;
    ensure!(labels["items"].as_array().is_some_and(|items| items.len() == 1), "{labels}");
    let deployment = get(&["deployment", "autopilot"]).await?;
    let template = &deployment["spec"]["template"];
    ensure!(
        template["metadata"]["labels"] == serde_json::json!({ "name": "autopilot", "tier": "control-plane" })
    );
    ensure!(template["spec"]["serviceAccountName"] == "autopilot" && deployment["spec"]["replicas"] == 1);
    let service = get(&["service", "autopilot"]).await?;
    ensure!(service["spec"]["ports"][0]["port"] == 9628, "{service}");
    let selector = service["spec"]["selector"].as_object().cloned().unwrap_or_default();
    ensure!(!selector.is_empty(), "{service}");
    for (label, value) in selector {
        ensure!(
            template["metadata"]["labels"][&label] == value,
            "the Service finds the pod by {label}={value}"
        );
    }
    let port = &template["spec"]["containers"][0]["ports"][0];
    ensure!(
        port["containerPort"] == 9628 && port["name"] == service["spec"]["ports"][0]["targetPort"],
        "{port}"
    );
    let config = get(&["configmap", "autopilot-config"]).await?;
    let text = config["data"]["config.yaml"].as_str().unwrap_or_default();
    autopilot_shared::config::Config::parse(text)?;
    for kind in ["autopilotrules", "autopilotruleobjects", "actionapprovals", "ar", "aro", "aa"] {
        cluster.kubectl(&["get", kind, "-A"]).await?.ok()?;
    }
    Ok(())
}

/// The flags of the Deployment are those of the binary: it starts with them, on another port.
#[tokio::test(flavor = "multi_thread")]
async fn the_binary_takes_the_arguments_of_the_deployment() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let rendered = scene.cluster.kubectl(&["kustomize", &deploy()]).await?.ok()?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&rendered)?;
    let deployment = documents.iter().find(|d| d["kind"] == "Deployment").cloned().unwrap_or_default();
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    ensure!(!args.is_empty(), "{deployment}");
    // The scene gives its own address and level: a test takes no fixed port.
    let own = |arg: &str| arg.starts_with("--metrics-addr") || arg.starts_with("--log-level");
    let args: Vec<&str> = args.iter().filter_map(Value::as_str).filter(|arg| !own(arg)).collect();
    let server = scene.cluster.url().to_owned();
    scene.controller_at(&server, &args).await?;
    scene.running()?.wait_for_log("deciding begins", std::time::Duration::from_secs(40)).await?;
    Ok(())
}
