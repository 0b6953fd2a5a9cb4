//! The writes that decisions lead to, as data. Every write names the version or value that it is based on.

use std::fmt;

use autopilot_shared::api::{
    ActionApproval, ActionApprovalStatus, AutopilotRuleObject, AutopilotRuleObjectStatus, AutopilotRuleStatus,
};
use autopilot_shared::quantity::Size;
use jiff::Timestamp;

/// One write. At most one is decided at a time; the next is decided from what the first left behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Create the rule object; its status is written next.
    CreateJournal(Box<AutopilotRuleObject>),
    /// Replace the journal, if nobody else has.
    WriteJournal {
        /// Which object.
        target: Target,
        /// The whole new journal.
        status: Box<AutopilotRuleObjectStatus>,
    },
    /// Remove a rule object whose PVC is gone.
    DeleteJournal(Target),
    /// Ask a person.
    CreateApproval(Box<ActionApproval>),
    /// Replace parts of an approval's status: preview, latch, conditions, execution.
    WriteApprovalStatus {
        /// Which object.
        target: Target,
        /// Fields that are `None` stay as they are.
        status: Box<ActionApprovalStatus>,
        /// An event beside it, emitted best-effort.
        event: Option<Box<EventDraft>>,
    },
    /// Set the spec of an approval back to pending, with the proposal and nothing else.
    ResetApproval {
        /// Which object.
        target: Target,
        /// The object that it must become.
        wanted: Box<ActionApproval>,
    },
    /// Remove an approval that has done its work.
    DeleteApproval(Target),
    /// Remove our finalizer from an approval that is being deleted.
    ReleaseApproval(Target),
    /// Grow a PVC, if it is still the one that was looked at.
    Resize {
        /// Namespace of the PVC.
        namespace: String,
        /// Name of the PVC.
        name: String,
        /// UID that it must have.
        uid: String,
        /// Size that it must request.
        from: Size,
        /// The text of that size, as the API keeps it.
        from_text: String,
        /// Size to request.
        to: Size,
    },
    /// Emit the events of transitions up to a number.
    EmitEvents {
        /// The events, oldest first.
        events: Vec<EventDraft>,
        /// The number of transitions whose events are out afterwards.
        told: u64,
    },
}

impl Effect {
    /// Returns what is written to which version of what: the same key twice in a row means that the first write changed
    /// nothing.
    pub(crate) fn key(&self) -> EffectKey {
        match self {
            Effect::CreateJournal(object) => EffectKey::CreateJournal(object.metadata.name.clone()),
            Effect::WriteJournal { target, .. } => EffectKey::WriteJournal(target.clone()),
            Effect::DeleteJournal(target) => EffectKey::DeleteJournal(target.clone()),
            Effect::CreateApproval(object) => EffectKey::CreateApproval(object.metadata.name.clone()),
            Effect::WriteApprovalStatus { target, .. } => EffectKey::WriteApprovalStatus(target.clone()),
            Effect::ResetApproval { target, .. } => EffectKey::ResetApproval(target.clone()),
            Effect::DeleteApproval(target) => EffectKey::DeleteApproval(target.clone()),
            Effect::ReleaseApproval(target) => EffectKey::ReleaseApproval(target.clone()),
            Effect::Resize { namespace, name, uid, from, to, .. } => EffectKey::Resize {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: uid.clone(),
                from: from.to_string(),
                to: to.to_string(),
            },
            Effect::EmitEvents { told, .. } => EffectKey::EmitEvents(*told),
        }
    }
}

/// The identity of an effect: which write, to which version of which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EffectKey {
    /// Name of the rule object.
    CreateJournal(Option<String>),
    /// The rule object.
    WriteJournal(Target),
    /// The rule object.
    DeleteJournal(Target),
    /// Name of the approval.
    CreateApproval(Option<String>),
    /// The approval.
    WriteApprovalStatus(Target),
    /// The approval.
    ResetApproval(Target),
    /// The approval.
    DeleteApproval(Target),
    /// The approval.
    ReleaseApproval(Target),
    /// A PVC and its sizes.
    Resize { namespace: String, name: String, uid: String, from: String, to: String },
    /// The number of transitions whose events are out afterwards.
    EmitEvents(u64),
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, t) = match self {
            EffectKey::CreateJournal(name) => return write!(f, "create journal {name:?}"),
            EffectKey::CreateApproval(name) => return write!(f, "create approval {name:?}"),
            EffectKey::Resize { namespace, name, uid, from, to } => {
                return write!(f, "resize {namespace}/{name} {uid} from {from} to {to}");
            }
            EffectKey::EmitEvents(told) => return write!(f, "emit events up to {told}"),
            EffectKey::WriteJournal(target) => ("write journal", target),
            EffectKey::DeleteJournal(target) => ("delete journal", target),
            EffectKey::WriteApprovalStatus(target) => ("write status of approval", target),
            EffectKey::ResetApproval(target) => ("reset approval", target),
            EffectKey::DeleteApproval(target) => ("delete approval", target),
            EffectKey::ReleaseApproval(target) => ("release approval", target),
        };
        write!(f, "{verb} {}/{} {} {}", t.namespace, t.name, t.uid, t.version)
    }
}

/// The next write, and when to look again if nothing happens before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The next write.
    pub(crate) effect: Option<Effect>,
    /// When to look again.
    pub(crate) wake: Option<Timestamp>,
}

impl Step {
    /// Returns a step that writes.
    pub(crate) fn write(effect: Effect) -> Self {
        Step { effect: Some(effect), wake: None }
    }
}

/// A write to a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleEffect {
    /// Set our finalizer.
    AddFinalizer {
        /// The rule.
        target: Target,
        /// All finalizers, ours among them.
        finalizers: Vec<String>,
    },
    /// Remove our finalizer.
    RemoveFinalizer {
        /// The rule.
        target: Target,
        /// Position of ours.
        index: usize,
    },
    /// Write the status.
    Status {
        /// The rule.
        target: Target,
        /// The whole status.
        status: Box<AutopilotRuleStatus>,
    },
    /// Emit events about it.
    EmitEvents(Vec<EventDraft>),
    /// Remove an approval of a rule that goes.
    Approval(Effect),
}

/// An object, and the version of it that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// resourceVersion.
    pub version: String,
}

/// An event with a name that is the same for every controller that decides to emit it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDraft {
    /// The object that it is about.
    pub regarding: Regarding,
    /// Seconds since the epoch, part of the name.
    pub when: Timestamp,
    /// Orders events of the same second.
    pub step: u64,
    /// Parts of the hash in the name.
    pub seed: Vec<String>,
    /// Warning instead of Normal.
    pub warning: bool,
    /// `Transition`, `FailedAction`, …
    pub reason: &'static str,
    /// The text.
    pub message: String,
}

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regarding {
    /// A rule.
    Rule {
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// A PVC.
    Pvc {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// An approval.
    Approval {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// The configuration.
    ConfigMap {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
}
