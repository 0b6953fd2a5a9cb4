//! Crash and doubt: whatever is killed, lost, cut, frozen or stale, and however many controllers run, an approval leads
//! to one resize and a transition to one event. The tests share lanes: real API servers, each behind a fault proxy.

mod case;
mod checks;
mod cluster;
mod every_write;
mod peers;
mod refused;
mod server;
mod stale;
mod watches;
mod writes;

use anyhow::Result;
use case::Case;

/// Sees a case to its end; tells of one that went wrong what its controllers did.
async fn told(case: Case<'_>, what: &str, result: Result<()>) -> Result<()> {
    match case.with_log(result) {
        Ok(()) => case.end().await,
        Err(error) => {
            case.abandon().await;
            Err(error.context(what.to_owned()))
        }
    }
}
