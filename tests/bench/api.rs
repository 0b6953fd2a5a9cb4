//! A Kubernetes API over HTTP that lists the fleet without holding it, keeps what the controller writes, and counts it.
//!
//! It knows what the controller asks: lists in pages, watches that stay open, create, get, replace, patches of objects
//! and of their status. It refuses the rest with 501, and remembers that it did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use autopilot_stack::fetch::form_value;
use autopilot_stack::http_server::Server;
use autopilot_stack::lock;
use futures::stream;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answers::{self, Answer, read, serve};
use super::fleet::{Fleet, NAMESPACES};
use super::patch::{Failed, apply, merge};

/// Longest time that a watch stays open, when the client does not say.
const WATCH: u64 = 300;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ObjectKey {
    namespace: String,
    name: String,
}

#[derive(Debug, Default)]
struct Kind {
    objects: BTreeMap<ObjectKey, Value>,
    watchers: Vec<mpsc::UnboundedSender<Bytes>>,
}

#[derive(Debug)]
struct ApiState {
    fleet: Fleet,
    kinds: Mutex<BTreeMap<String, Kind>>,
    version: AtomicU64,
    writes: AtomicUsize,
    /// The last writes, to tell what a quiet controller wrote.
    last: Mutex<Vec<String>>,
    /// The first request that the stub does not know.
    unknown: Mutex<Option<String>>,
}

/// The server.
#[derive(Debug)]
pub(crate) struct ApiStub {
    server: Server,
    shared: Arc<ApiState>,
}

