//! A cluster, pinned: what the header shows is what is written to, whatever happens to the kubeconfig meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::client::ConfigExt as _;
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::error::{classify, within};
use crate::cluster::throttle::Times;
use crate::config::ContextSettings;
use crate::connection::{ClusterLabel, Trouble};
use crate::text::Safe;

/// Time that a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A credential plugin that takes longer is named: nobody knows otherwise what a blank terminal waits for.
const SILENT: Duration = Duration::from_secs(1);

/// Source of clusters.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A kubeconfig; `KUBECONFIG` or the usual place if none.
    pub kubeconfig: Option<PathBuf>,
    /// A context; the current one if none.
    pub context: Option<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// Per-context settings.
    pub context_settings: Arc<ContextSettings>,
    /// Timeouts.
    pub times: Times,
    /// `true` if the terminal is taken: a credential plugin may not ask anything on it, nor write to it.
    pub taken: bool,
}

/// There is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No kubeconfig that can be read.
    #[error("reading the kubeconfig: {0}")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// No context is chosen.
    #[error("the kubeconfig has no current context: choose one with --context")]
    NoContext,
    /// The client cannot be made of it.
    #[error("connecting with context {context:?}: {}", classify(error).1)]
    Client {
        /// The context.
        context: String,
        /// Why.
        error: Box<kube::Error>,
    },
    /// The credential plugin takes longer than a question may.
    #[error("the credential plugin does not answer: it is waited for")]
    Plugin,
    /// The file now leads elsewhere.
    #[error("the context leads to another server now: leave and start again to go there")]
    Moved,
}

/// A context of the kubeconfig.
struct ContextConfig {
    config: Config,
    context: String,
    cluster: String,
    user: String,
    namespace: Option<String>,
}

/// A connection to one cluster.
pub struct Session {
    source: Source,
    context: String,
    url: String,
    client: RwLock<Client>,
    /// Number of times that the credentials were read anew.
    renewed: watch::Sender<u64>,
    /// For the header.
    pub label: ClusterLabel,
    /// Namespace of the context.
    pub namespace: Option<String>,
    /// `true` if a program makes the credentials, each time they are read.
    pub plugin: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("context", &self.context)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl SessionError {
    /// Returns what it means for the person who waits.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            SessionError::Plugin => Trouble::Unauthorized,
            SessionError::Client { error, .. } if classify(error).0 == Trouble::Unauthorized => {
                Trouble::Unauthorized
            }
            _ => Trouble::NoCluster,
        }
    }
}

impl Source {
    fn read(&self) -> Result<Kubeconfig, SessionError> {
        match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        }
        .map_err(SessionError::Kubeconfig)
    }

    /// Returns the contexts of the kubeconfig.
    pub(crate) fn contexts(&self) -> Vec<Safe> {
        let contexts = self.read().map(|k| k.contexts).unwrap_or_default();
        contexts.iter().map(|c| Safe::new(&c.name)).filter(|c| !c.sanitized()).collect()
    }

    /// Returns what is known of the context before there is a connection.
    pub(crate) fn label(&self) -> ClusterLabel {
        let context = self.context.clone().unwrap_or_default();
        let contexts = &self.context_settings.contexts;
        ClusterLabel {
            context: Safe::new(&context),
            raw_context: context.as_str().into(),
            production: contexts.iter().any(|c| c.production && c.matches(&context)),
            sealed: self.read_only || contexts.iter().any(|c| c.read_only && c.matches(&context)),
            ..ClusterLabel::default()
        }
    }

    /// Reads the kubeconfig and makes a client. Nothing is asked of the server.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub async fn open(&self) -> Result<Session, SessionError> {
        let ContextConfig { config, context, cluster, user, namespace } = self.config().await?;
        let url = config.cluster_url.to_string();
        let source = Source { context: Some(context.clone()), ..self.clone() };
        let label = ClusterLabel {
            cluster: Safe::new(&cluster),
            server: Safe::new(url.trim_end_matches('/')),
            user: unconfirmed(&user),
            ..source.label()
        };
        let plugin = config.auth_info.exec.is_some();
        let told = plugin_of(&config).filter(|_| !self.taken);
        let client = named(told, client(config, &context)).await?;
        let (renewed, _) = watch::channel(0);
        let client = RwLock::new(client);
        Ok(Session { source, context, url, client, renewed, label, namespace, plugin })
    }

    /// Lets a credential plugin ask what it has to ask, before the terminal is taken. What it wrote down then serves it
    /// afterwards; that it failed is seen there, too.
    pub async fn log_in(&self) {
        let asks = |config: &Config| {
            let plugin = config.auth_info.exec.as_ref();
            plugin.is_some_and(|p| p.interactive_mode != Some(ExecInteractiveMode::Never))
        };
        if let Ok(ContextConfig { config, .. }) = self.config().await
            && asks(&config)
        {
            let plugin = plugin_of(&config);
            let _ = named(plugin, tokio::task::spawn_blocking(move || config.auth_layer().map(drop))).await;
        }
    }

    async fn config(&self) -> Result<ContextConfig, SessionError> {
        let kubeconfig = self.read()?;
        let context = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        let context = context.filter(|c| !c.is_empty()).ok_or(SessionError::NoContext)?;
        let found = kubeconfig.contexts.iter().find(|c| c.name == context).and_then(|c| c.context.clone());
        let found = found.unwrap_or_default();
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(SessionError::Kubeconfig)?;
        // Trying again is for the cluster task, which says so on the screen and keeps to its pace.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        if let (true, Some(plugin)) = (self.taken, &mut config.auth_info.exec) {
            plugin.interactive_mode = Some(ExecInteractiveMode::Never);
        }
        Ok(ContextConfig {
            config,
            context,
            cluster: found.cluster,
            user: found.user.unwrap_or_default(),
            namespace: found.namespace.filter(|n| !n.is_empty()),
        })
    }
}

