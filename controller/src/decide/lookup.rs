//! Finding the objects of a pair, and reading plain facts from them. Never imports anything that decides.

use autopilot_shared::api::{ANNOTATION_PROPOSAL, ApprovalReference, AutopilotRuleObjectStatus, Proposal};
use autopilot_shared::names;
use kube::ResourceExt as _;

use super::approval::spec::labelled;
use super::effect::Target;
use super::view::{Approval, Journal, View};

/// The object that has a name.
pub(crate) enum Place<'a> {
    /// No object.
    Free,
    /// An object with other labels.
    Foreign,
    /// An object of this pair, whoever made it.
    Ours(&'a Approval),
}

/// Returns what lies under a name for approvals.
pub(crate) fn place<'a>(view: &View<'a>, name: &str) -> Place<'a> {
    match by_name(view, name) {
        None => Place::Free,
        Some(a) if labelled(&a.raw, view.rule_name, view.object_id) => Place::Ours(a),
        Some(_) => Place::Foreign,
    }
}

/// Returns the name for a new approval: the usual one, unless an object that is not ours has it. `None` if both names are
/// taken.
pub(crate) fn free_name(view: &View<'_>) -> Option<String> {
    let plain = names::approval_name(view.rule_name, view.object_id);
    let hashed = names::hashed_approval_name(view.rule_name, view.object_id);
    [plain, hashed].into_iter().find(|name| !matches!(place(view, name), Place::Foreign))
}

fn by_name<'a>(view: &View<'a>, name: &str) -> Option<&'a Approval> {
    view.approvals().find(|a| a.raw.metadata.name.as_deref() == Some(name))
}

/// Returns the approval that asks about a proposal, wherever its spec stands now.
pub(crate) fn of_proposal<'a>(view: &View<'a>, proposal: &Proposal) -> Option<&'a Approval> {
    let Place::Ours(approval) = place(view, proposal.approval_name.as_deref()?) else { return None };
    let raw = &approval.raw;
    let annotated = raw.annotations().get(ANNOTATION_PROPOSAL) == Some(&proposal.digest);
    let shown = raw.proposal().is_some_and(|p| p.digest == proposal.digest);
    (annotated || shown).then_some(approval)
}

/// Returns the approval with the UID that the journal took.
pub(crate) fn own<'a>(view: &View<'a>, status: &AutopilotRuleObjectStatus) -> Option<&'a Approval> {
    let reference = status.approval.as_ref()?;
    by_name(view, &reference.name).filter(|a| a.raw.metadata.uid.as_deref() == Some(reference.uid.as_str()))
}

/// Returns whether nobody has decided about an approval.
pub(crate) fn undecided(approval: &Approval) -> bool {
    approval.raw.decision().is_none()
}

/// Returns the reference to an approval that the journal keeps.
pub(crate) fn reference(approval: &Approval) -> ApprovalReference {
    ApprovalReference { name: approval.raw.name_any(), uid: approval.raw.uid().unwrap_or_default() }
}

/// Returns the target of a write to an approval.
pub(crate) fn target(approval: &Approval) -> Target {
    Target {
        namespace: approval.raw.namespace().unwrap_or_default(),
        name: approval.raw.name_any(),
        uid: approval.raw.uid().unwrap_or_default(),
        version: approval.raw.resource_version().unwrap_or_default(),
    }
}

/// Returns the target of a write to a journal.
pub(crate) fn journal_target(journal: &Journal) -> Target {
    Target {
        namespace: journal.namespace.to_string(),
        name: journal.name.to_string(),
        uid: journal.uid.clone(),
        version: journal.version.clone(),
    }
}
