//! The command lines of a cluster's servers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::binaries::Binaries;
use crate::cluster_options::{ADMIN_TOKEN, ClusterOptions};
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::temp::TempDir;

/// The controllers of kube-controller-manager that run. Without the aggregation the roles view, edit and admin are empty.
const CONTROLLERS: [&str; 4] = [
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
];

fn flag(name: &str, value: &dyn std::fmt::Display) -> std::ffi::OsString {
    format!("--{name}={value}").into()
}

/// Makes the key that signs service accounts' tokens, and beside it, as `sa.pub`, the one that checks them: the server
/// does not take the public part out of a private EC key.
pub(crate) async fn service_account_key(dir: &TempDir) -> Result<PathBuf> {
    let key = dir.join("sa.key");
    openssl(
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-out".as_ref(), &key],
    )
    .await?;
    openssl(&["pkey", "-pubout"], &["-in".as_ref(), &key, "-out".as_ref(), &key.with_extension("pub")])
        .await?;
    Ok(key)
}

async fn openssl(args: &[&str], files: &[&Path]) -> Result<()> {
    let output = tokio::process::Command::new("openssl")
        .args(args)
        .args(files)
        .output()
        .await
        .context("run openssl (package openssl)")?;
    anyhow::ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Starts etcd. Returns it with its address.
pub(crate) fn start_etcd(binaries: &Binaries, dir: &TempDir) -> Result<(Process, String)> {
    let client = format!("http://127.0.0.1:{}", free_port()?);
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let process = Process::spawn(Spec {
        name: "etcd".into(),
        program: binaries.get("etcd")?,
        args: vec![
            flag("data-dir", &dir.join("etcd").display()),
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", &format!("default={peer}")),
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
        ],
        env: Vec::new(),
        log: dir.join("etcd.log"),
    })?;
    Ok((process, client))
}

/// Starts kube-controller-manager, as the administrator of that kubeconfig.
pub(crate) fn start_controller_manager(
    binaries: &Binaries,
    dir: &TempDir,
    key: &Path,
    kubeconfig: &Path,
) -> Result<Process> {
    Process::spawn(Spec {
        name: "kube-controller-manager".into(),
        program: binaries.get("kube-controller-manager")?,
        args: vec![
            flag("kubeconfig", &kubeconfig.display()),
            "--leader-elect=false".into(),
            "--secure-port=0".into(),
            flag("service-account-private-key-file", &key.display()),
            flag("controllers", &CONTROLLERS.join(",")),
            // Thousands of claims are bound in some tests; the defaults are 20 and 30.
            "--kube-api-qps=1000".into(),
            "--kube-api-burst=2000".into(),
            "--profiling=false".into(),
        ],
        env: Vec::new(),
        log: dir.join("controller-manager.log"),
    })
}

/// Returns the command line of kube-apiserver; the same starts it again.
pub(crate) fn apiserver_spec(
    binaries: &Binaries,
    dir: &TempDir,
    options: &ClusterOptions,
    key: &Path,
    port: u16,
    etcd: &str,
) -> Result<Spec> {
    let tokens = dir.join("tokens.csv");
    let mut lines = format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n");
    for user in &options.users {
        writeln!(lines, "{},{},{},\"{}\"", user.token, user.name, user.name, user.groups.join(","))?;
    }
    std::fs::write(&tokens, lines)?;
    let mut args = vec![
        flag("etcd-servers", &etcd),
        flag("cert-dir", &dir.join("apiserver").display()),
        flag("secure-port", &port),
        "--bind-address=127.0.0.1".into(),
        // Else the server looks for the address of a default route, and a sandbox may have none.
        "--advertise-address=127.0.0.1".into(),
        "--external-hostname=127.0.0.1".into(),
        // No endpoints of the service 'kubernetes': loopback is not allowed there, and nothing routes to it.
        "--endpoint-reconciler-type=none".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        flag("service-account-key-file", &key.with_extension("pub").display()),
        flag("service-account-signing-key-file", &key.display()),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--authorization-mode=RBAC".into(),
        flag("token-auth-file", &tokens.display()),
        // Its finalizers are taken off by controllers that do not run here: a deleted claim would never go.
        "--disable-admission-plugins=StorageObjectInUseProtection".into(),
        "--profiling=false".into(),
    ];
    if let Some(ttl) = options.event_ttl {
        args.push(flag("event-ttl", &format!("{}s", ttl.as_secs())));
    }
    args.extend(options.apiserver_flags.iter().map(Into::into));
    Ok(Spec {
        name: "kube-apiserver".into(),
        program: binaries.get("kube-apiserver")?,
        args,
        env: Vec::new(),
        log: dir.join("apiserver.log"),
    })
}
