//! The right to approve, as data: what must happen when each writer brings each file to each approval.
//!
//! The rule behind all cases (design §6): a spec acts only on an open question, and only when it names that question: the
//! digest in `spec.actions[].proposal` is the journal's, or a typed client dropped it from an object that still carries it
//! in its annotation.

use Must::{Decline, Gone, Inert, NotFound, Nothing, Refused, Resize};

/// A way of a file to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// `kustomize-controller`: server-side apply with force, as Flux does it.
    Flux,
    /// `kubectl apply -f FILE`.
    Kubectl,
    /// `kubectl patch --type=merge` with all that the file says.
    Merge,
    /// The original's Go clients: read the object with types that do not know `proposal`, take state and actions over from
    /// the file (read with the same types), PUT it all.
    Typed,
    /// `kubectl patch` of `approvalState` alone, as the guide does it. What else the file says does not matter.
    Guide,
    /// `kubectl replace -f FILE`: the file takes the object's place, annotations and finalizers included.
    Replace,
}

/// The content of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// As the original writes it: approved, with status and finalizer, no digest.
    Original,
    /// Approved, with the digest of the question before.
    Old,
    /// Approved, without a digest.
    Bare,
    /// Approved, with the digest of the question that was asked last.
    Current,
    /// Declined, with that digest.
    Declined,
    /// Approved, with that digest, but a reviewer has edited `maxsize`.
    Edited,
}

/// The state of the approval in the cluster when the file comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onto {
    /// The question is open.
    Pending,
    /// A person has declined.
    Declined,
    /// The controller took the question back and deleted the approval; somebody's finalizer keeps it.
    Canceled,
    /// Approved and done; the rule cools down.
    Executed,
    /// A person deleted it, and the conditions do not hold any more.
    Absent,
}

/// In the order of the columns of [`TABLE`].
pub(crate) const COLUMNS: [Onto; 5] =
    [Onto::Pending, Onto::Declined, Onto::Canceled, Onto::Executed, Onto::Absent];

/// The effect that is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// Latched as approved, and the volume grows, once.
    Resize,
    /// Latched as declined; the volume stays.
    Decline,
    /// Said to be stale, with the writer's name; set back to pending with the current proposal (with the next one, where
    /// nothing is proposed now); never acts.
    Inert,
    /// It was decided before: what was decided stays, word for word.
    Nothing,
    /// The API server refuses the write.
    Refused,
    /// The write drops the last finalizer of an object that is being deleted: it goes.
    Gone,
    /// There is no object to write to, and the writer creates none.
    NotFound,
}

/// A writer and a file, and what must happen in each column.
pub(crate) type Row = (Writer, File, [Must; 5]);

/// All of it.
///
/// Column *canceled*: an object that is being deleted takes no new finalizer, so the original's file, which has one, is
/// refused where it reaches `metadata`.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    //                                pending  declined canceled executed absent
    // The annotation survives an apply: only the digest in the atomic list of actions binds.
    (Writer::Flux,    File::Original, [Inert,   Nothing, Refused, Nothing, Inert]),
    (Writer::Flux,    File::Old,      [Inert,   Nothing, Nothing, Nothing, Inert]),
    (Writer::Flux,    File::Bare,     [Inert,   Nothing, Nothing, Nothing, Inert]),
    // Absent: the digest was the current one until the approval was deleted; it never counts again.
    (Writer::Flux,    File::Current,  [Resize,  Nothing, Nothing, Nothing, Inert]),
    (Writer::Flux,    File::Declined, [Decline, Nothing, Nothing, Nothing, Inert]),

    (Writer::Kubectl, File::Original, [Inert,   Nothing, Refused, Nothing, Inert]),
    (Writer::Kubectl, File::Old,      [Inert,   Nothing, Nothing, Nothing, Inert]),
    // An update and no apply in managedFields, and the annotation stays: told from a typed client by last-applied alone.
    (Writer::Kubectl, File::Bare,     [Inert,   Nothing, Nothing, Nothing, Inert]),
    (Writer::Kubectl, File::Current,  [Resize,  Nothing, Nothing, Nothing, Inert]),
    (Writer::Kubectl, File::Declined, [Decline, Nothing, Nothing, Nothing, Inert]),

    // Nobody can tell this from a typed client: an update of this very object, annotation kept, equal actions. It is a
    // person's own edit of the open question; no tool brings a file in git this way.
    (Writer::Merge,   File::Original, [Resize,  Nothing, Refused, Nothing, NotFound]),
    (Writer::Merge,   File::Old,      [Inert,   Nothing, Nothing, Nothing, NotFound]),
    (Writer::Merge,   File::Bare,     [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Merge,   File::Current,  [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Merge,   File::Declined, [Decline, Nothing, Nothing, Nothing, NotFound]),

    // The types drop every digest, the old one too: what it puts back is the object that it has just read, answered.
    (Writer::Typed,   File::Original, [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Typed,   File::Old,      [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Typed,   File::Bare,     [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Typed,   File::Current,  [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Typed,   File::Declined, [Decline, Nothing, Nothing, Nothing, NotFound]),

    // Beyond the four: the guide's command, and the PUT of a file as it is, which has no annotation.
    (Writer::Guide,   File::Bare,     [Resize,  Nothing, Nothing, Nothing, NotFound]),
    (Writer::Guide,   File::Declined, [Decline, Nothing, Nothing, Nothing, NotFound]),
    (Writer::Replace, File::Original, [Inert,   Nothing, Refused, Nothing, NotFound]),
    (Writer::Replace, File::Old,      [Inert,   Nothing, Gone,    Nothing, NotFound]),
    (Writer::Replace, File::Bare,     [Inert,   Nothing, Gone,    Nothing, NotFound]),
    (Writer::Replace, File::Current,  [Resize,  Nothing, Gone,    Nothing, NotFound]),
    // Whoever edits what was proposed has not approved it.
    (Writer::Flux,    File::Edited,   [Inert,   Nothing, Nothing, Nothing, Inert]),
    (Writer::Kubectl, File::Edited,   [Inert,   Nothing, Nothing, Nothing, Inert]),
    (Writer::Merge,   File::Edited,   [Inert,   Nothing, Nothing, Nothing, NotFound]),
    (Writer::Typed,   File::Edited,   [Inert,   Nothing, Nothing, Nothing, NotFound]),
    (Writer::Replace, File::Edited,   [Inert,   Nothing, Gone,    Nothing, NotFound]),
    (Writer::Replace, File::Declined, [Decline, Nothing, Gone,    Nothing, NotFound]),
];