impl ApiStub {
    /// Starts it with the rules of the fleet.
    pub(crate) fn start(fleet: Fleet) -> Result<ApiStub> {
        let rules = (0..fleet.rules).map(|i| {
            let rule = Fleet::rule(i);
            (ObjectKey { namespace: String::new(), name: text(&rule, "/metadata/name") }, rule)
        });
        let mut kinds = BTreeMap::new();
        kinds.insert("autopilotrules".to_owned(), Kind { objects: rules.collect(), watchers: Vec::new() });
        let shared = Arc::new(ApiState {
            fleet,
            kinds: Mutex::new(kinds),
            version: AtomicU64::new(1_000_000),
            writes: AtomicUsize::new(0),
            last: Mutex::default(),
            unknown: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let server = serve(move |request| answer(Arc::clone(&served), request))?;
        Ok(ApiStub { server, shared })
    }

    /// Returns its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Writes so far, those of the lease aside.
    pub(crate) fn writes(&self) -> usize {
        self.shared.writes.load(Ordering::Relaxed)
    }

    /// Returns the last few of them.
    pub(crate) fn last_writes(&self) -> Vec<String> {
        lock(&self.shared.last).clone()
    }

    /// Returns the first request that the stub does not know: then nothing that was measured counts. `None` if it knew
    /// all.
    pub(crate) fn unknown(&self) -> Option<String> {
        lock(&self.shared.unknown).clone()
    }

    /// Returns how many objects of a kind the controller has made.
    pub(crate) fn objects(&self, plural: &str) -> usize {
        lock(&self.shared.kinds).get(plural).map_or(0, |kind| kind.objects.len())
    }
}

/// Returns a bookmark. Clients insist on kind and apiVersion, and do not compare them.
fn bookmark(version: u64) -> Bytes {
    let metadata = json!({ "resourceVersion": version.to_string() });
    let object = json!({ "kind": "Any", "apiVersion": "v1", "metadata": metadata });
    format!("{}\n", json!({ "type": "BOOKMARK", "object": object })).into()
}

/// The object or collection that a path names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Path {
    namespace: String,
    plural: String,
    name: Option<String>,
    status: bool,
}

impl Path {
    fn parse(path: &str) -> Path {
        let mut rest =
            path.trim_matches('/').split('/').skip_while(|part| !part.starts_with('v')).skip(1).peekable();
        let mut found = Path::default();
        let parts: Vec<&str> = rest.by_ref().collect();
        let parts = match parts.as_slice() {
            ["namespaces", namespace, more @ ..] if !more.is_empty() => {
                found.namespace = (*namespace).to_owned();
                more
            }
            all => all,
        };
        found.plural = parts.first().copied().unwrap_or_default().to_owned();
        found.name = parts.get(1).map(|name| (*name).to_owned());
        found.status = parts.get(2) == Some(&"status");
        found
    }
}

async fn answer(shared: Arc<ApiState>, request: Request<Incoming>) -> Result<Answer> {
    let (head, body) = request.into_parts();
    let path = Path::parse(head.uri.path());
    let query = head.uri.query().unwrap_or_default().to_owned();
    if head.method == Method::GET && path.name.is_none() {
        return match form_value(&query, "watch").is_some_and(|watch| watch == "true" || watch == "1") {
            true => shared.watch(&path, &query),
            false => answers::json(200, shared.list(&path, &query)),
        };
    }
    let body = read(body).await?;
    let sent: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    if head.method != Method::GET && path.plural != "leases" {
        shared.writes.fetch_add(1, Ordering::Relaxed);
        let mut last = lock(&shared.last);
        if last.len() >= 5 {
            last.remove(0);
        }
        last.push(format!("{} {}", head.method, head.uri.path()));
    }
    shared.one(&head.method, path, sent)
}

impl ApiState {
    fn next(&self) -> String {
        self.version.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn list(&self, path: &Path, query: &str) -> String {
        let version = self.version.load(Ordering::Relaxed);
        let number = |key: &str| form_value(query, key).and_then(|text| text.parse::<usize>().ok());
        let start = number("continue").unwrap_or(0);
        let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let page = |all: usize| start..start.saturating_add(limit).min(all);
        let (items, all): (Vec<String>, usize) = match path.plural.as_str() {
            "persistentvolumeclaims" => {
                let all = self.fleet.claims;
                (page(all).map(Fleet::claim).collect(), all)
            }
            "namespaces" => (page(NAMESPACES).map(|i| Fleet::namespace(i).to_string()).collect(), NAMESPACES),
            "storageclasses" => (vec![Fleet::class().to_string()], 1),
            plural => {
                let kinds = lock(&self.kinds);
                let objects = kinds.get(plural).map(|kind| &kind.objects);
                let all = objects.map_or(0, BTreeMap::len);
                let taken = page(all);
                let items =
                    objects.into_iter().flat_map(BTreeMap::values).skip(taken.start).take(taken.len());
                (items.map(Value::to_string).collect(), all)
            }
        };
        let end = page(all).end;
        let more = if end < all { format!(r#","continue":"{end}""#) } else { String::new() };
        format!(
            r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"{more}}},"items":[{}]}}"#,
            items.join(",")
        )
    }

    /// Opens a watch for as long as the client asked, as the server does, with a bookmark every minute.
    fn watch(self: &Arc<Self>, path: &Path, query: &str) -> Result<Answer> {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.kinds).entry(path.plural.clone()).or_default().watchers.push(sender.clone());
        let seconds = form_value(query, "timeoutSeconds").and_then(|s| s.parse().ok()).unwrap_or(WATCH);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut minute = tokio::time::interval(Duration::from_secs(60));
            minute.tick().await;
            loop {
                minute.tick().await;
                // Within the lock, so that no event of an earlier version comes behind it.
                let _kinds = lock(&shared.kinds);
                if sender.send(bookmark(shared.version.load(Ordering::Relaxed))).is_err() {
                    return;
                }
            }
        });
        let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
        answers::lines(stream::unfold(receiver, move |mut receiver| async move {
            let line = tokio::time::timeout_at(end, receiver.recv()).await.ok().flatten()?;
            Some((line, receiver))
        }))
    }

    fn not_known(&self, request: String) -> Result<Answer> {
        lock(&self.unknown).get_or_insert(request);
        refuse(501, "NotImplemented")
    }

