//! Flux: the real source-controller and kustomize-controller, outside of the cluster, with an account of their own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::binaries::Binaries;
use crate::cluster::Cluster;
use crate::fetch;
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::temp::TempDir;
use crate::wait::wait_for;

/// The namespace of Flux and its objects.
pub const NAMESPACE: &str = "flux-system";

/// The name of the GitRepository.
pub const SOURCE: &str = "flux-system";

const READY: Duration = Duration::from_secs(60);
/// The longest time until a controller has seen a change of an object.
const NOTED: Duration = Duration::from_secs(60);

/// The account, with all rights: the objects that are applied carry the field manager `kustomize-controller`.
const ACCOUNT: &str = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: flux-system
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: flux
  namespace: flux-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: flux
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: ServiceAccount, name: flux, namespace: flux-system }]
"#;

/// A Kustomization to be created or changed.
#[derive(Debug, Clone)]
pub struct Kustomization {
    /// Its name.
    pub name: String,
    /// The folder of the repository.
    pub path: String,
    /// Whether what leaves the folder leaves the cluster.
    pub prune: bool,
    /// Whether it waits until all it applied is healthy.
    pub wait: bool,
    /// The interval between two looks without being told.
    pub interval: Duration,
    /// The longest time it waits for health.
    pub timeout: Duration,
    /// Whether it does nothing.
    pub suspend: bool,
}

impl Kustomization {
    /// Returns one of a folder that prunes, waits, and looks every 2 s.
    #[must_use]
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            prune: true,
            wait: true,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            suspend: false,
        }
    }
}

/// The condition `Ready` of an object of Flux.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ready {
    /// `True`, `False` or `Unknown`; empty where there is none yet.
    pub status: String,
    /// The reason.
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

/// Running Flux; dropping it ends it, before the cluster.
pub struct Flux {
    client: Client,
    source: Process,
    kustomize: Process,
    _dir: TempDir,
}

impl Flux {
    /// Installs the CRDs and starts both controllers; there is no source yet.
    ///
    /// # Errors
    /// When a binary is missing, the API refuses, or a controller does not get ready.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let binaries = Binaries::locate().await?;
        let dir = TempDir::new("flux")?;
        for folder in ["storage", "tmp"] {
            std::fs::create_dir_all(dir.join(folder))?;
        }
        let crds = binaries.beside("crds")?;
        let crds = crds.to_string_lossy();
        cluster.kubectl(&["apply", "--server-side", "-f", &crds]).await?.ok()?;
        cluster.apply(ACCOUNT).await?;
        let established = ["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds];
        cluster.kubectl(&established).await?.ok()?;
        let token = cluster.service_account_token(NAMESPACE, "flux").await?;
        let kubeconfig = cluster.kubeconfig(&token, None)?;

        let storage = format!("127.0.0.1:{}", free_port()?);
        let (source, source_url) = controller(
            &binaries,
            &dir,
            &kubeconfig,
            "source-controller",
            &[
                format!("--storage-path={}", dir.join("storage").display()),
                format!("--storage-addr={storage}"),
                format!("--storage-adv-addr={storage}"),
            ],
        )?;
        let (kustomize, kustomize_url) =
            controller(&binaries, &dir, &kubeconfig, "kustomize-controller", &[])?;
        for (process, url) in [(&source, source_url), (&kustomize, kustomize_url)] {
            process.ready(READY, async || Ok(fetch::get(&url).await?.0.is_success().then_some(()))).await?;
        }
        Ok(Self { client: cluster.admin_client().await?, source, kustomize, _dir: dir })
    }

