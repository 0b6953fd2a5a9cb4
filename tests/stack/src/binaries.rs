//! Where the servers' binaries are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

/// The servers' binaries, built if they were not.
#[derive(Debug, Clone)]
pub struct Binaries {
    dir: PathBuf,
}

static LOCATED: OnceCell<Binaries> = OnceCell::const_new();

impl Binaries {
    /// The folder of `AUTOPILOT_STACK_BIN`, else the one that `build.sh` prints (it builds what is missing, which takes some
    /// ten minutes once). Asked once per process.
    ///
    /// # Errors
    /// When `build.sh` fails; its own message is on stderr.
    pub async fn locate() -> Result<Self> {
        LOCATED.get_or_try_init(find).await.cloned()
    }

    /// The path of one binary: in the folder, else on PATH.
    ///
    /// # Errors
    /// When it is in neither.
    pub fn get(&self, name: &str) -> Result<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::iter::once(self.dir.clone())
            .chain(std::env::split_paths(&path))
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
            .with_context(|| format!("'{name}' is neither in {} nor on PATH", self.dir.display()))
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

async fn find() -> Result<Binaries> {
    if let Some(dir) = std::env::var_os("AUTOPILOT_STACK_BIN") {
        return Ok(Binaries { dir: dir.into() });
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
    let dir = stdout.lines().last().with_context(|| format!("{} printed no folder", script.display()))?;
    Ok(Binaries { dir: dir.into() })
}
