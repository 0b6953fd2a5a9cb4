//! From watches to messages: one watch per kind, and a probe that notices a server which is there and says nothing.

mod kinds;
pub mod pace;
pub mod session;
pub mod trouble;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch as state};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub use session::{Session, SessionError, Source};

use crate::model::Trouble;
use crate::model::link::KindName;
use crate::text::Safe;
use crate::update::{Feed, Msg};
pub use pace::Times;
use pace::{PAUSE, Pace, longer};

/// What all tasks of a feed share.
#[derive(Clone)]
struct Shared {
    session: Arc<Session>,
    namespace: Option<Arc<str>>,
    generation: u64,
    out: mpsc::Sender<Msg>,
    pace: Arc<Pace>,
    /// Whether the server answers; a watch that failed waits for it.
    open: Arc<state::Sender<bool>>,
    /// The server was not reached: watches that hang on a former path would say nothing, and look well.
    lost: Arc<Notify>,
    /// Somebody wants to know now.
    wake: Arc<Notify>,
    /// And what was refused, too.
    again: Arc<Notify>,
}

impl Shared {
    async fn say(&self, feed: Feed) -> bool {
        self.out.send(Msg::Feed(self.generation, feed)).await.is_ok()
    }

    /// A watch ended before its time: the probe looks first whether somebody is there.
    fn doubt(&self) {
        if self.open.send_if_modified(|open| std::mem::replace(open, false)) {
            self.pace.slow();
            self.wake.notify_one();
        }
    }

    /// Watches begin anew where the server was not reached, or does not know us; one that refuses has not dropped them.
    fn forsake(&self, trouble: Trouble) {
        if matches!(trouble, Trouble::Silent | Trouble::Unauthorized) {
            self.lost.notify_waiters();
        }
    }

    /// A watch failed: nobody connects until the probe was answered.
    async fn trip(&self, trouble: Trouble, text: Safe) {
        let news = self.open.send_if_modified(|open| std::mem::replace(open, false));
        self.forsake(trouble);
        if news {
            self.pace.slow();
            self.say(Feed::Trouble(trouble, text)).await;
            self.wake.notify_one();
        }
    }
}

/// A running feed. Dropping it ends it.
#[derive(Debug)]
pub struct Feeder {
    task: JoinHandle<()>,
    wake: Arc<Notify>,
    again: Arc<Notify>,
    lost: Arc<Notify>,
    session: state::Receiver<Option<Arc<Session>>>,
}

