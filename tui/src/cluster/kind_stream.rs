//! The objects of one kind as the server sends them: a list in pages, or a watch that may begin with a list. It ends with
//! what should happen next, and never tries again by itself.

use std::time::Duration;

use futures::StreamExt as _;
use kube::core::WatchEvent;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::kinds::{Watched, watch_path};
use crate::cluster::task_context::TaskContext;
use crate::connection::KindName;
use crate::message::ClusterEvent;
use crate::rows::wire::Page;
use crate::rows::{Names, wire};

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
/// A server that has not begun to answer a watch after this may be starting: what is shown is no longer live.
const SLOW: Duration = Duration::from_secs(1);
/// The mark of the bookmark behind the last object of the list that a watch began with.
const LISTED: &str = "k8s.io/initial-events-end";
/// Bytes of a page's token that are not fit for a query.
const TOKEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// From where a watch is started again.
pub(super) enum Resume {
    /// It ended before its time: from where it was, once the server answers.
    Early,
    /// From where it was.
    Here,
    /// From a new list.
    Anew,
    /// Never: the console is gone.
    Never,
}

/// Reason why nothing more comes.
pub(super) enum StreamError {
    /// The server refused, or was not reached.
    Client(kube::Error),
    /// The server takes too long.
    Slow,
    /// The console is gone.
    Gone,
}

impl From<kube::Error> for StreamError {
    fn from(error: kube::Error) -> Self {
        StreamError::Client(error)
    }
}

fn get(uri: &str) -> Result<http::Request<Vec<u8>>, StreamError> {
    http::Request::get(uri).body(Vec::new()).map_err(|e| StreamError::Client(kube::Error::HttpError(e)))
}

/// One kind, and how far it was read.
pub(super) struct KindStream {
    kind: KindName,
    task: TaskContext,
    path: String,
    selector: &'static str,
    names: Names,
    /// Version to go on from; `None` before the end of a list.
    version: Option<String>,
}

/// Consequence of an event of a watch, besides its object.
enum Followup {
    /// The next event may join the batch.
    Continue,
    /// Objects that were kept back are shown.
    Flush,
    /// Objects that were kept back are shown, and then this is told.
    Tell(ClusterEvent),
    /// The watch has ended.
    End(Result<Resume, StreamError>),
}

impl KindStream {
    /// Returns a kind of which nothing was read yet.
    pub(super) fn new(kind: KindName, task: TaskContext) -> KindStream {
        let (path, selector) = watch_path(kind, task.namespace.as_deref());
        KindStream { kind, task, path, selector, names: Names::default(), version: None }
    }

    /// `true` if the list is complete, and a watch can go on from there.
    pub(super) fn is_listed(&self) -> bool {
        self.version.is_some()
    }

    /// Begins with a new list.
    pub(super) fn forget(&mut self) {
        self.version = None;
    }

    /// Reads a list, page by page.
    pub(super) async fn list<K: Watched>(&mut self) -> Result<(), StreamError> {
        let KindStream { kind, task, path, selector, names, version } = self;
        let page = async |token: &str| -> Result<Page<K>, StreamError> {
            let token = match token {
                "" => String::new(),
                token => format!("&continue={}", utf8_percent_encode(token, TOKEN)),
            };
            let request = get(&format!("{path}?limit={PAGE}{selector}{token}"))?;
            let client = task.session.client();
            let asked = client.request(request);
            Ok(timeout(task.session.times().page, asked).await.map_err(|_| StreamError::Slow)??)
        };
        let mut came = page("").await?;
        if !(task.say(ClusterEvent::Contact).await && task.say(ClusterEvent::Start(*kind)).await) {
            return Err(StreamError::Gone);
        }
        loop {
            let Page { metadata, items } = came;
            let told = async { task.say(K::rows(items, names)).await };
            let token = metadata.continue_.unwrap_or_default();
            if token.is_empty() {
                if !(told.await && task.say(ClusterEvent::Done(*kind)).await) {
                    return Err(StreamError::Gone);
                }
                *version = Some(metadata.resource_version);
                return Ok(());
            }
            // While this one becomes rows, the server makes the next.
            let (next, told) = tokio::join!(page(&token), told);
            if !told {
                return Err(StreamError::Gone);
            }
            came = next?;
        }
    }

