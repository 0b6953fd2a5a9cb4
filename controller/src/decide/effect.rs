//! What must happen, as data. Every write names the version or value that it is based on.

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
        /// An event beside it, told best-effort.
        event: Option<Box<EventDraft>>,
    },
    /// Set the spec of an approval back to pending, with the proposal and nothing else.
    ResetApproval {
        /// Which object.
        target: Target,
        /// What it must become.
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
    /// What is written to which version of what: the same mark twice in a row means that the first changed nothing.
    pub fn mark(&self) -> String {
        let of =
            |verb: &str, t: &Target| format!("{verb} {}/{} {} {}", t.namespace, t.name, t.uid, t.version);
        match self {
            Effect::CreateJournal(object) => format!("create journal {:?}", object.metadata.name),
            Effect::WriteJournal { target, .. } => of("write journal", target),
            Effect::DeleteJournal(target) => of("delete journal", target),
            Effect::CreateApproval(object) => format!("create approval {:?}", object.metadata.name),
            Effect::WriteApprovalStatus { target, .. } => of("write status of approval", target),
            Effect::ResetApproval { target, .. } => of("reset approval", target),
            Effect::DeleteApproval(target) => of("delete approval", target),
            Effect::ReleaseApproval(target) => of("release approval", target),
            Effect::Resize { namespace, name, uid, from, to, .. } => {
                format!("resize {namespace}/{name} {uid} from {from} to {to}")
            }
            Effect::EmitEvents { told, .. } => format!("emit events up to {told}"),
        }
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
    /// Emit events.
    EmitEvents(Vec<EventDraft>),
    /// Remove an approval of a rule that goes.
    Approval(Effect),
}

/// An object, and the version of it that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// An event with a name that is the same for everybody who decides to tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDraft {
    /// About the rule, in namespace `default`.
    pub regarding: Regarding,
    /// Seconds since the epoch, part of the name.
    pub when: Timestamp,
    /// Orders events of the same second.
    pub step: u64,
    /// What the name is a hash of.
    pub seed: Vec<String>,
    /// Warning instead of Normal.
    pub warning: bool,
    /// `Transition`, `FailedAction`, …
    pub reason: &'static str,
    /// The text.
    pub message: String,
}

/// What an event is about.
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
    Claim {
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
