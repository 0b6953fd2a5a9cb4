//! One kind: a watch that begins with all objects, or a list in pages and then a watch where the server knows no such
//! thing; again from the start where the server says so.

use std::time::Duration;

use futures::StreamExt as _;
use kube::core::WatchEvent;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::error::classify;
use crate::cluster::kinds::{Guarded, Watched, WireApproval, WireObject, WireRule, watch_path};
use crate::cluster::task_context::TaskContext;
use crate::connection::{KindName, Trouble};
use crate::message::ClusterEvent;
use crate::rows::wire::Page;
use crate::rows::{Names, wire};
use crate::text::Safe;

/// Objects per page: bounds what is in memory at once, and is enough for the first screen.
const PAGE: u32 = 500;
/// Changes that are taken together, if so many are there.
const BATCH: usize = 256;
/// Rows that fill a screen.
const SCREEN: usize = 60;
/// Between two batches of changes: many small ones would each wake the console for a row that nobody looks at.
const BREATH: Duration = Duration::from_millis(25);
/// Asked of the server: end a watch after so many seconds.
const WATCH_SECONDS: u64 = 290;
/// The same for events. They have no bookmarks: where one of these watches ends, a list must follow.
const EVENTS_SECONDS: u64 = 1800;
/// At most, after a no (403), and where the kind is missing (404). The first pauses are shorter: a server that just
/// started says both for a moment.
const DENIED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(4));

/// A server that starts, or has too much to do, is asked again after this.
const BUSY: Duration = Duration::from_secs(1);

