//! Notices a server that is there and says nothing, and learns who we are.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::cluster::access;
use crate::cluster::error::classify;
use crate::cluster::session::SessionError;
use crate::cluster::task_context::TaskContext;
use crate::cluster::throttle::{FIRST_PAUSE, longer};
use crate::connection::Trouble;
use crate::message::ClusterEvent;
use crate::text::Safe;

/// Learns who the authenticated user is; asks again when the credentials were read anew.
pub(super) async fn learn_identity(task: TaskContext) {
    let times = task.session.times();
    let mut renewed = task.session.renewed();
    let mut answers = task.open.subscribe();
    loop {
        renewed.mark_unchanged();
        if answers.wait_for(|open| *open).await.is_err() {
            return;
        }
        task.throttle.turn().await;
        let client = task.session.client();
        let asked = task.session.ask(access::identity(&client)).await;
        // An answer about credentials that are not used any more.
        if renewed.has_changed().unwrap_or(true) {
            continue;
        }
        let known = match asked {
            Ok(user) if !user.is_empty() => task.say(ClusterEvent::Identity(user)).await,
            // A server without that review: the name stays unconfirmed.
            Err(kube::Error::Api(status)) => matches!(status.code, 403..=405),
            _ => false,
        };
        let pause = if known { Duration::MAX } else { times.probe };
        let _ = timeout(pause, renewed.changed()).await;
    }
}

/// Credentials that are being read anew. A plugin that hangs is not started a second time.
#[derive(Default)]
struct Renewal(Option<JoinHandle<Result<(), SessionError>>>);

impl Renewal {
    /// Waits for them for a while.
    ///
    /// # Errors
    /// Reason why there are none, for people.
    async fn attempt(&mut self, task: &TaskContext) -> Result<(), Safe> {
        let renewal = self.0.get_or_insert_with(|| tokio::spawn(renew(task.clone())));
        let Ok(renewed) = timeout(task.session.times().patience, renewal).await else {
            return Err(Safe::new(&SessionError::Plugin.to_string()));
        };
        self.0 = None;
        let renewed = renewed.map_err(|error| Safe::new(&error.to_string()))?;
        renewed.map_err(|error| Safe::new(&error.to_string()))
    }

    /// Forgets an attempt that has ended: the server accepts our credentials.
    fn over(&mut self) {
        self.0.take_if(|task| task.is_finished());
    }
}

async fn renew(task: TaskContext) -> Result<(), SessionError> {
    let user = task.session.renew().await?;
    task.say(ClusterEvent::Credentials(user)).await;
    Ok(())
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Asks whether the server is there: a watch that says nothing looks like one with nothing to say.
pub(super) async fn watch_contact(task: TaskContext) {
    let mut pause = FIRST_PAUSE;
    let mut void = false;
    let mut renewal = Renewal::default();
    let mut answers = task.open.subscribe();
    let times = task.session.times();
    let mut next = Instant::now() + times.probe;
    loop {
        let open = *answers.borrow_and_update();
        let wait = if open { next.saturating_duration_since(Instant::now()) } else { pause };
        tokio::select! {
            () = sleep(wait) => {}
            () = task.wake.notified() => {
                if !*answers.borrow() && open {
                    // It was tripped just now: at most one connection a second.
                    pause = FIRST_PAUSE;
                    continue;
                }
                sleep(FIRST_PAUSE).await;
            }
        }
        // Something may have renewed them in the file.
        let lapsed = match void {
            true => renewal.attempt(&task).await.err(),
            false => None,
        };
        let client = task.session.client();
        let asked = task.session.ask(access::alive(&client)).await;
        let (trouble, text) = match asked {
            Ok(()) => {
                pause = FIRST_PAUSE;
                void = false;
                renewal.over();
                next = Instant::now() + times.probe;
                let back = task.open.send_if_modified(|open| !std::mem::replace(open, true));
                if back {
                    task.throttle.back();
                }
                if !task.say(ClusterEvent::Contact).await {
                    return;
                }
                continue;
            }
            Err(error) => classify(&error),
        };
        // Why there are no other credentials says more than that these are not taken.
        let text = lapsed.filter(|_| trouble == Trouble::Unauthorized).unwrap_or(text);
        task.open.send_if_modified(|open| std::mem::replace(open, false));
        task.give_up(trouble);
        task.throttle.slow();
        void = trouble == Trouble::Unauthorized;
        if !task.say(ClusterEvent::Trouble(trouble, text)).await {
            return;
        }
        pause = longer(pause, void && task.session.plugin);
    }
}
