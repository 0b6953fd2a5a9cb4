//! Temporary folders that go with their owner, and those of test processes that were killed.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

const PREFIX: &str = "autopilot-stack-";

static NEXT: AtomicU64 = AtomicU64::new(0);
static SWEEP: Once = Once::new();

/// A new folder below the system's temporary folder, removed on drop unless `AUTOPILOT_STACK_KEEP` is set.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates it; `name` says whose it is.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn new(name: &str) -> Result<Self> {
        SWEEP.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns a path inside it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("AUTOPILOT_STACK_KEEP").is_some() {
            eprintln!("stack: kept {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Removes the folders of processes that no longer exist: a killed test process runs no destructor.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let Some(pid) = rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new("/proc").join(pid.to_string()).exists()
            && std::env::var_os("AUTOPILOT_STACK_KEEP").is_none()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