impl Feeder {
    /// Starts to watch. Needs a runtime.
    pub fn start(
        source: Source,
        namespace: Option<Arc<str>>,
        generation: u64,
        out: mpsc::Sender<Msg>,
    ) -> Feeder {
        let [wake, again, lost] = [(); 3].map(|()| Arc::new(Notify::new()));
        let (tell, session) = state::channel(None);
        let bells = [&wake, &again, &lost].map(Arc::clone);
        let task = tokio::spawn(run(source, namespace, generation, out, bells, tell));
        Feeder { task, wake, again, lost, session }
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

    /// The connection, once there is one.
    pub fn session(&self) -> Option<Arc<Session>> {
        self.session.borrow().clone()
    }
}

impl Drop for Feeder {
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
        let label = Feed::Cluster(Box::new(source.label()));
        if out.send(Msg::Feed(generation, label)).await.is_err() {
            return;
        }
    }
    let trouble = async |error: &SessionError| {
        let feed = Feed::Trouble(error.trouble(), Safe::new(&error.to_string()));
        out.send(Msg::Feed(generation, feed)).await.is_ok()
    };
    let mut pause = PAUSE.1;
    let session = loop {
        let mut opened = std::pin::pin!(source.open());
        let opened = match timeout(source.times.patience, &mut opened).await {
            Ok(opened) => opened,
            // One that hangs is not started a second time.
            Err(_) if trouble(&SessionError::Plugin).await => opened.await,
            Err(_) => return,
        };
        match opened {
            Ok(session) => break Arc::new(session),
            Err(error) if trouble(&error).await => {
                if timeout(pause, wake.notified()).await.is_ok() {
                    // The key may be held down.
                    sleep(PAUSE.0).await;
                }
                pause = longer(pause, error.trouble() == Trouble::Unauthorized);
            }
            Err(_) => return,
        }
    };
    tell.send_replace(Some(Arc::clone(&session)));
    let (open, _) = state::channel(true);
    let shared = Shared {
        session,
        namespace,
        generation,
        out,
        pace: Arc::new(Pace::default()),
        open: Arc::new(open),
        lost,
        wake,
        again,
    };
    if !shared.say(Feed::Cluster(Box::new(shared.session.label.clone()))).await {
        return;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for kind in KindName::ALL {
        tasks.spawn(watch::watch(kind, shared.clone()));
    }
    tasks.spawn(identity(shared.clone()));
    probe(shared).await;
}

/// Who we are, in the server's words; asked again when the credentials were read anew.
async fn identity(shared: Shared) {
    let times = shared.session.times();
    let mut renewed = shared.session.renewed();
    let mut answers = shared.open.subscribe();
    loop {
        renewed.mark_unchanged();
        if answers.wait_for(|open| *open).await.is_err() {
            return;
        }
        shared.pace.turn().await;
        let client = shared.session.client();
        let asked = shared.session.ask(crate::effect::authz::identity(&client)).await;
        // An answer about credentials that are not used any more.
        if renewed.has_changed().unwrap_or(true) {
            continue;
        }
        let known = match asked {
            Ok(user) if !user.is_empty() => shared.say(Feed::Identity(user)).await,
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
    /// Waits for them for a while; why there are none.
    async fn attempt(&mut self, shared: &Shared) -> Result<(), Safe> {
        let task = self.0.get_or_insert_with(|| tokio::spawn(renew(shared.clone())));
        let Ok(renewed) = timeout(shared.session.times().patience, task).await else {
            return Err(Safe::new(&SessionError::Plugin.to_string()));
        };
        self.0 = None;
        let renewed = renewed.map_err(|error| Safe::new(&error.to_string()))?;
        renewed.map_err(|error| Safe::new(&error.to_string()))
    }

    /// The server knows us: what an earlier attempt came to says nothing any more.
    fn over(&mut self) {
        self.0.take_if(|task| task.is_finished());
    }
}

async fn renew(shared: Shared) -> Result<(), SessionError> {
    let user = shared.session.renew().await?;
    shared.say(Feed::Credentials(user)).await;
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
async fn probe(shared: Shared) {
    let mut pause = PAUSE.0;
    let mut void = false;
    let mut renewal = Renewal::default();
    let mut answers = shared.open.subscribe();
    let times = shared.session.times();
    let mut next = Instant::now() + times.probe;
    loop {
        let open = *answers.borrow_and_update();
        let wait = if open { next.saturating_duration_since(Instant::now()) } else { pause };
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.wake.notified() => {
                if !*answers.borrow() && open {
                    // It was tripped just now: at most one connection a second.
                    pause = PAUSE.0;
                    continue;
                }
                sleep(PAUSE.0).await;
            }
        }
        // Something may have renewed them in the file.
        let lapsed = match void {
            true => renewal.attempt(&shared).await.err(),
            false => None,
        };
        let client = shared.session.client();
        let asked = shared.session.ask(crate::effect::authz::alive(&client)).await;
        let (trouble, text) = match asked {
            Ok(()) => {
                pause = PAUSE.0;
                void = false;
                renewal.over();
                next = Instant::now() + times.probe;
                let back = shared.open.send_if_modified(|open| !std::mem::replace(open, true));
                if back {
                    shared.pace.back();
                }
                if !shared.say(Feed::Contact).await {
                    return;
                }
                continue;
            }
            Err(error) => trouble::classify(&error),
        };
        // Why there are no other credentials says more than that these are not taken.
        let text = lapsed.filter(|_| trouble == Trouble::Unauthorized).unwrap_or(text);
        shared.open.send_if_modified(|open| std::mem::replace(open, false));
        shared.forsake(trouble);
        shared.pace.slow();
        void = trouble == Trouble::Unauthorized;
        if !shared.say(Feed::Trouble(trouble, text)).await {
            return;
        }
        pause = longer(pause, void && shared.session.plugin);
    }
}
