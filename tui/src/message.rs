//! Messages from outside, as data.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::connection::{Answer, ClusterLabel, KindName, Trouble, Verb};
use crate::decision::Written;
use crate::rows::{Approval, EventRecord, ObjectRow, RuleRow, Subject};
use crate::text::Safe;

/// An object as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// Asked for.
    Asked,
    /// Its lines.
    Lines(Vec<Safe>),
    /// Reason.
    Failed(Safe),
}

/// Tone of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// For the record.
    Plain,
    /// It went well.
    Good,
    /// Look here.
    Bad,
}

/// An observation of the task that watches a cluster.
#[derive(Clone, Debug)]
pub enum ClusterEvent {
    /// A list begins.
    Start(KindName),
    /// The list is complete.
    Done(KindName),
    /// Changes of a kind come in.
    Following(KindName),
    /// Changes of a kind do not come in, though the server answers.
    Behind(KindName),
    /// Objects that were added or changed.
    Approvals(Vec<Approval>),
    /// Objects that were added or changed.
    Objects(Vec<ObjectRow>),
    /// Objects that were added or changed.
    Rules(Vec<RuleRow>),
    /// Events that were added or changed.
    Events(Vec<EventRecord>),
    /// An object was deleted: its UID.
    Gone(KindName, Arc<str>),
    /// The server said something.
    Contact,
    /// The server did not, or not what was asked for.
    Trouble(Trouble, Safe),
    /// A kind cannot be listed.
    Denied(KindName, Trouble, Safe),
    /// Which cluster this is, once that is known.
    Cluster(Box<ClusterLabel>),
    /// The authenticated user.
    Identity(Safe),
    /// The credentials were read anew: who we are, and what we may do, is not known before the server said so.
    Credentials(Safe),
}

/// A message to [`crate::update::update`].
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// A deadline of the model came.
    Tick,
    /// An observation of the cluster task of this generation.
    ClusterEvent(u64, ClusterEvent),
    /// A write ended.
    Sent(Box<Written>),
    /// Permissions that the server confirmed or denied.
    Access {
        /// Number of the round in which it was asked.
        round: u64,
        /// Where; everywhere if `None`.
        namespace: Option<Arc<str>>,
        /// Answers of the server. Verbs that it said nothing about are absent.
        answers: Vec<(Verb, Answer)>,
    },
    /// An object as the cluster has it.
    Yaml(Subject, Yaml),
    /// Something to say.
    Say(Tone, Safe),
}
