//! A Kubernetes API with RBAC: etcd, kube-apiserver and, unless switched off, kube-controller-manager.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::sync::Mutex;

use crate::binaries::Binaries;
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::temp::TempDir;
use crate::wait::wait_for;

/// The token of the administrator (group `system:masters`).
pub const ADMIN_TOKEN: &str = "stack-admin";

/// What of kube-controller-manager runs. Without the aggregation the roles view, edit and admin are empty.
const CONTROLLERS: [&str; 4] = [
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
];

const READY: Duration = Duration::from_secs(90);

/// Somebody who may ask the API, with a static token. What they may do, RBAC says.
#[derive(Debug, Clone)]
pub struct User {
    /// The bearer token.
    pub token: String,
    /// The name that RBAC and the audit see.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Whether to start kube-controller-manager with the garbage collector, the binder, and the
    /// controllers of namespaces and of aggregated roles (without it, the roles view, edit and admin are empty).
    pub controller_manager: bool,
    /// Users besides the administrator.
    pub users: Vec<User>,
    /// How long events live; the server's default is an hour.
    pub event_ttl: Option<Duration>,
    /// More flags for kube-apiserver.
    pub apiserver_flags: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            controller_manager: true,
            users: Vec::new(),
            event_ttl: None,
            apiserver_flags: Vec::new(),
        }
    }
}

/// A running cluster; dropping it ends its servers and removes its files.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: the writers before the store, the folder last.
    controller_manager: Option<Process>,
    apiserver: Mutex<Process>,
    _etcd: Process,
    apiserver_spec: Spec,
    url: String,
    has_binder: bool,
    pub(crate) kubectl: PathBuf,
    pub(crate) dir: TempDir,
}

impl Cluster {
    /// Starts it and waits until `/readyz` answers (about 5 s on two idle cores).
    ///
    /// # Errors
    /// When a binary is missing, or a server does not get ready; the message holds the end of its log.
    pub async fn start(options: ClusterOptions) -> Result<Self> {
        let binaries = Binaries::locate().await?;
        let dir = TempDir::new("cluster")?;
        let key = service_account_key(&dir).await?;
        let (etcd, etcd_url) = start_etcd(&binaries, &dir)?;
        let port = free_port()?;
        let spec = apiserver_spec(&binaries, &dir, &options, &key, port, &etcd_url)?;
        let apiserver = Process::spawn(spec.clone())?;
        let mut cluster = Self {
            controller_manager: None,
            apiserver: Mutex::new(apiserver),
            _etcd: etcd,
            apiserver_spec: spec,
            url: format!("https://127.0.0.1:{port}"),
            has_binder: options.controller_manager,
            kubectl: binaries.get("kubectl")?,
            dir,
        };
        cluster.wait_ready().await?;
        if options.controller_manager {
            cluster.controller_manager = Some(cluster.start_controller_manager(&binaries, &key)?);
        }
        Ok(cluster)
    }