    /// Watches from a version on; without one, from a list that the same answer begins with.
    pub(super) async fn follow<K: Watched>(
        &mut self,
        lost: impl Future<Output = ()>,
    ) -> Result<Resume, StreamError> {
        let seconds = if self.kind == KindName::Events { EVENTS_SECONDS } else { WATCH_SECONDS };
        let request = self.watch_request(seconds)?;
        let started = Instant::now();
        let client = self.task.session.client();
        let mut lost = std::pin::pin!(lost);
        let mut asked = std::pin::pin!(client.request_events::<K>(request));
        let begun = tokio::select! {
            stream = timeout(SLOW, &mut asked) => stream,
            () = &mut lost => return Ok(Resume::Early),
        };
        let stream = match begun {
            Ok(stream) => stream?,
            Err(_) => {
                // A server that starts may take its time over this; until then nothing of this kind is live.
                if self.is_listed() && !self.task.say(ClusterEvent::Behind(self.kind)).await {
                    return Ok(Resume::Never);
                }
                tokio::select! {
                    stream = timeout(self.task.session.times().patience, asked) => {
                        stream.map_err(|_| StreamError::Slow)??
                    }
                    () = &mut lost => return Ok(Resume::Early),
                }
            }
        };
        let mut stream = std::pin::pin!(stream.ready_chunks(BATCH));
        if !self.tell_begun().await {
            return Ok(Resume::Never);
        }
        let mut objects = Vec::new();
        let mut shown = 0;
        loop {
            let patience = self.patience(!objects.is_empty(), seconds);
            let next = tokio::select! {
                next = timeout(patience, stream.next()) => next,
                () = &mut lost => return Ok(Resume::Early),
            };
            let Ok(next) = next else {
                if !objects.is_empty() {
                    shown += objects.len();
                    if !self.show(&mut objects).await {
                        return Ok(Resume::Never);
                    }
                    continue;
                }
                if !self.is_listed() {
                    return Err(StreamError::Slow);
                }
                // What dropped this one may have dropped those whose silence tells nothing.
                self.task.lost.notify_waiters();
                return Ok(Resume::Early);
            };
            let Some(events) = next else {
                let whole = started.elapsed() >= Duration::from_secs(seconds - 10);
                return Ok(if whole { Resume::Here } else { Resume::Early });
            };
            if let Some(end) = self.take_all(events, &mut objects).await {
                return end;
            }
            // A list comes in many small pieces: once there is something to see, they are taken together.
            let enough = if self.is_listed() || shown < SCREEN { 1 } else { BATCH };
            if objects.len() >= enough {
                shown += objects.len();
                if !self.show(&mut objects).await {
                    return Ok(Resume::Never);
                }
            }
            if self.is_listed() {
                sleep(BREATH).await;
            }
        }
    }

    fn watch_request(&self, seconds: u64) -> Result<http::Request<Vec<u8>>, StreamError> {
        let KindStream { path, selector, version, .. } = self;
        // What the server has at hand will do for a list: what is newer follows at once.
        let from = match version {
            Some(version) => format!("resourceVersion={version}"),
            None => "resourceVersion=0&resourceVersionMatch=NotOlderThan&sendInitialEvents=true".to_owned(),
        };
        get(&format!("{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&{from}{selector}"))
    }

    /// Tells that a watch has begun; `false` if the console is gone.
    async fn tell_begun(&self) -> bool {
        if self.is_listed() {
            self.task.say(ClusterEvent::Following(self.kind)).await
        } else {
            self.task.say(ClusterEvent::Contact).await && self.task.say(ClusterEvent::Start(self.kind)).await
        }
    }

    /// Returns how long nothing may come.
    fn patience(&self, kept_back: bool, seconds: u64) -> Duration {
        let times = self.task.session.times();
        match self.version {
            // What is held back is shown although no more comes.
            None if kept_back => BREATH,
            None => times.page,
            Some(_) if self.kind == KindName::Events => Duration::from_secs(seconds + 30),
            Some(_) => times.quiet,
        }
    }

    /// Shows what was kept back; `false` if the console is gone.
    async fn show<K: Watched>(&mut self, objects: &mut Vec<K>) -> bool {
        self.task.say(K::rows(std::mem::take(objects), &mut self.names)).await
    }

    /// Takes events that came together; returns how the watch ended, if it did.
    async fn take_all<K: Watched>(
        &mut self,
        events: Vec<Result<WatchEvent<K>, kube::Error>>,
        objects: &mut Vec<K>,
    ) -> Option<Result<Resume, StreamError>> {
        for event in events {
            let followup = self.take(event, objects);
            if matches!(followup, Followup::Continue) {
                continue;
            }
            if !objects.is_empty() && !self.show(objects).await {
                return Some(Ok(Resume::Never));
            }
            match followup {
                Followup::Tell(event) => {
                    if !self.task.say(event).await {
                        return Some(Ok(Resume::Never));
                    }
                }
                Followup::End(end) => return Some(end),
                Followup::Continue | Followup::Flush => {}
            }
        }
        None
    }

    /// Takes one event: keeps its object back, or returns what follows from it.
    fn take<K: Watched>(
        &mut self,
        event: Result<WatchEvent<K>, kube::Error>,
        objects: &mut Vec<K>,
    ) -> Followup {
        match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                self.move_on(object.meta());
                objects.push(object);
                Followup::Continue
            }
            Ok(WatchEvent::Deleted(object)) => {
                self.move_on(object.meta());
                Followup::Tell(ClusterEvent::Gone(self.kind, object.meta().uid.as_str().into()))
            }
            Ok(WatchEvent::Bookmark(bookmark)) => {
                let listed = self.is_listed();
                if !listed && !bookmark.metadata.annotations.contains_key(LISTED) {
                    return Followup::Continue;
                }
                self.version = Some(bookmark.metadata.resource_version);
                if listed { Followup::Flush } else { Followup::Tell(ClusterEvent::Done(self.kind)) }
            }
            Ok(WatchEvent::Error(status)) => Followup::End(Err(kube::Error::Api(status).into())),
            Err(error @ (kube::Error::Api(_) | kube::Error::SerdeError(_))) => {
                Followup::End(Err(error.into()))
            }
            // A watch that broke off has ended: whether the server is there is the probe's to find out.
            Err(_) => Followup::End(Ok(Resume::Early)),
        }
    }

    /// Remembers where to go on. Objects of a list come in any order of their versions: it is known at its end.
    fn move_on(&mut self, meta: &wire::Meta) {
        if let Some(version) = &mut self.version {
            version.clone_from(&meta.resource_version);
        }
    }
}
