//! The election against a real API server: one task per candidate reads, takes and renews the Lease.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease as Object;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::election::{Election, Loss, Settings, Step};
use super::record::Record;

/// Releasing is a courtesy to the others; a shutdown does not wait longer for it.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// The lease, as a candidate may believe it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Another holds the lease, or nobody does yet. The name is what was read last.
    Waiting(Option<String>),
    /// The lease is ours.
    Held,
    /// It was ours. Final: whoever worked under it stops and exits.
    Lost(Loss),
}

impl Claim {
    /// Whether the lease is ours.
    pub fn is_held(&self) -> bool {
        *self == Claim::Held
    }
}

/// Why a lease could not be given back. Harmless: the others take it when it has expired.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The API server refused or could not be reached.
    #[error("giving the lease back: {0}; others wait until it expires")]
    Call(#[source] Box<kube::Error>),
    /// No answer in time.
    #[error("giving the lease back: no answer within {0:?}; others wait until it expires")]
    TimeOut(Duration),
    /// Somebody wrote the lease each time between our read and our write.
    #[error("giving the lease back: somebody else has changed it meanwhile; others wait until it expires")]
    Conflict,
}

/// One candidate. It competes, and once it has won it renews, in a task of its own, so that a busy engine
/// cannot forget to. Dropping it stops the renewing and leaves the lease to expire; [`Lease::release`] hands
/// it over at once.
#[derive(Debug)]
pub struct Lease {
    claim: watch::Receiver<Claim>,
    stop: CancellationToken,
    remote: Remote,
    identity: String,
    task: AbortOnDropHandle<()>,
}

impl Lease {
    /// Starts to compete for the lease `name` in `namespace` as `identity` (see [`super::own_identity`]).
    /// Never gives up while another holds it or the API server cannot be reached; what goes wrong is logged
    /// once. Needs `get`, `create` and `update` on `leases`. Must be called inside a Tokio runtime.
    pub fn new(
        client: kube::Client,
        namespace: &str,
        name: &str,
        identity: &str,
        settings: Settings,
    ) -> Lease {
        let remote = Remote { api: Api::namespaced(client, namespace), name: name.to_owned() };
        let (sender, claim) = watch::channel(Claim::Waiting(None));
        let stop = CancellationToken::new();
        let candidate = Candidate {
            election: Election::new(name, identity, settings),
            remote: remote.clone(),
            claim: sender,
            complaint: None,
        };
        let stopped = stop.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            stopped.run_until_cancelled_owned(candidate.run()).await;
        }));
        Lease { claim, stop, remote, identity: identity.to_owned(), task }
    }

    /// Ends when the lease, once held, is held no longer. It borrows nothing: hand it to `select!`, or to a
    /// task that cancels the engine's token.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static {
        let mut claim = self.claim.clone();
        async move {
            match claim.wait_for(|claim| matches!(claim, Claim::Lost(_))).await.as_deref() {
                Ok(Claim::Lost(loss)) => loss.clone(),
                _ => Loss::Ended,
            }
        }
    }

    /// The claim as it changes, for a gauge or a status line.
    pub fn claim(&self) -> watch::Receiver<Claim> {
        self.claim.clone()
    }

    /// Gives the lease back, so that another takes it at its next look instead of after the expiry. It is
    /// renewed until this call: call it when the last write is done, not before. Does nothing when the lease
    /// is another's. Takes no longer than 2 s.
    ///
    /// # Errors
    /// When the API server does not take it; the lease then expires by itself.
    pub async fn release(mut self) -> Result<(), ReleaseError> {
        self.stop.cancel();
        // The task ends at its next await point. A write it had under way may land still: the read below
        // shows it, or the conflict does.
        let _ended = (&mut self.task).await;
        if matches!(*self.claim.borrow(), Claim::Lost(_)) {
            return Ok(());
        }
        match timeout(RELEASE_LIMIT, self.blank()).await {
            Ok(done) => done,
            Err(_) => Err(ReleaseError::TimeOut(RELEASE_LIMIT)),
        }
    }

    async fn blank(&self) -> Result<(), ReleaseError> {
        for _ in 0..3 {
            let found = self.remote.read().await.map_err(|error| ReleaseError::Call(Box::new(error)))?;
            let Some(record) = found.filter(|record| record.holder() == Some(&self.identity)) else {
                return Ok(());
            };
            match self.remote.replace(&record.released(jiff::Timestamp::now())).await {
                Ok(_) => {
                    tracing::info!(lease = %self.remote.name, "gave the lease back");
                    return Ok(());
                }
                Err(error) if matches!(code(&error), Some(409 | 404)) => {}
                Err(error) => return Err(ReleaseError::Call(Box::new(error))),
            }
        }
        Err(ReleaseError::Conflict)
    }
}