/// Rests after a watch that ended as soon as it began, by how many did in a row.
const HASTY: [Duration; 5] =
    [Duration::ZERO, Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A new list is asked for at once if the one before is older than this.
const RENEWED: Duration = Duration::from_secs(10);

/// Why a watch has to be started again.
enum Again {
    /// It ended before its time: from where it was, once the server answers.
    Early,
    /// From where it was.
    Here,
    /// From a new list.
    Anew,
    /// The console is gone.
    Never,
}

pub(super) async fn watch(kind: KindName, task: TaskContext) {
    match kind {
        KindName::Approvals => of::<WireApproval>(kind, task).await,
        KindName::Objects => of::<WireObject>(kind, task).await,
        KindName::Rules => of::<WireRule>(kind, task).await,
        KindName::Events => of::<wire::Event>(kind, task).await,
    }
}

async fn of<K: Watched>(kind: KindName, task: TaskContext) {
    let (path, selector) = watch_path(kind, task.namespace.as_deref());
    let mut names = Names::default();
    let mut version: Option<String> = None;
    let mut streams = true;
    // Whether something could not be read: from then on each object is read by itself.
    let mut guarded = false;
    let mut pause = BUSY;
    let mut hasty = 0;
    // Whether the next request follows from an answer: it need not wait for its turn.
    let mut follows = false;
    let mut renewed: Option<Instant> = None;
    let mut answers = task.open.subscribe();
    loop {
        // While nobody answers, only the probe connects.
        if answers.wait_for(|open| *open).await.is_err() {
            return;
        }
        if !std::mem::take(&mut follows) {
            task.throttle.turn().await;
        }
        let lost = task.lost.notified();
        if !*answers.borrow() {
            continue;
        }
        let began = Instant::now();
        let step = if version.is_none() && !streams {
            let listed = tokio::select! {
                listed = async {
                    match guarded {
                        false => list::<K>(kind, &task, &path, selector, &mut names).await,
                        true => list::<Guarded<K>>(kind, &task, &path, selector, &mut names).await,
                    }
                } => listed,
                () = lost => Ok(None),
            };
            listed.map(|at| {
                version = at;
                follows = version.is_some();
                if follows { Again::Here } else { Again::Early }
            })
        } else if guarded {
            watched::<Guarded<K>>(kind, &task, &path, selector, &mut version, &mut names, lost).await
        } else {
            watched::<K>(kind, &task, &path, selector, &mut version, &mut names, lost).await
        };
        let step = match step {
            Err(Problem::Client(kube::Error::Api(status))) if status.code == 410 => Ok(Again::Anew),
            Err(Problem::Client(error)) if !guarded && unreadable(&error) => {
                (guarded, follows) = (true, true);
                Ok(Again::Here)
            }
            other => other,
        };
        // What went well for a while is not in trouble.
        if step.is_ok() || began.elapsed() > DENIED.0 {
            pause = BUSY;
        }
        match step {
            Ok(Again::Here) => {}
            Ok(Again::Early) => {
                if !task.say(ClusterEvent::Behind(kind)).await {
                    return;
                }
                // A server that ends watches as soon as they begin is not asked in a circle.
                hasty = if began.elapsed() < BUSY { hasty + 1 } else { 0 };
                sleep(HASTY[hasty.min(HASTY.len() - 1)]).await;
                task.mark_suspect();
            }
            Ok(Again::Anew) => {
                if !task.say(ClusterEvent::Behind(kind)).await {
                    return;
                }
                version = None;
                // A server that started again knows no old versions. One that says so all the time is not asked in a circle.
                follows = renewed.is_none_or(|at| at.elapsed() > RENEWED);
                renewed = Some(began);
            }
            Ok(Again::Never) => return,
            Err(Problem::Gone) => return,
            Err(Problem::Slow) => {
                let text = Safe::new(&format!("{} do not come", kind.plural()));
                task.trip(Trouble::Silent, text).await;
            }
            Err(Problem::Client(error)) => {
                // Kubernetes before 1.32, or one in which such watches are switched off.
                if streams
                    && version.is_none()
                    && matches!(&error, kube::Error::Api(s) if matches!(s.code, 400 | 422))
                {
                    (streams, follows) = (false, true);
                    continue;
                }
                let (trouble, text) = classify(&error);
                if !task.say(ClusterEvent::Behind(kind)).await {
                    return;
                }
                match trouble {
                    _ if matches!(&error, kube::Error::Api(s) if matches!(s.code, 429 | 500 | 503 | 504)) => {
                        sleep(BUSY).await;
                    }
                    Trouble::Forbidden | Trouble::NoKinds => {
                        version = None;
                        task.say(ClusterEvent::Contact).await;
                        if !task.say(ClusterEvent::Denied(kind, trouble, text)).await {
                            return;
                        }
                        let _ = timeout(pause, task.again.notified()).await;
                        let longest = if trouble == Trouble::Forbidden { DENIED.0 } else { DENIED.1 };
                        pause = (pause * 2).min(longest);
                    }
                    _ => {
                        if trouble == Trouble::Refused {
                            version = None;
                        }
                        task.trip(trouble, text).await;
                    }
                }
            }
        }
    }
}

/// Whether something came that could not be read. Of a line of a watch the client then makes a status in which nothing is
/// said: all of a status may be absent.
fn unreadable(error: &kube::Error) -> bool {
    match error {
        kube::Error::SerdeError(_) => true,
        kube::Error::Api(status) => status.code == 0 && status.status.is_none() && status.message.is_empty(),
        _ => false,
    }
}

enum Problem {
    Client(kube::Error),
    Slow,
    Gone,
}

impl From<kube::Error> for Problem {
    fn from(error: kube::Error) -> Self {
        Problem::Client(error)
    }
}

fn get(uri: &str) -> Result<http::Request<Vec<u8>>, Problem> {
    http::Request::get(uri).body(Vec::new()).map_err(|e| Problem::Client(kube::Error::HttpError(e)))
}

async fn list<K: Watched>(
    kind: KindName,
    task: &TaskContext,
    path: &str,
    selector: &str,
    names: &mut Names,
) -> Result<Option<String>, Problem> {
    let page = async |token: &str| -> Result<Page<K>, Problem> {
        let token = if token.is_empty() { String::new() } else { format!("&continue={}", escape(token)) };
        let request = get(&format!("{path}?limit={PAGE}{selector}{token}"))?;
        let client = task.session.client();
        let asked = client.request(request);
        Ok(timeout(task.session.times().page, asked).await.map_err(|_| Problem::Slow)??)
    };
    let mut came = page("").await?;
    if !(task.say(ClusterEvent::Contact).await && task.say(ClusterEvent::Start(kind)).await) {
        return Err(Problem::Gone);
    }
    loop {
        let Page { metadata, items } = came;
        let told = async { task.say(K::rows(items, names)).await };
        let token = metadata.continue_.unwrap_or_default();
        if token.is_empty() {
            let told = told.await && task.say(ClusterEvent::Done(kind)).await;
            return if told { Ok(Some(metadata.resource_version)) } else { Err(Problem::Gone) };
        }
        // While this one becomes rows, the server makes the next.
        let (next, told) = tokio::join!(page(&token), told);
        if !told {
            return Err(Problem::Gone);
        }
        came = next?;
    }
}

/// A page's token, fit for a query.
fn escape(token: &str) -> String {
    token.bytes().fold(String::with_capacity(token.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

/// The mark of the bookmark behind the last object of the list that a watch began with.
const LISTED: &str = "k8s.io/initial-events-end";

/// Watches from a version on; without one, from a list that the same answer begins with.
async fn watched<K: Watched>(
    kind: KindName,
    task: &TaskContext,
    path: &str,
    selector: &str,
    version: &mut Option<String>,
    names: &mut Names,
    lost: impl Future<Output = ()>,
) -> Result<Again, Problem> {
    let events = kind == KindName::Events;
    let seconds = if events { EVENTS_SECONDS } else { WATCH_SECONDS };
    let times = task.session.times();
    let quiet = if events { Duration::from_secs(seconds + 30) } else { times.quiet };
    // What the server has at hand will do for a list: what is newer follows at once.
    let from = match version {
        Some(version) => format!("resourceVersion={version}"),
        None => "resourceVersion=0&resourceVersionMatch=NotOlderThan&sendInitialEvents=true".to_owned(),
    };
    let request = get(&format!(
        "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&{from}{selector}"
    ))?;
    let started = Instant::now();
    let client = task.session.client();
    let mut lost = std::pin::pin!(lost);
    let mut asked = std::pin::pin!(client.request_events::<K>(request));
    let begun = tokio::select! {
        stream = timeout(BUSY, &mut asked) => stream,
        () = &mut lost => return Ok(Again::Early),
    };
    let stream = match begun {
        Ok(stream) => stream?,
        Err(_) => {
            // A server that starts may take its time over this; until then nothing of this kind is live.
            if version.is_some() && !task.say(ClusterEvent::Behind(kind)).await {
                return Ok(Again::Never);
            }
            tokio::select! {
                stream = timeout(times.patience, asked) => stream.map_err(|_| Problem::Slow)??,
                () = &mut lost => return Ok(Again::Early),
            }
        }
    };
    let mut stream = std::pin::pin!(stream.ready_chunks(BATCH));
    let told = match version {
        Some(_) => task.say(ClusterEvent::Following(kind)).await,
        None => task.say(ClusterEvent::Contact).await && task.say(ClusterEvent::Start(kind)).await,
    };
    if !told {
        return Ok(Again::Never);
    }
    let mut objects = Vec::new();
    let mut shown = 0;
    loop {
        let patience = match version {
            // What is held back is shown although no more comes.
            None if !objects.is_empty() => BREATH,
            None => times.page,
            Some(_) => quiet,
        };
        let next = tokio::select! {
            next = timeout(patience, stream.next()) => next,
            () = &mut lost => return Ok(Again::Early),
        };
        let Ok(next) = next else {
            if !objects.is_empty() {
                shown += objects.len();
                if !task.say(K::rows(std::mem::take(&mut objects), names)).await {
                    return Ok(Again::Never);
                }
                continue;
            }
            if version.is_none() {
                return Err(Problem::Slow);
            }
            // What dropped this one may have dropped those whose silence tells nothing.
            task.lost.notify_waiters();
            return Ok(Again::Early);
        };
        let Some(events) = next else {
            let whole = started.elapsed() >= Duration::from_secs(seconds - 10);
            return Ok(if whole { Again::Here } else { Again::Early });
        };
        for event in events {
            let (mut after, mut ended) = (None, None);
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    seen(version, object.meta());
                    objects.push(object);
                    continue;
                }
                Ok(WatchEvent::Deleted(object)) => {
                    seen(version, object.meta());
                    after = Some(ClusterEvent::Gone(kind, object.meta().uid.as_str().into()));
                }
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    if version.is_none() {
                        if !bookmark.metadata.annotations.contains_key(LISTED) {
                            continue;
                        }
                        after = Some(ClusterEvent::Done(kind));
                    }
                    *version = Some(bookmark.metadata.resource_version);
                }
                Ok(WatchEvent::Error(status)) => ended = Some(Err(kube::Error::Api(status).into())),
                Err(error @ (kube::Error::Api(_) | kube::Error::SerdeError(_))) => {
                    ended = Some(Err(error.into()));
                }
                // One that broke off has ended: whether the server is there is the probe's to find out.
                Err(_) => ended = Some(Ok(Again::Early)),
            }
            if !objects.is_empty() && !task.say(K::rows(std::mem::take(&mut objects), names)).await {
                return Ok(Again::Never);
            }
            if let Some(feed) = after
                && !task.say(feed).await
            {
                return Ok(Again::Never);
            }
            if let Some(ended) = ended {
                return ended;
            }
        }
        // A list comes in many small pieces: once there is something to see, they are taken together.
        let enough = if version.is_some() || shown < SCREEN { 1 } else { BATCH };
        if objects.len() >= enough {
            shown += objects.len();
            if !task.say(K::rows(std::mem::take(&mut objects), names)).await {
                return Ok(Again::Never);
            }
        }
        if version.is_some() {
            sleep(BREATH).await;
        }
    }
}

/// Where to go on. Objects of a list come in any order of their versions: it is known at its end.
fn seen(version: &mut Option<String>, meta: &wire::Meta) {
    if let Some(version) = version {
        version.clone_from(&meta.resource_version);
    }
}
