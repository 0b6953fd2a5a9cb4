//! The local log of what was decided here: one JSON object a line.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::xdg_folder;
use crate::decision::Written;
use crate::text::escape;

/// Returns the path of the log: `autopilot/decisions.jsonl` under `XDG_STATE_HOME`, or `~/.local/state`.
pub(crate) fn place() -> Option<PathBuf> {
    Some(xdg_folder("XDG_STATE_HOME", ".local/state")?.join("autopilot/decisions.jsonl"))
}

/// Returns a line of the log, and of the summary at the end.
pub fn line(written: &Written) -> String {
    let write = &written.write;
    let target = &write.target;
    let line = json!({
        "at": written.at.to_string(),
        "action": write.action.verb(),
        "outcome": written.ending.word(),
        "detail": written.ending.why().map(|w| w.as_str()),
        "context": write.context.as_str(),
        "server": write.server.as_str(),
        "namespace": target.namespace.as_str(),
        "approval": target.name.as_str(),
        "object": target.object.as_str(),
        "rule": target.rule.as_str(),
        "from": target.from.as_str(),
        "to": target.to.as_str(),
        "uid": &*target.uid,
        "proposal": target.digest.as_deref(),
        "by": write.by,
        "reason": write.reason,
        "dryRun": write.dry_run,
        "version": env!("CARGO_PKG_VERSION"),
    });
    escape(&line.to_string())
}

/// Adds a line; the file is readable for its owner only.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn append(place: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(place)?;
    // One write: lines of two consoles do not mix.
    file.write_all(format!("{line}\n").as_bytes())
}