/// Returns the program that makes the credentials.
fn plugin_of(config: &Config) -> Option<String> {
    config.auth_info.exec.as_ref().map(|plugin| plugin.command.clone().unwrap_or_default())
}

/// Awaits what a credential plugin makes; one that takes its time is named where it was started.
async fn named<T>(plugin: Option<String>, made: impl Future<Output = T>) -> T {
    let mut made = std::pin::pin!(made);
    let Some(plugin) = plugin else { return made.await };
    match timeout(SILENT, &mut made).await {
        Ok(made) => made,
        Err(_) => {
            eprintln!("autopilot: waiting for the credential plugin {} (Ctrl-C leaves)", Safe::new(&plugin));
            made.await
        }
    }
}

/// Returns a client. A credential plugin runs here, for as long as it likes: not on a thread that others wait for.
async fn client(config: Config, context: &str) -> Result<Client, SessionError> {
    let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
    let made = made.unwrap_or_else(|error| Err(kube::Error::Service(error.into())));
    made.map_err(|error| SessionError::Client { context: context.to_owned(), error: Box::new(error) })
}

/// Returns the kubeconfig's name of a user, until the server says who that is.
fn unconfirmed(user: &str) -> Safe {
    Safe::new(format!("{user} (unconfirmed)").trim_start())
}

impl Session {
    /// Returns the client as it is now.
    pub(crate) fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Timeouts.
    pub(crate) fn times(&self) -> Times {
        self.source.times
    }

    /// Returns the answer to a small question, within the time that one may take.
    ///
    /// # Errors
    /// When the server refuses, or does not answer.
    pub(crate) async fn ask<T>(
        &self,
        asked: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        within(self.times().patience, asked).await
    }

    /// Returns the context.
    pub(crate) fn context(&self) -> &str {
        &self.context
    }

    /// Reads the credentials anew: they expire, and something renews them in the file. They may be somebody else's: the
    /// kubeconfig's name of the user comes back.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, or leads to another server.
    pub async fn renew(&self) -> Result<Safe, SessionError> {
        let ContextConfig { config, context, user, .. } = self.source.config().await?;
        if config.cluster_url.to_string() != self.url {
            return Err(SessionError::Moved);
        }
        let client = client(config, &context).await?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        self.renewed.send_modify(|times| *times += 1);
        Ok(unconfirmed(&user))
    }

    /// Tells when the credentials were read anew.
    pub(crate) fn renewed(&self) -> watch::Receiver<u64> {
        self.renewed.subscribe()
    }
}
