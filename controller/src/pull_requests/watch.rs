//! The watch on approvals.

use autopilot_shared::api::ActionApproval;
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::decide::Approval;
use crate::observe::{PAGE, WatchEvent, approval, follow, readable};

/// An event of the watch.
#[derive(Debug)]
pub enum ApprovalEvent {
    /// A list begins.
    ListBegins,
    /// An approval exists, from a list or the watch.
    Applied(Box<Approval>),
    /// An approval was deleted.
    Deleted {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// The list is complete.
    ListEnds,
}

/// Watches until `stop`, or until nobody listens.
pub(crate) async fn watch(client: Client, out: mpsc::Sender<ApprovalEvent>, stop: CancellationToken) {
    let api: Api<DeserializeGuard<ActionApproval>> = Api::all(client);
    let message = |step: Result<WatchEvent<Box<DeserializeGuard<ActionApproval>>>, String>| match step {
        Ok(event) => approval_event(event),
        Err(error) => {
            tracing::warn!(error, "the watch on approvals failed; it is tried again");
            None
        }
    };
    follow(api, watcher::Config::default().page_size(PAGE), message, out, stop).await;
}

/// Returns what an event says. `None` for an object that cannot be read, which the engine reports.
fn approval_event(event: WatchEvent<Box<DeserializeGuard<ActionApproval>>>) -> Option<ApprovalEvent> {
    Some(match event {
        WatchEvent::ResetBegin => ApprovalEvent::ListBegins,
        WatchEvent::ResetEnd => ApprovalEvent::ListEnds,
        WatchEvent::Apply(object) => ApprovalEvent::Applied(Box::new(approval(readable(*object).ok()?))),
        WatchEvent::Delete(object) => {
            let gone = readable(*object).ok()?;
            ApprovalEvent::Deleted {
                namespace: gone.namespace().unwrap_or_default(),
                name: gone.name_any(),
                uid: gone.uid().unwrap_or_default(),
            }
        }
    })
}
