//! A runtime of the harness's own: a test that blocks its thread, pauses its clock or ends its runtime does not stop the
//! servers and drivers that run here.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();

/// Returns the runtime, which lives until the process ends.
pub(crate) fn runtime() -> Result<Handle> {
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("stack")
                .enable_all()
                .build()
                .map_err(|error| error.to_string())
        })
        .as_ref()
        .map(|runtime| runtime.handle().clone())
        .map_err(|error| anyhow!("the harness's runtime: {error}"))
}
