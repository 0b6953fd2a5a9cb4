//! A git repository with the tree of GitHub's base branch, for Flux: `emulate` does not speak git.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::front::Front;
use super::pulls::path_of;
use super::server::GitHub;
use crate::git_http::{self, git};
use crate::http_server::Server;
use crate::lock::lock;
use crate::runtime::runtime;
use crate::temp::TempDir;
use crate::wait::wait_for;

/// Before a step that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

struct MirrorShared {
    front: Arc<Front>,
    branch: String,
    /// The repository's folder.
    bare: PathBuf,
    paused: AtomicBool,
    resumed: Notify,
    mirrored: Mutex<Mirrored>,
}

#[derive(Default)]
struct Mirrored {
    /// GitHub's commit.
    commit: String,
    /// Content by path.
    files: BTreeMap<String, Arc<Vec<u8>>>,
    /// Content by hash.
    blobs: HashMap<String, Arc<Vec<u8>>>,
    error: Option<String>,
}

/// The mirror: one commit for each change of GitHub's base branch, made as soon as it moves. Dropping it ends its server.
pub struct GitMirror {
    server: Server,
    path: String,
    shared: Arc<MirrorShared>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl GitMirror {
    /// Starts it and waits until it has the base branch.
    ///
    /// # Errors
    /// When git is missing, or GitHub cannot be read.
    pub async fn start(github: &GitHub) -> Result<Self> {
        let dir = TempDir::new("mirror")?;
        // Named as on GitHub: what Flux fetches is recognized by the end of its address.
        let path = format!("{}/{}.git", github.owner(), github.name());
        let mut init = git(dir.path());
        init.args(["init", "--quiet", "--bare", "--initial-branch", github.base(), &path]);
        git_http::run(init, &[]).await?;
        let shared = Arc::new(MirrorShared {
            front: Arc::clone(&github.front),
            branch: github.base().to_owned(),
            bare: dir.path().join(&path),
            paused: AtomicBool::new(false),
            resumed: Notify::new(),
            mirrored: Mutex::default(),
        });
        let server = git_http::serve(dir.path())?;
        let task = runtime()?.spawn(follow(Arc::clone(&shared)));
        let mirror = Self { server, path, shared, task, _dir: dir };
        let first = async || {
            let mirrored = lock(&mirror.shared.mirrored);
            Ok((!mirrored.commit.is_empty()).then_some(()))
        };
        wait_for("the first commit of the mirror", Duration::from_secs(20), first)
            .await
            .with_context(|| lock(&mirror.shared.mirrored).error.clone().unwrap_or_default())?;
        Ok(mirror)
    }

    /// Returns the address that Flux clones (`http://127.0.0.1:PORT/OWNER/NAME.git`). Its branch has the name of
    /// GitHub's.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.url(), self.path)
    }

    /// Returns the text of a file in the mirror. `None` if it is not there.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<String> {
        let mirrored = lock(&self.shared.mirrored);
        mirrored.files.get(path).map(|content| String::from_utf8_lossy(content).into_owned())
    }

    /// Returns the paths of all its files.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        lock(&self.shared.mirrored).files.keys().cloned().collect()
    }

    /// Returns GitHub's commit whose tree it has.
    #[must_use]
    pub fn commit(&self) -> String {
        lock(&self.shared.mirrored).commit.clone()
    }

    /// Returns the mirror's own last commit, which is not GitHub's: Flux names it as its revision.
    ///
    /// # Errors
    /// When git cannot run.
    pub async fn head(&self) -> Result<String> {
        let mut command = git(&self.shared.bare);
        command.args(["rev-parse", &format!("refs/heads/{}", self.shared.branch)]);
        Ok(String::from_utf8(git_http::run(command, &[]).await?)?.trim().to_owned())
    }

    /// Waits until a file is there.
    ///
    /// # Errors
    /// When `limit` passes.
    pub async fn wait_for_file(&self, path: &str, limit: Duration) -> Result<String> {
        self.until(&format!("{path} in the mirror"), limit, || self.file(path)).await
    }

    /// Waits until a file is not there.
    ///
    /// # Errors
    /// When `limit` passes.
    pub async fn wait_for_no_file(&self, path: &str, limit: Duration) -> Result<()> {
        self.until(&format!("no {path} in the mirror"), limit, || self.file(path).is_none().then_some(()))
            .await
    }

    /// Waits until it has the tree of that commit of GitHub's.
    ///
    /// # Errors
    /// When `limit` passes.
    pub async fn wait_for_commit(&self, commit: &str, limit: Duration) -> Result<()> {
        self.until(&format!("{commit} in the mirror"), limit, || (self.commit() == commit).then_some(()))
            .await
    }

    async fn until<T>(&self, what: &str, limit: Duration, probe: impl Fn() -> Option<T>) -> Result<T> {
        wait_for(what, limit, async || Ok(probe()))
            .await
            .with_context(|| lock(&self.shared.mirrored).error.clone().unwrap_or_default())
    }

    /// Stops following: what is merged does not reach Flux.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
    }

    /// Catches up.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
        self.shared.resumed.notify_one();
    }
}

