//! Progress, for the person who waits.

/// Writes a line on standard error, so that a person sees what takes so long.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}
