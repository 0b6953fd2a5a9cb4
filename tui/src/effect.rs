//! Actions outside the console, as data.

use std::sync::Arc;

use crate::decision::{Write, Written};
use crate::rows::Subject;

/// An action outside the console.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Writes to the cluster.
    Send(Box<Write>),
    /// Notes what was decided and never sent.
    Note(Box<Written>),
    /// Asks what we may do.
    AskAccess {
        /// Comes back with the answers.
        round: u64,
        /// Where; everywhere if `None`.
        namespace: Option<Arc<str>>,
    },
    /// Reads an object as the cluster has it.
    Fetch {
        /// The row that is shown.
        subject: Subject,
        /// Plural of the kind.
        plural: &'static str,
        /// `None` for kinds without namespaces.
        namespace: Option<Arc<str>>,
        /// Name of the object.
        name: Arc<str>,
    },
    /// Opens a link.
    Browse(String),
    /// Copies a text.
    Copy(String),
    /// Watches another context (or the same), another namespace (or all).
    Watch {
        /// The context; the same if none.
        context: Option<Arc<str>>,
        /// The namespace; all if none.
        namespace: Option<Arc<str>>,
        /// Generation of the new task.
        generation: u64,
    },
    /// Tries the cluster now.
    Reconnect,
    /// The machine slept: nothing of the connection is trusted.
    Awake,
    /// Takes the mouse, or lets it go.
    Mouse(bool),
    /// Draws everything anew.
    Redraw,
}
