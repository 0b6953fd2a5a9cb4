//! What a write takes for granted of another object. The version in a request guards only the object that is written; what
//! was read of the others may be old, and must be read again, past every cache, before the write.

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleStatus, Outcome};
use autopilot_shared::quantity::Size;

use super::effect::{Effect, Target};
use super::view::View;

/// Something that must be so in the API at the time of a write, and not only in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No approval with this UID is there. `version` is empty: it does not matter.
    ApprovalGone(Target),
    /// The journal has this version, or there is none of the name. An approval that the journal does not know is
    /// withdrawn or removed because of it, and would otherwise be the one that another controller just created, or that
    /// a person just answered. Reading after the approval was seen is enough: the journal names an approval
    /// before the approval exists, and a digest that it gave up never comes back.
    JournalIs {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The version; `None`: there is no journal.
        version: Option<String>,
    },
    /// There is no rule of this name.
    RuleGone(String),
    /// The rule's status does not say that the object has left `Initializing`. Whoever announces `Initializing => Normal`
    /// writes no journal, and the status right after the events: a journal that began with `Initializing => Triggered`
    /// would contradict them.
    Unannounced {
        /// Name of the rule.
        rule: String,
        /// The volume.
        object: String,
        /// When the PVC was created, in seconds since the epoch.
        created: i64,
    },
    /// No PVC of this name has this volume.
    PvcGone {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The volume.
        volume: String,
    },
    /// The PVC has this UID and requests this size. A proposal is given up because it does not fit the PVC, and an old
    /// sight of the PVC fits none.
    PvcIs {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// The size that it requests.
        request: Size,
    },
}

/// Returns what has to be read before an effect is carried out. If it is not so, the effect is dropped, what was read
/// goes into the cache, and it is decided anew.
pub fn precondition(view: &View<'_>, effect: &Effect) -> Option<Precondition> {
    match effect {
        Effect::WriteJournal { target, status } => {
            let journal = view.journal?;
            if journal.status.state.is_none() && view.quiet == RuleState::Initializing {
                return view.unannounced.map(|created| Precondition::Unannounced {
                    rule: view.rule_name.to_owned(),
                    object: view.object_id.to_owned(),
                    created,
                });
            }
            let known = journal.status.approval.as_ref().filter(|_| status.approval.is_none());
            let Some(known) = known else {
                return if status.proposal.is_none() { claim(view) } else { None };
            };
            let seen = view.approvals().any(|a| a.raw.metadata.uid.as_deref() == Some(known.uid.as_str()));
            if seen {
                return if status.proposal.is_none() { claim(view) } else { None };
            }
            Some(Precondition::ApprovalGone(Target {
                namespace: target.namespace.clone(),
                name: known.name.clone(),
                uid: known.uid.clone(),
                version: String::new(),
            }))
        }
        Effect::DeleteApproval(target) | Effect::ResetApproval { target, .. } => journal(view, target),
        Effect::WriteApprovalStatus { target, status, .. } => {
            let ends = status.decision.as_ref().is_some_and(|d| d.outcome == Outcome::Canceled);
            match ends {
                true => journal(view, target).or_else(|| claim(view)),
                false if status.execution.is_some() => journal(view, target),
                false => None,
            }
        }
        _ => None,
    }
}

/// Returns whether a rule's status says that an object, whose PVC was created at that second, has left `Initializing`.
pub(crate) fn announced(status: &AutopilotRuleStatus, object: &str, created: i64) -> bool {
    status.initialized_through.as_ref().is_some_and(|through| created <= through.0.as_second())
        && !status.without_data.iter().any(|named| named == object)
}

/// Returns the PVC, if the journalled proposal does not fit what is seen of it.
fn claim(view: &View<'_>) -> Option<Precondition> {
    let object = view.object.as_ref()?;
    let proposal = view.journal?.status.proposal.as_ref()?;
    let request = object.request.to_string();
    let fits = object.uid == proposal.pvc_uid && (request == proposal.from || request == proposal.to);
    (!fits).then(|| Precondition::PvcIs {
        namespace: object.namespace.to_owned(),
        name: object.name.to_owned(),
        uid: object.uid.to_owned(),
        request: object.request,
    })
}

/// Returns the journal, if it does not hold this approval.
fn journal(view: &View<'_>, target: &Target) -> Option<Precondition> {
    // Without the PVC its approvals go whatever the journal says.
    view.object.as_ref()?;
    let held = view.journal.and_then(|j| j.status.approval.as_ref()).is_some_and(|a| a.uid == target.uid);
    (!held).then(|| Precondition::JournalIs {
        namespace: target.namespace.clone(),
        name: match view.journal {
            Some(journal) => journal.name.to_string(),
            None => autopilot_shared::names::rule_object_name(view.object_id, view.rule_name),
        },
        version: view.journal.map(|j| j.version.clone()),
    })
}
