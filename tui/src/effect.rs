//! What must happen outside the console, as data.

use std::sync::Arc;

use crate::decision::{Write, Written};
use crate::rows::Subject;

/// What must happen outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Writes to the cluster.
    Send(Box<Write>),
    /// Notes what was decided and never sent.
    Note(Box<Written>),
    /// Asks what we may do in a namespace, or everywhere. The number comes back with the answers.
    AskAccess(u64, Option<Arc<str>>),
    /// Reads an object as the cluster has it: plural, namespace, name.
    Fetch(Subject, &'static str, Option<Arc<str>>, Arc<str>),
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
        /// What the new feed is called.
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