    fn one(&self, method: &Method, path: Path, mut sent: Value) -> Result<Answer> {
        let mut kinds = lock(&self.kinds);
        let kind = kinds.entry(path.plural.clone()).or_default();
        if *method == Method::POST {
            let key = ObjectKey { namespace: path.namespace, name: text(&sent, "/metadata/name") };
            if kind.objects.contains_key(&key) {
                return refuse(409, "AlreadyExists");
            }
            let version = self.next();
            sent["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{version:0>12}"));
            sent["metadata"]["creationTimestamp"] = json!("2025-03-01T11:00:00Z");
            sent["metadata"]["generation"] = json!(1);
            sent["metadata"]["resourceVersion"] = json!(version);
            kind.tell("ADDED", &sent);
            let body = sent.to_string();
            // Nobody reads events.
            if path.plural != "events" {
                kind.objects.insert(key, sent);
            }
            return answers::json(201, body);
        }
        let key = ObjectKey { namespace: path.namespace, name: path.name.unwrap_or_default() };
        let Some(object) = kind.objects.get_mut(&key) else { return refuse(404, "NotFound") };
        match *method {
            Method::GET => return answers::json(200, object.to_string()),
            Method::PATCH if sent.is_object() => {
                let expected = sent.pointer("/metadata/resourceVersion");
                if expected
                    .is_some_and(|expected| Some(expected) != object.pointer("/metadata/resourceVersion"))
                {
                    return refuse(409, "Conflict");
                }
                match path.status {
                    true => merge(&mut object["status"], &sent["status"]),
                    false => merge(object, &sent),
                }
            }
            Method::PATCH => match apply(object, sent.as_array().map_or(&[], Vec::as_slice)) {
                Ok(()) => {}
                Err(Failed::Test) => return refuse(422, "Invalid: a test failed"),
                Err(Failed::Unknown) => return self.not_known(format!("patch of {}: {sent}", path.plural)),
            },
            Method::PUT => *object = sent,
            _ => return self.not_known(format!("{method} of {}", path.plural)),
        }
        object["metadata"]["resourceVersion"] = json!(self.next());
        let written = object.clone();
        kind.tell("MODIFIED", &written);
        answers::json(200, written.to_string())
    }
}

impl Kind {
    fn tell(&mut self, what: &str, object: &Value) {
        if self.watchers.is_empty() {
            return;
        }
        let line = Bytes::from(format!("{{\"type\":\"{what}\",\"object\":{object}}}\n"));
        self.watchers.retain(|watcher| watcher.send(line.clone()).is_ok());
    }
}

fn refuse(code: u16, reason: &str) -> Result<Answer> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("the stub says {reason}"), "reason": reason, "code": code,
    });
    answers::json(code, status.to_string())
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    use kube::api::WatchEvent;

    #[test]
    fn a_bookmark_can_be_read() {
        let event: WatchEvent<PersistentVolumeClaim> = serde_json::from_slice(&bookmark(7)).unwrap();
        assert!(matches!(event, WatchEvent::Bookmark(mark) if mark.metadata.resource_version == "7"));
    }

    #[test]
    fn paths_are_understood() {
        let path = |text: &str| {
            let Path { namespace, plural, name, status } = Path::parse(text);
            format!("{namespace}/{plural}/{}/{status}", name.unwrap_or_default())
        };
        for (text, expected) in [
            ("/api/v1/persistentvolumeclaims", "/persistentvolumeclaims//false"),
            ("/api/v1/namespaces", "/namespaces//false"),
            ("/api/v1/namespaces/a/events", "a/events//false"),
            ("/apis/autopilot.libopenstorage.org/v1alpha1/autopilotrules/r/status", "/autopilotrules/r/true"),
            (
                "/apis/autopilot.libopenstorage.org/v1alpha1/namespaces/a/actionapprovals/x",
                "a/actionapprovals/x/false",
            ),
            (
                "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/autopilot",
                "kube-system/leases/autopilot/false",
            ),
        ] {
            assert_eq!(path(text), expected, "{text}");
        }
    }
}
