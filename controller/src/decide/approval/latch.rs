//! The latch: the decision about a proposal, written once.

use autopilot_shared::api::{ActionApprovalStatus, Decision, Outcome};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::conditions;
use super::spec;
use crate::decide::effect::Effect;
use crate::decide::lookup::target;
use crate::decide::view::{Approval, View};

/// Returns the write of the decision. From then on the status is the truth and the spec only a request.
pub(crate) fn latch(
    view: &View<'_>,
    approval: &Approval,
    digest: &str,
    outcome: Outcome,
    why: &str,
) -> Effect {
    let signature = match outcome {
        Outcome::Canceled => {
            spec::Signature { by: String::new(), via: "controller".into(), reason: why.into() }
        }
        Outcome::Approved | Outcome::Declined => spec::signature(approval, digest, outcome),
    };
    let decision = Decision {
        digest: digest.to_owned(),
        outcome,
        by: signature.by,
        at: Some(MicroTime(view.now)),
        via: signature.via,
        reason: signature.reason,
    };
    let status = ActionApprovalStatus {
        decision: Some(decision),
        conditions: conditions::all_false(view.now, approval, "Decided"),
        last_process_timestamp: Some(Time(view.now)),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None }
}
