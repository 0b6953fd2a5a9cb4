//! A Kubernetes API with RBAC: etcd, kube-apiserver and, unless switched off, kube-controller-manager.

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
use crate::cluster_options::{ADMIN_TOKEN, ClusterOptions};
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::servers;
use crate::temp::TempDir;
use crate::wait::wait_for;

const READY: Duration = Duration::from_secs(90);

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
        let key = servers::service_account_key(&dir).await?;
        let (etcd, etcd_url) = servers::start_etcd(&binaries, &dir)?;
        let port = free_port()?;
        let spec = servers::apiserver_spec(&binaries, &dir, &options, &key, port, &etcd_url)?;
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
            let kubeconfig = cluster.kubeconfig(ADMIN_TOKEN, None)?;
            cluster.controller_manager =
                Some(servers::start_controller_manager(&binaries, &cluster.dir, &key, &kubeconfig)?);
        }
        Ok(cluster)
    }

    /// Returns the address of the API (`https://127.0.0.1:PORT`).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the PEM file that a client must trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("apiserver/apiserver.crt")
    }

    /// Returns whether the real binder runs.
    #[must_use]
    pub fn has_binder(&self) -> bool {
        self.has_binder
    }

    /// Returns the folder with its files and logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns a new client with all rights. Clients belong to the runtime that first used them; ask for one per test.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub async fn admin_client(&self) -> Result<Client> {
        self.client(ADMIN_TOKEN).await
    }

    /// Returns a new client with somebody's token.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub async fn client(&self, token: &str) -> Result<Client> {
        self.client_via(token, None).await
    }

    /// Returns a new client through another address, e.g. that of a fault proxy.
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
        let part = self.dir.join(&format!(".kubeconfig{}.{:?}", &name[start..], std::thread::current().id()));
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
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let metadata = ObjectMeta { name: Some(name.into()), labels: Some(labels), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let api: Api<Namespace> = Api::all(self.admin_client().await?);
        api.create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("create namespace {name}"))?;
        Ok(())
    }

    /// Kills the API server with SIGKILL and starts a new one on the same port, with the same data. Returns when it is
    /// ready.
    ///
    /// # Errors
    /// When it does not get ready again.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver().await;
        self.start_apiserver().await
    }

    /// Kills the API server with SIGKILL. Its port refuses connections until [`Self::start_apiserver`].
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
        // The certificate is there before it is whole; the key is written after it. A client that read half of it trusts
        // nobody, for good.
        let key = self.ca_file().with_extension("key");
        apiserver.ready(READY, async || Ok(key.is_file().then_some(()))).await?;
        let client = self.admin_client().await?;
        apiserver
            .ready(READY, async || {
                let request = http::Request::get("/readyz").body(Vec::new())?;
                Ok((client.request_text(request).await? == "ok").then_some(()))
            })
            .await?;
        // Created by the server itself a moment after it is ready.
        let namespaces: Api<Namespace> = Api::all(client);
        wait_for("namespace default", READY, async || Ok(namespaces.get_opt("default").await?.map(drop)))
            .await
    }
}
