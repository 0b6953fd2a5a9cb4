//! What the controller may do, what it does of that, and how it leaves.

mod granted;
mod leaving;
mod serving;

use anyhow::{Context as _, Result};
use autopilot_stack::Controller;

/// The address at which a controller says, in its first line, that it serves.
pub async fn address(controller: &Controller) -> Result<String> {
    let line = controller.wait_for_log("serving /metrics", std::time::Duration::from_secs(40)).await?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    Ok(format!("http://{}", line["address"].as_str().context("no address")?))
}