    /// The address of the API (`https://127.0.0.1:PORT`).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The PEM file that a client must trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("apiserver/apiserver.crt")
    }

    /// Whether the real binder runs.
    #[must_use]
    pub fn has_binder(&self) -> bool {
        self.has_binder
    }

    /// The folder with its files and logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new client with all rights. Clients belong to the runtime that first used them; ask for one per test.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub async fn admin_client(&self) -> Result<Client> {
        self.client(ADMIN_TOKEN).await
    }

    /// A new client with somebody's token.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub async fn client(&self, token: &str) -> Result<Client> {
        self.client_via(token, None).await
    }

    /// The same through another address, e.g. that of a fault proxy.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub async fn client_via(&self, token: &str, server: Option<&str>) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(token, server)?)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // A test wants the server's answer; by default the client tries 429, 503 and 504 again by itself.
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// Writes a kubeconfig with this token, and with another server's address where one is given (a plain `http://` one is
    /// fine for the controller; kubectl sends no token to it).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, token: &str, server: Option<&str>) -> Result<PathBuf> {
        let server = server.unwrap_or(&self.url);
        let mut cluster = json!({ "server": server });
        if server.starts_with("https://") {
            cluster["certificate-authority"] = json!(self.ca_file());
        }
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "stack", "cluster": cluster }],
            "users": [{ "name": "stack", "user": { "token": token } }],
            "contexts": [{ "name": "stack", "context": { "cluster": "stack", "user": "stack" } }],
            "current-context": "stack",
        });
        let name: String = format!("{token}-{server}")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        // A service account's token is longer than a file name may be; its end is its signature.
        let start = name.len().saturating_sub(150);
        let path = self.dir.join(&format!("kubeconfig{}.yaml", &name[start..]));
        // JSON is YAML. Written whole or not at all: a process may be reading it.
        let part = self.dir.join(&format!(
            ".kubeconfig{}.{:?}",
            &name[start..],
            std::thread::current().id()
        ));
        std::fs::write(&part, serde_json::to_vec_pretty(&config)?)
            .and_then(|()| std::fs::rename(&part, &path))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Creates a namespace.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let metadata = ObjectMeta {
            name: Some(name.into()),
            labels: Some(labels),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.admin_client().await?);
        api.create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("create namespace {name}"))?;
        Ok(())
    }

    /// SIGKILL of the API server, and a new one on the same port, with the same data. Returns when it is ready.
    ///
    /// # Errors
    /// When it does not get ready again.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver().await;
        self.start_apiserver().await
    }

    /// SIGKILL of the API server; its port refuses connections until [`Self::start_apiserver`].
    pub async fn stop_apiserver(&self) {
        self.apiserver.lock().await.kill9();
    }

    /// Starts the API server again after [`Self::stop_apiserver`] and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        let process = Process::spawn(self.apiserver_spec.clone())?;
        *self.apiserver.lock().await = process;
        self.wait_ready().await
    }

    /// Stops the API server in its tracks (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn freeze_apiserver(&self) -> Result<()> {
        self.apiserver.lock().await.signal("STOP")
    }

    /// Lets a frozen API server go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn thaw_apiserver(&self) -> Result<()> {
        self.apiserver.lock().await.signal("CONT")
    }

    async fn wait_ready(&self) -> Result<()> {
        let apiserver = self.apiserver.lock().await;
        apiserver
            .ready(READY, async || Ok(self.ca_file().is_file().then_some(())))
            .await?;
        let client = self.admin_client().await?;
        apiserver
            .ready(READY, async || {
                let request = http::Request::get("/readyz").body(Vec::new())?;
                Ok((client.request_text(request).await? == "ok").then_some(()))
            })
            .await?;
        // Created by the server itself a moment after it is ready.
        let namespaces: Api<Namespace> = Api::all(client);
        wait_for("namespace default", READY, async || {
            Ok(namespaces.get_opt("default").await?.map(drop))
        })
        .await
    }

    fn start_controller_manager(&self, binaries: &Binaries, key: &Path) -> Result<Process> {
        Process::spawn(Spec {
            name: "kube-controller-manager".into(),
            program: binaries.get("kube-controller-manager")?,
            args: vec![
                flag("kubeconfig", &self.kubeconfig(ADMIN_TOKEN, None)?.display()),
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
            log: self.dir.join("controller-manager.log"),
        })
    }
}

fn flag(name: &str, value: &dyn std::fmt::Display) -> std::ffi::OsString {
    format!("--{name}={value}").into()
}

/// The key that signs service accounts' tokens, and beside it, as `sa.pub`, the one that checks them: the server does not
/// take the public part out of a private EC key.
async fn service_account_key(dir: &TempDir) -> Result<PathBuf> {
    let key = dir.join("sa.key");
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["-out".as_ref(), &key])
        .await?;
    openssl(&["pkey", "-pubout"], &["-in".as_ref(), &key, "-out".as_ref(), &key.with_extension("pub")]).await?;
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

fn start_etcd(binaries: &Binaries, dir: &TempDir) -> Result<(Process, String)> {
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

fn apiserver_spec(
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
        writeln!(
            lines,
            "{},{},{},\"{}\"",
            user.token,
            user.name,
            user.name,
            user.groups.join(",")
        )?;
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