/// The Lease object on the server.
#[derive(Clone, Debug)]
struct Remote {
    api: Api<Object>,
    name: String,
}

impl Remote {
    async fn read(&self) -> Result<Option<Record>, kube::Error> {
        Ok(self.api.get_opt(&self.name).await?.map(Record::from))
    }

    async fn create(&self, record: &Record) -> Result<Record, kube::Error> {
        self.api.create(&parameters(), record.object()).await.map(Record::from)
    }

    async fn replace(&self, record: &Record) -> Result<Record, kube::Error> {
        self.api.replace(&self.name, &parameters(), record.object()).await.map(Record::from)
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some("autopilot".to_owned()), ..PostParams::default() }
}

/// A call ended without an answer that can be used.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Call(kube::Error),
    #[error("no answer within {0:?}")]
    TimeOut(Duration),
}

enum Answer {
    Saw(Option<Record>),
    Wrote(Record),
}

struct Candidate {
    election: Election,
    remote: Remote,
    claim: watch::Sender<Claim>,
    /// The last failure that was logged: the same again every two seconds would bury everything else.
    complaint: Option<String>,
}

impl Candidate {
    async fn run(mut self) {
        loop {
            let step = self.election.next(Instant::now());
            if let Step::Lost(loss) = step {
                tracing::error!(lease = %self.remote.name, identity = %self.election.identity(), "{loss}");
                self.claim.send_replace(Claim::Lost(loss));
                return;
            }
            // Only now: an answer that came after the deadline (a frozen process) must not be shown as a
            // success.
            self.publish();
            match step {
                Step::Wait(until) => sleep_until(until).await,
                step => self.call(step).await,
            }
        }
    }

    async fn call(&mut self, step: Step) {
        let sent = Instant::now();
        let outcome = match &step {
            Step::Read { within } => bounded(*within, self.remote.read()).await.map(Answer::Saw),
            Step::Create { record, within } => {
                bounded(*within, self.remote.create(record)).await.map(Answer::Wrote)
            }
            Step::Replace { record, within } => {
                bounded(*within, self.remote.replace(record)).await.map(Answer::Wrote)
            }
            Step::Wait(_) | Step::Lost(_) => return,
        };
        match outcome {
            Ok(answer) => {
                if self.complaint.take().is_some() {
                    tracing::info!(lease = %self.remote.name, "the lease can be reached again");
                }
                match answer {
                    Answer::Saw(record) => self.election.saw(record, Instant::now()),
                    Answer::Wrote(record) => self.election.wrote(record, sent),
                }
            }
            Err(Trouble::Call(error)) if is_refusal(&step, &error) => {
                tracing::debug!(lease = %self.remote.name, %error, "somebody else wrote the lease first");
                self.election.refused(Instant::now());
            }
            Err(trouble) => {
                self.complain(&trouble);
                self.election.failed(Instant::now());
            }
        }
    }

    fn complain(&mut self, trouble: &Trouble) {
        let text = trouble.to_string();
        if self.complaint.as_ref() == Some(&text) {
            return;
        }
        let hint = match trouble {
            Trouble::Call(kube::Error::Api(status)) if status.code == 403 => {
                "; the service account needs get, create and update on leases.coordination.k8s.io here"
            }
            _ => "",
        };
        tracing::warn!(lease = %self.remote.name, "cannot reach the lease, trying again: {text}{hint}");
        self.complaint = Some(text);
    }

    /// Tells the claim, and logs what changed. Silent while nothing changes.
    fn publish(&self) {
        let claim = match self.election.holds() {
            true => Claim::Held,
            false => Claim::Waiting(self.election.holder().map(str::to_owned)),
        };
        self.claim.send_if_modified(|current| {
            if *current == claim {
                return false;
            }
            match &claim {
                Claim::Waiting(holder) => {
                    let holder = holder.as_deref().unwrap_or("nobody");
                    tracing::info!(lease = %self.remote.name, holder, "waiting for the lease");
                }
                _ => {
                    let identity = self.election.identity();
                    tracing::info!(lease = %self.remote.name, identity, "took the lease");
                }
            }
            *current = claim;
            true
        });
    }
}

async fn bounded<T>(
    within: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Trouble> {
    match timeout(within, call).await {
        Ok(answer) => answer.map_err(Trouble::Call),
        Err(_) => Err(Trouble::TimeOut(within)),
    }
}

/// Whether the server says that the lease is another than the one this write was meant for. A 404 on a create
/// means that the namespace is missing, and is no refusal.
fn is_refusal(step: &Step, error: &kube::Error) -> bool {
    matches!((step, code(error)), (Step::Create { .. }, Some(409)) | (Step::Replace { .. }, Some(409 | 404)))
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
