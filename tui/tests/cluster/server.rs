//! A Kubernetes API on loopback: lists, watches, small questions; and a network that can be cut without a word.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

/// Asks for a list as the beginning of a watch.
const INITIAL: &str = "sendInitialEvents";

/// What is not understood.
fn refused(what: &str) -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
                         "reason": "Invalid", "message": format!("{what} is forbidden for watch") });
    Answer::Json(422, status)
}

/// A request, as far as answers depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub method: String,
    pub path: String,
    pub query: String,
    pub token: String,
    pub body: Value,
}

/// What a test wants to be answered otherwise.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// The connection stays, and nothing comes.
    Silence,
}

type Otherwise = Box<dyn Fn(&Received) -> Option<Answer> + Send>;

struct World {
    version: u64,
    /// Plural to name to object.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    log: Vec<Received>,
    otherwise: Otherwise,
}

/// Connections up to this number are dead for good; while it is down, no other says anything.
#[derive(Clone, Copy, Debug, Default)]
struct Net {
    dead: u64,
    down: bool,
}

struct Inner {
    world: Mutex<World>,
    net: watch::Sender<Net>,
    connections: AtomicU64,
    changes: broadcast::Sender<(String, Value)>,
}

/// The server; it goes with the test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world =
            World { version: 100, objects: BTreeMap::new(), log: Vec::new(), otherwise: Box::new(|_| None) };
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            net: watch::channel(Net::default()).0,
            connections: AtomicU64::new(0),
            changes: broadcast::channel(64).0,
        });
        let server = Server { address, inner: Arc::clone(&inner) };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = inner.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let inner = Arc::clone(&inner);
                // An error is a client that left.
                tokio::spawn(async move { drop(serve(&inner, number, socket).await) });
            }
        });
        server
    }

    /// A kubeconfig for it, with this user.
    pub(crate) fn kubeconfig(&self, name: &str, user: &Value) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("kubeconfig-{name}"));
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stub",
            "clusters": [{ "name": "stub", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "entry", "user": user }],
            "contexts": [{ "name": "stub", "context": { "cluster": "stub", "user": "entry" } }],
        });
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }

    /// From now on answers this first.
    pub(crate) fn otherwise(&self, answer: impl Fn(&Received) -> Option<Answer> + Send + 'static) {
        self.inner.world.lock().unwrap().otherwise = Box::new(answer);
    }

    /// An object is there now; who watches is told.
    pub(crate) fn put(&self, plural: &str, mut object: Value) {
        let mut world = self.inner.world.lock().unwrap();
        world.version += 1;
        object["metadata"]["resourceVersion"] = world.version.to_string().into();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let old = world.objects.entry(plural.to_owned()).or_default().insert(name, object.clone());
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        let _ = self.inner.changes.send((plural.to_owned(), json!({ "type": kind, "object": object })));
    }

    /// An object is gone, and nobody is told.
    pub(crate) fn vanish(&self, plural: &str, name: &str) {
        let mut world = self.inner.world.lock().unwrap();
        world.objects.entry(plural.to_owned()).or_default().remove(name).unwrap();
    }

    /// What watchers of a kind hear.
    pub(crate) fn say(&self, plural: &str, line: Value) {
        let _ = self.inner.changes.send((plural.to_owned(), line));
    }

    /// Watches of a kind break off.
    pub(crate) fn break_off(&self, plural: &str) {
        self.say(plural, Value::Null);
    }

    /// The cable is pulled: no connection says anything any more, and none is closed.
    pub(crate) fn cut(&self) {
        let dead = self.inner.connections.load(Ordering::SeqCst);
        self.inner.net.send_replace(Net { dead, down: true });
    }

    /// There is a new path; what went over the old one stays dead.
    pub(crate) fn heal(&self) {
        let dead = self.inner.connections.load(Ordering::SeqCst);
        self.inner.net.send_replace(Net { dead, down: false });
    }

    /// Requests so far that fulfil this.
    pub(crate) fn count(&self, which: impl Fn(&Received) -> bool) -> usize {
        self.inner.world.lock().unwrap().log.iter().filter(|a| which(a)).count()
    }
}

