//! The flow: one approval and what is known of the forge go in, the next steps come out. Pure and level-triggered: what
//! was done is found again in the approval and on the forge, never remembered.

mod builder;
mod conditions;
mod decided;
mod effect;
mod leftovers;
mod match_pulls;
mod orphan;
mod pending;
mod sync;
mod urgency;
mod view;

use autopilot_shared::api::{ActionApproval, FINALIZER, LABEL_OBJECT, LABEL_RULE, Proposal};
use kube::ResourceExt as _;

use crate::decide::Approval;
use builder::PlanBuilder;

pub use conditions::{FOLDER, LEFT, NOT_MIRRORED, NOT_SYNCED, REFUSED, UNASKED, WAITS};
pub use decided::VIA;
pub use effect::{Ask, Class, ClusterEffect, ForgeEffect, Plan, Write};
pub use match_pulls::{in_repository, ours};
pub use orphan::{Orphan, orphan};
pub use urgency::Urgency;
pub use view::{Finding, Folder, ForgeOutage, Identity, Observed, Posted, Refusal, Settings, Slot, View};

/// The next steps of one approval.
pub fn plan(view: &View<'_>) -> Plan {
    let raw = &view.approval.raw;
    let held = raw.finalizers().iter().any(|f| f == FINALIZER);
    let status = raw.status.as_ref();
    if let Some(since) = &raw.metadata.deletion_timestamp {
        if !held {
            return Plan::default();
        }
        let mut out = PlanBuilder::new(view, Class::Ending);
        decided::leaving(&mut out, since.0);
        return out.plan();
    }
    if let Some(decision) = status.and_then(|s| s.decision.as_ref()) {
        let mut out = PlanBuilder::new(view, Class::Ending);
        decided::decided(&mut out, decision);
        return out.plan();
    }
    match pending_proposal(view.approval) {
        Some(proposal) => {
            let mut out = PlanBuilder::new(view, Class::Creating);
            pending::pending(&mut out, proposal);
            out.plan()
        }
        None => {
            let mut out = PlanBuilder::new(view, Class::Ending);
            leftovers::leftover(&mut out);
            out.plan()
        }
    }
}

/// What an approval asks, if it asks: the engine writes the proposal into the status once the object is its own.
pub fn pending_proposal(approval: &Approval) -> Option<&Proposal> {
    let raw = &approval.raw;
    let status = raw.status.as_ref()?;
    let open = status.decision.is_none() && raw.metadata.deletion_timestamp.is_none() && labelled(raw);
    status.proposal.as_ref().filter(|p| open && !p.digest.is_empty())
}

fn labelled(raw: &ActionApproval) -> bool {
    [LABEL_RULE, LABEL_OBJECT].iter().all(|label| raw.labels().contains_key(*label))
}
