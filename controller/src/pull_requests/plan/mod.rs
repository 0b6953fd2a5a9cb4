//! The plan for one approval: the approval and what is known of the forge go in, the next steps come out. Pure and
//! level-triggered: what was done is found again in the approval and on the forge, never remembered. Never imports the
//! tracker.

mod builder;
mod closing;
mod conditions;
mod decided;
mod effect;
mod files;
mod folder;
mod leftovers;
mod match_pulls;
mod observed;
mod orphan;
mod pending;
mod sync;
mod urgency;
mod view;

use autopilot_shared::api::{ActionApproval, LABEL_OBJECT, LABEL_RULE, Proposal};
use kube::ResourceExt as _;

use crate::decide::Approval;
use builder::PlanBuilder;

pub use decided::VIA;
pub use effect::ClusterEffect;
pub(crate) use effect::{Ask, Class, EffectKey, ForgeEffect, Plan, Write};
pub(crate) use folder::Folder;
pub(crate) use match_pulls::{in_repository, ours};
pub use observed::Finding;
pub(crate) use observed::{BranchState, FindingsAt, Observed, PostedComments, Refusal};
pub(crate) use orphan::{Orphan, orphan};
pub(crate) use urgency::Urgency;
pub use view::PullRequestSettings;
pub(crate) use view::{ForgeOutage, Identity, Slot, View};

/// Returns the next steps of one approval.
pub(crate) fn plan(view: &View<'_>) -> Plan {
    let raw = view.raw();
    if let Some(since) = &raw.metadata.deletion_timestamp {
        if !raw.has_finalizer() {
            return Plan::default();
        }
        let mut out = PlanBuilder::new(view, Class::Ending);
        decided::leaving(&mut out, since.0);
        return out.plan();
    }
    if let Some(decision) = raw.decision() {
        let mut out = PlanBuilder::new(view, Class::Ending);
        decided::decided(&mut out, decision);
        return out.plan();
    }
    if let Some(proposal) = pending_proposal(view.approval) {
        let mut out = PlanBuilder::new(view, Class::Creating);
        pending::pending(&mut out, proposal);
        return out.plan();
    }
    let mut out = PlanBuilder::new(view, Class::Ending);
    leftovers::leftover(&mut out);
    out.plan()
}

/// Returns the proposal that an approval waits with for an answer; `None` if it does not. The engine writes the
/// proposal into the status once the object is its own.
pub(crate) fn pending_proposal(approval: &Approval) -> Option<&Proposal> {
    let raw = &approval.raw;
    let open = raw.decision().is_none() && !raw.is_deleting() && labelled(raw);
    raw.proposal().filter(|p| open && !p.digest.is_empty())
}

fn labelled(raw: &ActionApproval) -> bool {
    [LABEL_RULE, LABEL_OBJECT].iter().all(|label| raw.labels().contains_key(*label))
}
