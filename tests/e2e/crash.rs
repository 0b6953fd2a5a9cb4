//! Crash and doubt: whatever is killed, lost, cut, frozen or stale, and however many controllers run, an approval leads
//! to one resize and a transition to one event. The tests share lanes: real API servers, each behind a fault proxy.

#[path = "crash/case.rs"]
mod case;
#[path = "crash/checks.rs"]
mod checks;
#[path = "crash/every_write.rs"]
mod every_write;
#[path = "crash/lane.rs"]
mod lane;
#[path = "crash/peers.rs"]
mod peers;
#[path = "crash/refused.rs"]
mod refused;
#[path = "crash/server.rs"]
mod server;
#[path = "crash/stale.rs"]
mod stale;
#[path = "crash/watches.rs"]
mod watches;
#[path = "crash/writes.rs"]
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
