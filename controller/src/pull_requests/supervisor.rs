//! Pull requests, while the configuration asks for them and this process leads: one run per repository, with the
//! current settings and token.

use std::path::PathBuf;
use std::time::Duration;

use autopilot_shared::backoff::{Growth, longer};
use autopilot_shared::config::Github;
use autopilot_shared::error::chain;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::github::{GitHub, TOKEN_KEY, TOKEN_SECRET, TokenSlot, TokenSource};
use super::plan::PullRequestSettings;
use super::run::{self, Parts};
use super::tracker::Figures;
use crate::act::Actor;
use crate::telemetry::{ForgeFigures, Metrics};

/// Pause before a client that could not be made is tried again: its certificates may be there then.
const AGAIN: Duration = Duration::from_secs(10);
/// First pause after the watch on the Secret failed; doubles.
const FIRST: Duration = Duration::from_millis(200);
/// Longest pause: a permission that was forgotten may be granted.
const LONGEST: Duration = Duration::from_secs(30);

/// Everything that it needs of the process.
#[derive(Clone)]
pub(crate) struct SupervisorParts {
    pub(crate) client: Client,
    pub(crate) actor: Actor,
    pub(crate) metrics: Metrics,
    /// Namespace of the controller, with the Secret that holds the token.
    pub(crate) namespace: String,
}

/// The part of the configuration that a run is for: everything else is a setting of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ForgeAddress {
    user: String,
    repo: String,
    base_url: Option<String>,
    token_file: Option<PathBuf>,
}

impl From<&Github> for ForgeAddress {
    fn from(github: &Github) -> Self {
        ForgeAddress {
            user: github.user.clone(),
            repo: github.repo.clone(),
            base_url: github.base_url.clone(),
            token_file: github.token_file.clone(),
        }
    }
}

/// A run for one repository.
struct Run {
    of: ForgeAddress,
    settings: watch::Sender<PullRequestSettings>,
    stop: CancellationToken,
    /// Canceled once the run has ended, for whatever reason.
    ended: CancellationToken,
    task: JoinHandle<()>,
}

impl Run {
    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            error!(%error, "the forge ended badly");
        }
    }
}

/// Runs until `stop`; a request to the forge that is under way then is finished first.
pub(crate) async fn supervise(
    parts: SupervisorParts,
    mut wanted: watch::Receiver<Option<Github>>,
    mut leads: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    if leads.wait_for(|leads| *leads).await.is_err() {
        return;
    }
    let mut run: Option<Run> = None;
    loop {
        let github = wanted.borrow_and_update().clone();
        let mut again = None;
        match (github, run.take()) {
            (Some(github), Some(old))
                if old.of == ForgeAddress::from(&github) && !old.ended.is_cancelled() =>
            {
                old.settings.send_replace(PullRequestSettings::new(&github));
                run = Some(old);
            }
            (github, old) => {
                if let Some(old) = old {
                    old.end().await;
                }
                if let Some(github) = github {
                    run = start(&parts, &github, &stop);
                    again = run.is_none().then_some(AGAIN);
                } else {
                    parts.metrics.set_forge(None);
                }
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            changed = wanted.changed() => if changed.is_err() { stop.cancelled().await; break },
            () = pause(again) => {}
            () = ended(run.as_ref()) => error!("the pull-request task ended by itself; it is started again"),
        }
    }
    if let Some(run) = run {
        run.end().await;
    }
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Waits until a run ends by itself, and a moment longer, so that one that fails at once does not spin.
async fn ended(run: Option<&Run>) {
    match run {
        Some(run) => {
            run.ended.cancelled().await;
            tokio::time::sleep(AGAIN).await;
        }
        None => std::future::pending().await,
    }
}

fn start(parts: &SupervisorParts, github: &Github, stop: &CancellationToken) -> Option<Run> {
    let stop = stop.child_token();
    let source = match &github.token_file {
        Some(path) => TokenSource::File(path.clone()),
        None => {
            let slot = TokenSlot::new();
            tokio::spawn(follow(parts.clone(), slot.clone(), stop.clone()));
            TokenSource::Slot(slot)
        }
    };
    let client = match GitHub::new(github, source) {
        Ok(client) => client,
        Err(error) => {
            error!(%error, repository = format!("{}/{}", github.user, github.repo), "no pull requests");
            stop.cancel();
            return None;
        }
    };
    info!(
        repository = format!("{}/{}", github.user, github.repo),
        folder = github.folder,
        "approvals become pull requests"
    );
    let (settings, receiver) = watch::channel(PullRequestSettings::new(github));
    let (metrics, budget) = (parts.metrics.clone(), client.clone());
    let parts = Parts {
        client: parts.client.clone(),
        actor: parts.actor.clone(),
        forge: client,
        settings: receiver,
        figures: move |figures: Figures| {
            let budget = budget.budget().map(|b| (b.remaining, b.limit));
            metrics.set_forge(Some(ForgeFigures { open: figures.open, waiting: figures.waiting, budget }));
        },
        clock: Timestamp::now,
    };
    let ended = CancellationToken::new();
    let (guard, inner) = (ended.clone().drop_guard(), stop.clone());
    let task = tokio::spawn(async move {
        let _ended = guard;
        run::run(parts, inner).await;
    });
    Some(Run { of: ForgeAddress::from(github), settings, stop, ended, task })
}

/// Follows the Secret with the token. A token is never logged.
async fn follow(parts: SupervisorParts, slot: TokenSlot, stop: CancellationToken) {
    let api: Api<Secret> = Api::namespaced(parts.client.clone(), &parts.namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={TOKEN_SECRET}"));
    let mut events = std::pin::pin!(watcher(api, only));
    let mut pause = FIRST;
    let mut listed = false;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                pause = FIRST;
                match event {
                    Event::Init => listed = false,
                    Event::InitApply(secret) | Event::Apply(secret) => {
                        listed = true;
                        take(&slot, Some(&secret));
                    }
                    Event::InitDone if listed => {}
                    Event::InitDone | Event::Delete(_) => take(&slot, None),
                }
            }
            Some(Err(error)) => {
                warn!(
                    secret = TOKEN_SECRET,
                    namespace = parts.namespace,
                    error = chain(&error),
                    "the token cannot be read"
                );
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = longer(pause, Growth::Double, LONGEST);
            }
        }
    }
}

fn take(slot: &TokenSlot, secret: Option<&Secret>) {
    let bytes = secret.and_then(|s| s.data.as_ref()).and_then(|data| data.get(TOKEN_KEY));
    if slot.put(bytes.map(|b| b.0.as_slice())) {
        match slot.get() {
            Ok(_) => info!(secret = TOKEN_SECRET, "a new token is in use"),
            Err(problem) => warn!(secret = TOKEN_SECRET, %problem, "there is no token to use"),
        }
    }
}