impl Received {
    /// Whether it is a watch of this kind.
    pub(crate) fn watches(&self, plural: &str) -> bool {
        self.path.ends_with(plural) && self.query.contains("watch=true") && !self.query.contains(INITIAL)
    }

    /// Whether it is a list of this kind.
    pub(crate) fn lists(&self, plural: &str) -> bool {
        self.method == "GET" && self.path.ends_with(plural) && !self.query.contains("watch=true")
    }
}

/// Waits until this connection may say something; for ever if it is dead.
async fn pass(inner: &Inner, number: u64) {
    let mut net = inner.net.subscribe();
    let _ = net.wait_for(|n| number > n.dead && !n.down).await;
}

async fn serve(inner: &Inner, number: u64, socket: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut asked = Received {
            method: String::new(),
            path: String::new(),
            query: String::new(),
            token: String::new(),
            body: Value::Null,
        };
        let mut length = 0;
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        asked.method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (asked.path, asked.query) = (path.to_owned(), query.to_owned());
        loop {
            let mut line = String::new();
            read.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "authorization" => asked.token = value.trim().trim_start_matches("Bearer ").to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        read.read_exact(&mut body).await?;
        asked.body = serde_json::from_slice(&body).unwrap_or_default();
        pass(inner, number).await;
        // Before the answer: what happens after the list is told.
        let mut changes = inner.changes.subscribe();
        let otherwise = {
            let mut world = inner.world.lock().unwrap();
            world.log.push(asked.clone());
            (world.otherwise)(&asked)
        };
        let watching = asked.query.contains("watch=true");
        // As Kubernetes before 1.32.
        let otherwise = otherwise.or_else(|| asked.query.contains(INITIAL).then(|| refused(INITIAL)));
        match otherwise {
            Some(Answer::Silence) => std::future::pending().await,
            Some(Answer::Json(code, body)) => answer(&mut write, code, &body).await?,
            None if watching => {
                head(&mut write).await?;
                let plural = asked.path.rsplit('/').next().unwrap_or_default();
                loop {
                    let Ok((kind, line)) = changes.recv().await else { return Ok(()) };
                    if kind == plural {
                        pass(inner, number).await;
                        if line.is_null() {
                            return write.write_all(b"this is no chunk\r\n").await;
                        }
                        chunk(&mut write, &line).await?;
                    }
                }
            }
            None => {
                let body = inner.world.lock().unwrap().answer(&asked);
                answer(&mut write, 200, &body).await?;
            }
        }
    }
}

impl World {
    fn answer(&self, asked: &Received) -> Value {
        let last = asked.path.rsplit('/').next().unwrap_or_default();
        match last {
            "selfsubjectreviews" => {
                json!({ "status": { "userInfo": { "username": format!("user of {}", asked.token) } } })
            }
            "selfsubjectaccessreviews" => json!({ "status": { "allowed": true } }),
            "version" => {
                json!({ "major": "1", "minor": "35", "gitVersion": "v1.35.0", "gitCommit": "", "gitTreeState": "",
                                 "buildDate": "", "goVersion": "", "compiler": "", "platform": "" })
            }
            "actionapprovals" | "autopilotrules" | "autopilotruleobjects" | "events" => {
                let items: Vec<&Value> =
                    self.objects.get(last).into_iter().flat_map(BTreeMap::values).collect();
                json!({ "metadata": { "resourceVersion": self.version.to_string() }, "items": items })
            }
            _ => json!({}),
        }
    }
}

async fn head(write: &mut (impl AsyncWriteExt + Unpin)) -> std::io::Result<()> {
    write
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
}

async fn chunk(write: &mut (impl AsyncWriteExt + Unpin), line: &Value) -> std::io::Result<()> {
    let text = format!("{line}\n");
    write.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

async fn answer(write: &mut (impl AsyncWriteExt + Unpin), code: u16, body: &Value) -> std::io::Result<()> {
    let text = body.to_string();
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    write.write_all(head.as_bytes()).await
}
