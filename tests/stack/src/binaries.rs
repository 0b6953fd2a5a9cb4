//! The binaries of the servers, and those that this workspace builds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

/// The servers' binaries, built if they were not.
#[derive(Debug, Clone)]
pub struct Binaries {
    dirs: Vec<PathBuf>,
}

static LOCATED: OnceCell<Binaries> = OnceCell::const_new();

impl Binaries {
    /// Returns the folders of `AUTOPILOT_STACK_BIN`, else those that `build.sh` prints (it builds what is missing,
    /// which takes some ten minutes once). Runs it once per process.
    ///
    /// # Errors
    /// When `build.sh` fails; its own message is on stderr.
    pub async fn locate() -> Result<Self> {
        LOCATED.get_or_try_init(find).await.cloned()
    }

    /// Returns the path of one binary: in the folders, else on PATH.
    ///
    /// # Errors
    /// When it is in neither.
    pub fn get(&self, name: &str) -> Result<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.dirs
            .iter()
            .cloned()
            .chain(std::env::split_paths(&path))
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
            .with_context(|| format!("'{name}' is neither in {} nor on PATH", self.folders()))
    }

    /// Returns the path of another file or folder that lies beside the binaries.
    ///
    /// # Errors
    /// When it is in none of the folders.
    pub fn beside(&self, name: &str) -> Result<PathBuf> {
        let found = self.dirs.iter().map(|dir| dir.join(name)).find(|path| path.exists());
        found.with_context(|| format!("'{name}' is not in {}", self.folders()))
    }

    fn folders(&self) -> String {
        self.dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn of(folders: &OsStr) -> Self {
        Self { dirs: std::env::split_paths(folders).collect() }
    }
}

/// Returns a binary of this workspace that `cargo build` left beside the running test or benchmark, or above it.
///
/// # Errors
/// When it has not been built.
pub fn built_binary(name: &str, package: &str) -> Result<PathBuf> {
    let running = std::env::current_exe().context("where this test's binary is")?;
    let found = running.ancestors().skip(1).take(3).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("no {name} above {}: run 'cargo build -p {package}' first", running.display())
    })
}

async fn find() -> Result<Binaries> {
    if let Some(folders) = std::env::var_os("AUTOPILOT_STACK_BIN") {
        return Ok(Binaries::of(&folders));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.sh");
    let output = tokio::process::Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("run {}", script.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}; its message is above", script.display(), output.status);
    }
    let stdout = String::from_utf8(output.stdout)?;
    let folders = stdout.lines().last().with_context(|| format!("{} printed no folder", script.display()))?;
    Ok(Binaries::of(folders.as_ref()))
}
