//! Keeps one kind up to date: a watch that begins with all objects, or a list in pages and then a watch where the server
//! knows no such thing; again from the start where the server says so.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::cluster::error::classify;
use crate::cluster::kind_stream::{KindStream, Resume, StreamError};
use crate::cluster::kinds::{Guarded, Watched, WireApproval, WireObject, WireRule};
use crate::cluster::task_context::TaskContext;
use crate::connection::{KindName, Trouble};
use crate::message::ClusterEvent;
use crate::rows::wire;
use crate::text::Safe;

/// Longest pause after a no (403). The first pauses are shorter: a server that just started says it for a moment.
const DENIED: Duration = Duration::from_secs(30);
/// The same where the kind is missing (404).
const MISSING: Duration = Duration::from_secs(4);
/// A server that starts, or has too much to do, is asked again after this.
const BUSY: Duration = Duration::from_secs(1);
/// Rests after a watch that ended as soon as it began, by how many did in a row.
const HASTY: [Duration; 5] =
    [Duration::ZERO, Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// A new list is asked for at once if the one before is older than this.
const RENEWED: Duration = Duration::from_secs(10);

/// Keeps a kind up to date until the console is gone.
pub(super) async fn watch(kind: KindName, task: TaskContext) {
    let watch = KindWatch::new(kind, task);
    match kind {
        KindName::Approvals => watch.run::<WireApproval>().await,
        KindName::Objects => watch.run::<WireObject>().await,
        KindName::Rules => watch.run::<WireRule>().await,
        KindName::Events => watch.run::<wire::Event>().await,
    }
}

/// A kind that is kept up to date, and what the server has shown it can do.
struct KindWatch {
    kind: KindName,
    task: TaskContext,
    stream: KindStream,
    /// `true` as long as the server may know watches that begin with a list.
    lists_in_watch: bool,
    /// `true` once something could not be read: from then on each object is read by itself.
    guarded: bool,
    /// Pause after the next refusal.
    pause: Duration,
    /// Watches in a row that ended as soon as they began.
    hasty: usize,
    /// `true` if the next request follows from an answer: it need not wait for its turn.
    follows: bool,
    /// Time of the last request that a new list followed from.
    renewed: Option<Instant>,
}

impl KindWatch {
    fn new(kind: KindName, task: TaskContext) -> KindWatch {
        KindWatch {
            kind,
            stream: KindStream::new(kind, task.clone()),
            task,
            lists_in_watch: true,
            guarded: false,
            pause: BUSY,
            hasty: 0,
            follows: false,
            renewed: None,
        }
    }

    async fn run<K: Watched>(mut self) {
        let mut answers = self.task.open.subscribe();
        let lost = Arc::clone(&self.task.lost);
        loop {
            // While nobody answers, only the probe connects.
            if answers.wait_for(|open| *open).await.is_err() {
                return;
            }
            if !std::mem::take(&mut self.follows) {
                self.task.throttle.turn().await;
            }
            let lost = lost.notified();
            if !*answers.borrow() {
                continue;
            }
            let began = Instant::now();
            let step = self.step::<K>(lost).await;
            // What went well for a while is not in trouble.
            if step.is_ok() || began.elapsed() > DENIED {
                self.pause = BUSY;
            }
            let next = match step {
                Ok(resume) => self.resume(resume, began).await,
                Err(error) => self.failed(error).await,
            };
            if next.is_break() {
                return;
            }
        }
    }

    /// Lists or watches once.
    async fn step<K: Watched>(&mut self, lost: impl Future<Output = ()>) -> Result<Resume, StreamError> {
        let lists = !self.stream.is_listed() && !self.lists_in_watch;
        let step = match (lists, self.guarded) {
            (true, guarded) => {
                let list = async {
                    match guarded {
                        false => self.stream.list::<K>().await,
                        true => self.stream.list::<Guarded<K>>().await,
                    }
                };
                tokio::select! {
                    listed = list => listed.map(|()| Resume::Here),
                    () = lost => Ok(Resume::Early),
                }
            }
            (false, false) => self.stream.follow::<K>(lost).await,
            (false, true) => self.stream.follow::<Guarded<K>>(lost).await,
        };
        self.follows = lists && matches!(step, Ok(Resume::Here));
        match step {
            Err(StreamError::Client(kube::Error::Api(status))) if status.code == 410 => Ok(Resume::Anew),
            Err(StreamError::Client(error)) if !self.guarded && is_unreadable(&error) => {
                (self.guarded, self.follows) = (true, true);
                Ok(Resume::Here)
            }
            other => other,
        }
    }

    /// Prepares the next watch.
    async fn resume(&mut self, resume: Resume, began: Instant) -> ControlFlow<()> {
        match resume {
            Resume::Here => {}
            Resume::Never => return ControlFlow::Break(()),
            Resume::Early => {
                self.tell_behind().await?;
                // A server that ends watches as soon as they begin is not asked in a circle.
                self.hasty = if began.elapsed() < BUSY { self.hasty + 1 } else { 0 };
                sleep(HASTY[self.hasty.min(HASTY.len() - 1)]).await;
                self.task.mark_suspect();
            }
            Resume::Anew => {
                self.tell_behind().await?;
                self.stream.forget();
                // A server that started again knows no old versions. If it always says so, it is not asked in a circle.
                self.follows = self.renewed.is_none_or(|at| at.elapsed() > RENEWED);
                self.renewed = Some(began);
            }
        }
        ControlFlow::Continue(())
    }

    /// Tells what failed, and waits before the next attempt.
    async fn failed(&mut self, error: StreamError) -> ControlFlow<()> {
        let error = match error {
            StreamError::Gone => return ControlFlow::Break(()),
            StreamError::Slow => {
                let text = Safe::new(&format!("{} do not come", self.kind.plural()));
                self.task.trip(Trouble::Silent, text).await;
                return ControlFlow::Continue(());
            }
            StreamError::Client(error) => error,
        };
        let code = if let kube::Error::Api(status) = &error { status.code } else { 0 };
        // Kubernetes before 1.32, or one in which such watches are switched off.
        if self.lists_in_watch && !self.stream.is_listed() && matches!(code, 400 | 422) {
            (self.lists_in_watch, self.follows) = (false, true);
            return ControlFlow::Continue(());
        }
        let (trouble, text) = classify(&error);
        self.tell_behind().await?;
        match trouble {
            _ if matches!(code, 429 | 500 | 503 | 504) => sleep(BUSY).await,
            Trouble::Forbidden | Trouble::NoKinds => {
                self.stream.forget();
                self.task.say(ClusterEvent::Contact).await;
                if !self.task.say(ClusterEvent::Denied(self.kind, trouble, text)).await {
                    return ControlFlow::Break(());
                }
                let _ = timeout(self.pause, self.task.again.notified()).await;
                let longest = if trouble == Trouble::Forbidden { DENIED } else { MISSING };
                self.pause = (self.pause * 2).min(longest);
            }
            _ => {
                if trouble == Trouble::Refused {
                    self.stream.forget();
                }
                self.task.trip(trouble, text).await;
            }
        }
        ControlFlow::Continue(())
    }

    /// Tells that changes do not come in.
    async fn tell_behind(&self) -> ControlFlow<()> {
        match self.task.say(ClusterEvent::Behind(self.kind)).await {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// `true` if something came that could not be read. Of a line of a watch the client then makes a status in which nothing is
/// said: all of a status may be absent.
fn is_unreadable(error: &kube::Error) -> bool {
    match error {
        kube::Error::SerdeError(_) => true,
        kube::Error::Api(status) => status.code == 0 && status.status.is_none() && status.message.is_empty(),
        _ => false,
    }
}
