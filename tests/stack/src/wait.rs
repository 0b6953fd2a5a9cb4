//! Waiting for a condition, bounded.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;

/// The time a probe rests before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` until it gives a value. An error of the probe is not the end: servers refuse connections while they start.
///
/// # Errors
/// When `limit` has passed: what was waited for, for how long, and the probe's last error.
pub async fn wait_for<T, P, F>(what: &str, limit: Duration, mut probe: P) -> Result<T>
where
    // Not `AsyncFnMut`: with it, a future that waits could not be spawned.
    P: FnMut() -> F,
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + limit;
    let mut asked = 0_u32;
    let mut last = None;
    while Instant::now() < deadline {
        asked += 1;
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(anyhow!("the probe itself did not end")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    let tail = last.map_or_else(String::new, |error| format!("; last error: {error:#}"));
    Err(anyhow!("waited {:.1} s for {what}, asked {asked} times{tail}", limit.as_secs_f64()))
}