impl Drop for GitMirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(shared: Arc<MirrorShared>) {
    let mut moves = shared.front.moves.subscribe();
    loop {
        moves.borrow_and_update();
        while shared.paused.load(Ordering::SeqCst) {
            shared.resumed.notified().await;
        }
        let outcome = mirror(&shared).await;
        let failed = outcome.is_err();
        lock(&shared.mirrored).error = outcome.err().map(|error| format!("the mirror: {error:#}"));
        if failed {
            tokio::time::sleep(AGAIN).await;
        } else {
            tokio::select! {
                moved = moves.changed() => if moved.is_err() { return },
                () = shared.resumed.notified() => {}
            }
        }
    }
}

async fn mirror(shared: &MirrorShared) -> Result<()> {
    let repo = format!("/repos/{}", shared.front.repo);
    let head = shared.front.look(&format!("{repo}/git/ref/heads/{}", path_of(&shared.branch))).await?;
    let commit = head.pointer("/object/sha").and_then(Value::as_str).context("a branch has a commit")?;
    if lock(&shared.mirrored).commit == commit {
        return Ok(());
    }
    let tree = shared.front.look(&format!("{repo}/git/trees/{commit}?recursive=1")).await?;
    let mut files = BTreeMap::new();
    for entry in tree.get("tree").and_then(Value::as_array).context("a tree has entries")? {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("type") == "blob" {
            files.insert(text("path").to_owned(), blob(shared, &repo, text("sha")).await?);
        }
    }
    let first = lock(&shared.mirrored).commit.is_empty();
    let mut import = git(&shared.bare);
    import.args(["fast-import", "--quiet", "--done"]);
    git_http::run(import, &stream(&shared.branch, commit, &files, first)?).await?;
    let mut mirrored = lock(&shared.mirrored);
    mirrored.commit = commit.to_owned();
    mirrored.files = files;
    Ok(())
}

async fn blob(shared: &MirrorShared, repo: &str, sha: &str) -> Result<Arc<Vec<u8>>> {
    if let Some(known) = lock(&shared.mirrored).blobs.get(sha) {
        return Ok(Arc::clone(known));
    }
    let blob = shared.front.look(&format!("{repo}/git/blobs/{sha}")).await?;
    let content = blob.get("content").and_then(Value::as_str).context("a blob has content")?;
    let content = Arc::new(STANDARD.decode(content.replace('\n', ""))?);
    lock(&shared.mirrored).blobs.insert(sha.to_owned(), Arc::clone(&content));
    Ok(content)
}

/// Returns the commit as `git fast-import` reads it.
fn stream(
    branch: &str,
    commit: &str,
    files: &BTreeMap<String, Arc<Vec<u8>>>,
    first: bool,
) -> Result<Vec<u8>> {
    let mut head = String::new();
    let message = format!("As GitHub's {commit}\n");
    let now = Timestamp::now().as_second();
    writeln!(head, "commit refs/heads/{branch}")?;
    writeln!(head, "committer mirror <mirror@example.com> {now} +0000")?;
    writeln!(head, "data {}\n{message}", message.len())?;
    if !first {
        writeln!(head, "from refs/heads/{branch}^0")?;
    }
    writeln!(head, "deleteall")?;
    let mut stream = head.into_bytes();
    for (path, content) in files {
        let path = path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        stream.extend(format!("M 100644 inline \"{path}\"\ndata {}\n", content.len()).bytes());
        stream.extend_from_slice(content);
        stream.push(b'\n');
    }
    stream.extend(b"done\n");
    Ok(stream)
}
