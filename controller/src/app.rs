//! Starts and ends everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use kube::config::InferConfigError;
use kube::{Client, Config as KubeConfig};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysError, SysRng};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::act::Actor;
use crate::cli::Flags;
use crate::engine::{CLUSTER, Engine, Parts};
use crate::leader_election::{self, Lease, Loss, NoRandomness};
use crate::observe::{chain, watch_all};
use crate::pull_requests::supervisor::{self, SupervisorParts};
use crate::telemetry::{self, Admin, Heartbeat, Limits, LogHandle, Metrics, Readiness};

/// Observations that wait for the engine; a full channel slows the watches down.
const WAITING: usize = 1024;
/// On the way out, what is asked of the forge gets so long to finish.
const FINISH: Duration = Duration::from_secs(3);
/// How often a configuration file is looked at.
const FILE_POLL: Duration = Duration::from_secs(2);

/// Why the controller cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing says where the cluster is.
    #[error("no Kubernetes cluster: {}; set KUBECONFIG, or run inside a cluster with a service account", chain(.0))]
    NoCluster(InferConfigError),
    /// The cluster's client cannot be made.
    #[error("no Kubernetes cluster: {}; set KUBECONFIG, or run inside a cluster with a service account", chain(.0))]
    Client(kube::Error),
    /// The address for metrics cannot be used.
    #[error(transparent)]
    Serve(#[from] telemetry::ServeError),
    /// The system has no random numbers for the identity in the leader election.
    #[error("no random numbers: {0}")]
    Identity(NoRandomness),
    /// The system has no random numbers for proposals.
    #[error("no random numbers: {0}")]
    Random(SysError),
    /// The engine ended although nobody asked for it.
    #[error("the engine ended by itself; the log says why")]
    Ended,
    /// The lease went to somebody else.
    #[error("the lease is lost: {0}; this process ends, and another one takes over")]
    Lost(Loss),
}

/// Runs until SIGTERM or SIGINT, or until the lease is lost.
///
/// # Errors
/// If it cannot start, or the lease is lost.
pub async fn run(flags: Flags, log: Option<LogHandle>) -> Result<(), RunError> {
    let metrics = Metrics::new();
    let client = client().await?;
    let readiness = Readiness::waiting_for([CLUSTER]);
    let heartbeat = Heartbeat::new();
    // The order of the end: the engine finishes its writes, then the lease goes, then the server.
    let stop = CancellationToken::new();
    let stop_serving = CancellationToken::new();
    let admin =
        Admin { metrics: metrics.clone(), readiness: readiness.clone(), heartbeat: heartbeat.clone(), log };
    let server = telemetry::start(flags.metrics_addr, admin, Limits::default(), stop_serving.clone()).await?;
    info!(address = %server.address(), namespace = flags.namespace, "autopilot-controller {} starts", env!("CARGO_PKG_VERSION"));

    let (out, observations) = mpsc::channel(WAITING);
    let config_in = flags.config.is_none().then_some(flags.namespace.as_str());
    watch_all(&client, config_in, &metrics, &out, &stop);
    drop(out);
    let config_file = flags.config.as_deref().map(|path| follow(path, stop.clone()));
    let leadership = Leadership::start(&flags, &client, &metrics, &stop)?;

    let random = StdRng::try_from_rng(&mut SysRng).map_err(RunError::Random)?;
    let actor = Actor::new(client.clone(), metrics.clone());
    let (forge, wanted) = watch::channel(None);
    let parts = SupervisorParts {
        client,
        actor: actor.clone(),
        metrics: metrics.clone(),
        namespace: flags.namespace.clone(),
    };
    let leads = leadership.leads.clone();
    let pulls = tokio::spawn(supervisor::supervise(parts, wanted, leads.clone(), stop.clone()));
    let engine = Engine::new(Parts {
        actor,
        forge,
        metrics,
        observations,
        config_file,
        leads,
        readiness: readiness.clone(),
        heartbeat,
        namespace: flags.namespace,
        random,
        clock: Timestamp::now,
    });
    let mut engine = tokio::spawn(engine.run(stop.clone()));
    let result = tokio::select! {
        () = signalled() => Ok(()),
        loss = leadership.lost() => Err(RunError::Lost(loss)),
        ended = &mut engine => {
            error!(?ended, "the engine ended by itself");
            Err(RunError::Ended)
        }
    };
    readiness.shut_down();
    stop.cancel();
    finish(engine, pulls).await;
    leadership.end(result.is_ok()).await;
    stop_serving.cancel();
    server.ended().await;
    info!("stopped");
    result
}