    /// Creates or changes the source: where the repository is, its branch, and how often it is fetched.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn repository(&self, url: &str, branch: &str, interval: Duration) -> Result<()> {
        let spec = json!({
            "url": url, "ref": { "branch": branch }, "interval": duration(interval), "timeout": "10s",
        });
        self.apply("GitRepository", SOURCE, &spec).await
    }

    /// Creates or changes a Kustomization of the source.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn kustomization(&self, kustomization: &Kustomization) -> Result<()> {
        let spec = json!({
            "sourceRef": { "kind": "GitRepository", "name": SOURCE },
            "path": kustomization.path,
            "prune": kustomization.prune,
            "wait": kustomization.wait,
            "suspend": kustomization.suspend,
            "interval": duration(kustomization.interval),
            "retryInterval": duration(kustomization.interval),
            "timeout": duration(kustomization.timeout),
        });
        self.apply("Kustomization", &kustomization.name, &spec).await
    }

    /// Stops the source, and waits until nothing is being fetched any more, or lets it go on.
    ///
    /// # Errors
    /// When the API refuses, or source-controller takes no note.
    pub async fn suspend_source(&self, suspend: bool) -> Result<()> {
        self.set_suspended("GitRepository", SOURCE, suspend, &self.source).await
    }

    /// Stops a Kustomization, and waits until nothing is being applied any more, or lets it go on.
    ///
    /// # Errors
    /// When the API refuses, or kustomize-controller takes no note.
    pub async fn suspend(&self, name: &str, suspend: bool) -> Result<()> {
        self.set_suspended("Kustomization", name, suspend, &self.kustomize).await
    }

    /// A controller handles an object by one task at a time: what it was at before is over when its log says that the
    /// object is suspended. Its status says nothing of it.
    async fn set_suspended(&self, kind: &str, name: &str, suspend: bool, by: &Process) -> Result<()> {
        let object = format!("\"{kind}\":{{\"name\":\"{name}\"");
        let notes = || {
            let log = by.log();
            let suspended = |line: &&str| {
                line.contains(&object) && line.to_lowercase().contains("reconciliation is suspended")
            };
            log.lines().filter(suspended).count()
        };
        let before = notes();
        let was = self.api(kind).get(name).await.with_context(|| format!("get {kind} {name}"))?;
        let unchanged =
            was.data.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or_default() == suspend;
        self.patch(kind, name, &json!({ "spec": { "suspend": suspend } })).await?;
        if !suspend || unchanged {
            return Ok(());
        }
        self.until(&format!("{kind} {name} to be suspended"), NOTED, async || {
            Ok((notes() > before).then_some(()))
        })
        .await
    }

    /// Waits until kustomize-controller has looked at a Kustomization as it is now, whatever came of it.
    ///
    /// # Errors
    /// When it does not.
    pub async fn noted(&self, name: &str) -> Result<()> {
        self.until(&format!("Kustomization {name} to be looked at"), NOTED, async || {
            Ok((!self.ready(name).await?.status.is_empty()).then_some(()))
        })
        .await
    }

    /// Does what `flux reconcile kustomization NAME --with-source` does: asks both by annotation, and waits until both
    /// have taken note.
    ///
    /// # Errors
    /// When the API refuses, or `limit` passes for one of them.
    pub async fn reconcile(&self, name: &str, limit: Duration) -> Result<()> {
        for (kind, name) in [("GitRepository", SOURCE), ("Kustomization", name)] {
            let now = Timestamp::now().to_string();
            let annotation = json!({ "reconcile.fluxcd.io/requestedAt": now });
            self.patch(kind, name, &json!({ "metadata": { "annotations": annotation } })).await?;
            self.until(&format!("{kind} {name} to take note"), limit, async || {
                let handled = self.status(kind, name).await?;
                Ok((handled.get("lastHandledReconcileAt") == Some(&json!(now))).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Returns the condition `Ready` of the source.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn source_ready(&self) -> Result<Ready> {
        Ok(ready(&self.status("GitRepository", SOURCE).await?))
    }

    /// Returns the condition `Ready` of a Kustomization.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn ready(&self, name: &str) -> Result<Ready> {
        Ok(ready(&self.status("Kustomization", name).await?))
    }

    /// Waits until a Kustomization has applied that commit of the repository ([`crate::GitMirror::head`]) and is ready.
    ///
    /// # Errors
    /// When `limit` passes; with how it stands and the end of the controllers' logs.
    pub async fn wait_for_applied(&self, name: &str, commit: &str, limit: Duration) -> Result<()> {
        self.until(&format!("Kustomization {name} to apply {commit}"), limit, async || {
            let status = self.status("Kustomization", name).await?;
            let applied = status.get("lastAppliedRevision").and_then(Value::as_str).unwrap_or_default();
            if applied.ends_with(commit) && ready(&status).status == "True" {
                return Ok(Some(()));
            }
            anyhow::bail!("it has applied '{applied}': {:?}", ready(&status))
        })
        .await
    }

    /// Waits with the controllers' logs in the error.
    async fn until<T, F, R>(&self, what: &str, limit: Duration, probe: F) -> Result<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<Option<T>>>,
    {
        wait_for(what, limit, probe).await.with_context(|| {
            let (source, kustomize) = (self.source.tail(5), self.kustomize.tail(10));
            format!("source-controller's log ends:\n{source}\nkustomize-controller's:\n{kustomize}")
        })
    }

    /// Returns the kustomize-controller, e.g. to stop and kill it.
    #[must_use]
    pub fn kustomize_controller(&self) -> &Process {
        &self.kustomize
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, plural) = match kind {
            "GitRepository" => ("source.toolkit.fluxcd.io", "gitrepositories"),
            _ => ("kustomize.toolkit.fluxcd.io", "kustomizations"),
        };
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    async fn apply(&self, kind: &str, name: &str, spec: &Value) -> Result<()> {
        let api = self.api(kind);
        let group = if kind == "GitRepository" { "source" } else { "kustomize" };
        let object = json!({
            "apiVersion": format!("{group}.toolkit.fluxcd.io/v1"),
            "kind": kind,
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": spec,
        });
        api.patch(name, &PatchParams::apply("stack").force(), &Patch::Apply(&object))
            .await
            .with_context(|| format!("apply {kind} {name}"))?;
        Ok(())
    }

    async fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let written = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        written.map(drop).with_context(|| format!("patch {kind} {name}"))
    }

    async fn status(&self, kind: &str, name: &str) -> Result<Value> {
        let object = self.api(kind).get(name).await.with_context(|| format!("get {kind} {name}"))?;
        let mut status = object.data.get("status").cloned().unwrap_or_default();
        // What was said before the last change of the spec says nothing about it.
        let generation = json!(object.metadata.generation);
        if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
            conditions.retain(|condition| condition.get("observedGeneration") == Some(&generation));
        }
        Ok(status)
    }
}

fn ready(status: &Value) -> Ready {
    let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let found = conditions.into_iter().find(|one| one.get("type") == Some(&json!("Ready")));
    let text = |field: &str| {
        let value = found.and_then(|condition| condition.get(field)?.as_str());
        value.unwrap_or_default().to_owned()
    };
    Ready { status: text("status"), reason: text("reason"), message: text("message") }
}

fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Starts a controller. Returns it with the address that tells whether it is ready.
fn controller(
    binaries: &Binaries,
    dir: &TempDir,
    kubeconfig: &Path,
    name: &str,
    more: &[String],
) -> Result<(Process, String)> {
    let health = format!("127.0.0.1:{}", free_port()?);
    let mut args: Vec<String> = vec![
        "--metrics-addr=127.0.0.1:0".into(),
        format!("--health-addr={health}"),
        "--events-addr=".into(),
        "--enable-leader-election=false".into(),
        "--watch-all-namespaces".into(),
        // Spread over time is for clusters with hundreds of them; a source that failed is asked again soon.
        "--interval-jitter-percentage=0".into(),
        "--min-retry-delay=500ms".into(),
        "--max-retry-delay=5s".into(),
    ];
    args.extend_from_slice(more);
    let process = Process::spawn(Spec {
        name: name.into(),
        program: binaries.get(name)?,
        args: args.into_iter().map(Into::into).collect(),
        env: vec![
            ("KUBECONFIG".into(), kubeconfig.into()),
            ("RUNTIME_NAMESPACE".into(), NAMESPACE.into()),
            // Checkouts of a killed controller go with the folder.
            ("TMPDIR".into(), dir.join("tmp").into()),
        ],
        log: dir.join(&format!("{name}.log")),
    })?;
    Ok((process, format!("http://{health}/readyz")))
}
