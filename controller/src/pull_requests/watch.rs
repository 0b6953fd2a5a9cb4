//! The approvals, as the cluster shows them.

use std::time::Duration;

use autopilot_shared::api::ActionApproval;
use futures::StreamExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::decide::Approval;
use crate::observe::readable;
use crate::observe::{approval, chain};

/// Objects per page of a list.
const PAGE: u32 = 500;
/// First pause after the watch failed; doubles.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// A step of the watch.
#[derive(Debug)]
pub enum ApprovalEvent {
    /// A list begins.
    ListBegins,
    /// Is there, as this.
    Applied(Box<Approval>),
    /// Was deleted.
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
    let mut stream = std::pin::pin!(watcher(api, watcher::Config::default().page_size(PAGE)));
    let mut pause = FIRST;
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = stream.next() => next,
        };
        let seen = match next {
            None => return,
            Some(Ok(event)) => {
                if !matches!(event, Event::Init | Event::InitApply(_)) {
                    pause = FIRST;
                }
                step(event)
            }
            Some(Err(error)) => {
                tracing::warn!(error = chain(&error), "the watch on approvals failed; it is tried again");
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST);
                continue;
            }
        };
        if let Some(seen) = seen
            && out.send(seen).await.is_err()
        {
            return;
        }
    }
}

/// What an event says; nothing for an object that cannot be read: the engine tells of it.
fn step(event: Event<DeserializeGuard<ActionApproval>>) -> Option<ApprovalEvent> {
    Some(match event {
        Event::Init => ApprovalEvent::ListBegins,
        Event::InitDone => ApprovalEvent::ListEnds,
        Event::InitApply(object) | Event::Apply(object) => {
            ApprovalEvent::Applied(Box::new(approval(readable(object).ok()?)))
        }
        Event::Delete(object) => match readable(object) {
            Ok(gone) => ApprovalEvent::Deleted {
                namespace: gone.namespace().unwrap_or_default(),
                name: gone.name_any(),
                uid: gone.uid().unwrap_or_default(),
            },
            Err(_) => return None,
        },
    })
}
