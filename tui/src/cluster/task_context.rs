//! State that all tasks of a connection share.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::{mpsc, watch};

use crate::cluster::session::Session;
use crate::cluster::throttle::Throttle;
use crate::connection::Trouble;
use crate::message::{ClusterEvent, Msg};
use crate::text::Safe;

/// State that all tasks of a connection share.
#[derive(Clone)]
pub(super) struct TaskContext {
    pub(super) session: Arc<Session>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) generation: u64,
    pub(super) out: mpsc::Sender<Msg>,
    pub(super) throttle: Arc<Throttle>,
    /// `true` if the server answers; a watch that failed waits for it.
    pub(super) open: Arc<watch::Sender<bool>>,
    /// The server was not reached: watches that hang on a former path would say nothing, and look well.
    pub(super) lost: Arc<Notify>,
    /// Somebody wants to know now.
    pub(super) wake: Arc<Notify>,
    /// And what was refused, too.
    pub(super) again: Arc<Notify>,
}

impl TaskContext {
    pub(super) async fn say(&self, event: ClusterEvent) -> bool {
        self.out.send(Msg::ClusterEvent(self.generation, event)).await.is_ok()
    }

    /// Marks the connection as suspect, since a watch ended before its time: the probe looks first whether somebody is there.
    pub(super) fn mark_suspect(&self) {
        if self.open.send_if_modified(|open| std::mem::replace(open, false)) {
            self.throttle.slow();
            self.wake.notify_one();
        }
    }

    /// Watches begin anew where the server was not reached, or does not know us; one that refuses has not dropped them.
    pub(super) fn give_up(&self, trouble: Trouble) {
        if matches!(trouble, Trouble::Silent | Trouble::Unauthorized) {
            self.lost.notify_waiters();
        }
    }

    /// Stops all connections, since a watch failed, until the probe was answered.
    pub(super) async fn trip(&self, trouble: Trouble, text: Safe) {
        let news = self.open.send_if_modified(|open| std::mem::replace(open, false));
        self.give_up(trouble);
        if news {
            self.throttle.slow();
            self.say(ClusterEvent::Trouble(trouble, text)).await;
            self.wake.notify_one();
        }
    }
}