/// Waits for what is in flight, for a bounded time.
async fn finish(engine: JoinHandle<()>, pulls: JoinHandle<()>) {
    let engine = async {
        if !engine.is_finished() {
            let _ = engine.await;
        }
    };
    let (pulls, ()) = tokio::join!(tokio::time::timeout(FINISH, pulls), engine);
    if pulls.is_err() {
        warn!("stopped while something was asked of the forge; it is looked at anew at the next start");
    }
}

/// Whether this process leads, and the lease that says so, if there is leader election.
struct Leadership {
    leads: watch::Receiver<bool>,
    lease: Option<Lease>,
}

impl Leadership {
    fn start(
        flags: &Flags,
        client: &Client,
        metrics: &Metrics,
        stop: &CancellationToken,
    ) -> Result<Self, RunError> {
        let (lead, leads) = watch::channel(!flags.leader_election);
        metrics.set_leader(!flags.leader_election);
        let (metrics, stop) = (metrics.clone(), stop.clone());
        if !flags.leader_election {
            tokio::spawn(async move {
                let _lead = lead;
                stop.cancelled().await;
            });
            return Ok(Leadership { leads, lease: None });
        }
        let identity = leader_election::own_identity().map_err(RunError::Identity)?;
        let lease = Lease::new(
            client.clone(),
            &flags.namespace,
            leader_election::LEASE_NAME,
            &identity,
            leader_election::Settings::default(),
        );
        let mut claim = lease.claim();
        tokio::spawn(async move {
            let held = tokio::select! {
                () = stop.cancelled() => return,
                held = claim.wait_for(leader_election::Claim::is_held) => held.is_ok(),
            };
            if held {
                info!(identity, "leads");
                metrics.set_leader(true);
                let _ = lead.send(true);
            }
            // The sender lives until the end: a closed channel would end the engine.
            stop.cancelled().await;
        });
        Ok(Leadership { leads, lease: Some(lease) })
    }

    /// Waits for the loss of the lease; forever, if there is no leader election.
    fn lost(&self) -> impl Future<Output = Loss> + Send + 'static {
        let loss = self.lease.as_ref().map(Lease::lost);
        async move {
            match loss {
                Some(loss) => loss.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Gives the lease back, if it is still ours.
    async fn end(self, ours: bool) {
        if let Some(lease) = self.lease
            && ours
            && let Err(error) = lease.release().await
        {
            warn!(%error, "the lease was not given back; it expires by itself");
        }
    }
}

async fn client() -> Result<Client, RunError> {
    let mut config = KubeConfig::infer().await.map_err(RunError::NoCluster)?;
    // The engine decides anew after a failure, with a pause of its own; a client that sends a write again by itself
    // would hide that and hold up everything behind it.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(RunError::Client)
}

/// Waits for SIGTERM or SIGINT.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    };
    info!(signal = name, "stopping");
}

/// Follows a file by its content: mounted ConfigMaps change by a link, which a watch on the file would not see.
fn follow(path: &Path, stop: CancellationToken) -> mpsc::Receiver<String> {
    let (out, texts) = mpsc::channel(1);
    let path: PathBuf = path.to_owned();
    tokio::spawn(async move {
        let mut known: Option<String> = None;
        let mut complained = false;
        loop {
            let read = {
                let path = path.clone();
                tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await
            };
            match read {
                Ok(Ok(text)) => {
                    complained = false;
                    if known.as_ref() != Some(&text) {
                        known = Some(text.clone());
                        if out.send(text).await.is_err() {
                            return;
                        }
                    }
                }
                Ok(Err(error)) if !complained => {
                    complained = true;
                    error!(path = %path.display(), %error, "the configuration file cannot be read");
                }
                _ => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FILE_POLL) => {}
            }
        }
    });
    texts
}
