//! One connection as a task: a watch per kind, and a probe.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch as state};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cluster::session::{Session, SessionError, Source};
use crate::cluster::task_context::TaskContext;
use crate::cluster::throttle::{FIRST_PAUSE, LONGEST_PAUSE, Throttle, longer};
use crate::cluster::{probe, watch};
use crate::connection::{KindName, Trouble};
use crate::message::{ClusterEvent, Msg};
use crate::text::Safe;

/// A running task that watches a cluster. Dropping it ends it.
#[derive(Debug)]
pub struct ClusterTask {
    task: JoinHandle<()>,
    wake: Arc<Notify>,
    again: Arc<Notify>,
    lost: Arc<Notify>,
    session: state::Receiver<Option<Arc<Session>>>,
}

impl ClusterTask {
    /// Starts to watch. Needs a runtime.
    pub fn start(
        source: Source,
        namespace: Option<Arc<str>>,
        generation: u64,
        out: mpsc::Sender<Msg>,
    ) -> ClusterTask {
        let [wake, again, lost] = [(); 3].map(|()| Arc::new(Notify::new()));
        let (tell, session) = state::channel(None);
        let bells = [&wake, &again, &lost].map(Arc::clone);
        let task = tokio::spawn(run(source, namespace, generation, out, bells, tell));
        ClusterTask { task, wake, again, lost, session }
    }

    /// Begins all watches anew: the machine slept, and what they hang on may be gone.
    pub fn awake(&self) {
        self.lost.notify_waiters();
        self.wake();
    }

    /// Tries now.
    pub fn wake(&self) {
        self.wake.notify_one();
        self.again.notify_waiters();
    }

    /// Returns the connection, once there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.borrow().clone()
    }
}

impl Drop for ClusterTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    source: Source,
    namespace: Option<Arc<str>>,
    generation: u64,
    out: mpsc::Sender<Msg>,
    [wake, again, lost]: [Arc<Notify>; 3],
    tell: state::Sender<Option<Arc<Session>>>,
) {
    // Which context this is is known, whether it can be opened or not.
    if source.context.is_some() {
        let label = ClusterEvent::Cluster(Box::new(source.label()));
        if out.send(Msg::ClusterEvent(generation, label)).await.is_err() {
            return;
        }
    }
    let trouble = async |error: &SessionError| {
        let event = ClusterEvent::Trouble(error.trouble(), Safe::new(&error.to_string()));
        out.send(Msg::ClusterEvent(generation, event)).await.is_ok()
    };
    let mut pause = LONGEST_PAUSE;
    let session = loop {
        let mut opened = std::pin::pin!(source.open());
        let opened = match timeout(source.times.patience, &mut opened).await {
            Ok(opened) => opened,
            // A plugin that hangs is not started a second time.
            Err(_) if trouble(&SessionError::Plugin).await => opened.await,
            Err(_) => return,
        };
        match opened {
            Ok(session) => break Arc::new(session),
            Err(error) if trouble(&error).await => {
                if timeout(pause, wake.notified()).await.is_ok() {
                    // The key may be held down.
                    sleep(FIRST_PAUSE).await;
                }
                pause = longer(pause, error.trouble() == Trouble::Unauthorized);
            }
            Err(_) => return,
        }
    };
    tell.send_replace(Some(Arc::clone(&session)));
    let (open, _) = state::channel(true);
    let task = TaskContext {
        session,
        namespace,
        generation,
        out,
        throttle: Arc::new(Throttle::default()),
        open: Arc::new(open),
        lost,
        wake,
        again,
    };
    if !task.say(ClusterEvent::Cluster(Box::new(task.session.label.clone()))).await {
        return;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for kind in KindName::ALL {
        tasks.spawn(watch::watch(kind, task.clone()));
    }
    tasks.spawn(probe::learn_identity(task.clone()));
    probe::watch_contact(task).await;
}
