//! The person's own machine: browser and clipboard.

use std::process::Stdio;

use base64::Engine as _;

/// Longest text that is copied: terminals drop longer ones.
const COPIED: usize = 70_000;

/// Opens a link with `AUTOPILOT_BROWSER`, `BROWSER`, or what the system has for it.
///
/// # Errors
/// When no program opens it.
pub(crate) async fn browse(url: &str) -> std::io::Result<()> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let system = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = set("AUTOPILOT_BROWSER").or_else(|| set("BROWSER")).unwrap_or_else(|| system.to_owned());
    let mut child = tokio::process::Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("it ended with {status}"))) }
}

/// Returns the sequence that makes a terminal copy a text (OSC 52). The text is sent encoded: nothing in it is obeyed.
pub(crate) fn copy_sequence(text: &str) -> Option<String> {
    (text.len() <= COPIED)
        .then(|| format!("\u{1b}]52;c;{}\u{7}", base64::engine::general_purpose::STANDARD.encode(text)))
}
