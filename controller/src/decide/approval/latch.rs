//! The question, its preview, and the latch.

use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApproval, ActionApprovalSpec, ActionApprovalStatus, ActionPreview,
    ApprovalAction, Decision, ExpectedResult, InvolvedObject, LABEL_OBJECT, LABEL_RULE, Outcome,
    PreviewAction, Proposal, RuleReference, approval_state,
};
use autopilot_shared::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};

use super::{conditions, target};
use crate::decide::approval::spec;
use crate::decide::effect::Effect;
use crate::decide::pair::journal_draft::Draft;
use crate::decide::view::{Approval, View};

/// Writes how the question ends. From then on the status is the truth and the spec only a request.
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
        conditions: conditions::at_rest(view.now, approval, "Decided"),
        last_process_timestamp: Some(Time(view.now)),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None }
}

/// The approval as it asks: pending, with the digest.
pub(crate) fn question(view: &View<'_>, draft: &Draft<'_, '_>, proposal: &Proposal) -> ActionApproval {
    let namespace = match (&view.object, &draft.get().object) {
        (Some(object), _) => object.namespace.to_owned(),
        (None, Some(object)) => object.namespace.clone(),
        (None, None) => String::new(),
    };
    ActionApproval {
        metadata: ObjectMeta {
            name: proposal.approval_name.clone(),
            namespace: Some(namespace),
            labels: Some(
                [
                    (LABEL_OBJECT.to_owned(), names::label_value(view.object_id)),
                    (LABEL_RULE.to_owned(), names::label_value(view.rule_name)),
                ]
                .into(),
            ),
            annotations: Some([(ANNOTATION_PROPOSAL.to_owned(), proposal.digest.clone())].into()),
            ..ObjectMeta::default()
        },
        spec: ActionApprovalSpec {
            approval_state: Some(approval_state::PENDING.to_owned()),
            actions: Some(vec![ApprovalAction {
                name: Some(proposal.action.clone()),
                params: proposal.params.clone(),
                proposal: Some(proposal.digest.clone()),
            }]),
        },
        status: None,
    }
}

/// What a person is shown.
pub(crate) fn preview(view: &View<'_>, approval: &Approval, proposal: &Proposal) -> Effect {
    let claim = view.object.as_ref();
    let status = ActionApprovalStatus {
        rule: Some(RuleReference { name: view.rule_name.to_owned(), namespace: String::new() }),
        last_process_timestamp: Some(Time(view.now)),
        action_previews: Some(vec![ActionPreview {
            action: PreviewAction { name: proposal.action.clone(), params: proposal.params.clone() },
            expected_result: ExpectedResult {
                message: format!("PVC will resize from {} to {}", proposal.from, proposal.to),
            },
            involved_objects: vec![InvolvedObject {
                name: claim.map(|c| c.name.to_owned()).unwrap_or_default(),
                namespace: claim.map(|c| c.namespace.to_owned()).unwrap_or_default(),
                uid: view.object_id.to_owned(),
                kind: "PersistentVolumeClaim".to_owned(),
                api_version: "v1".to_owned(),
                owner_references: None,
            }],
        }]),
        proposal: Some(proposal.clone()),
        ..Default::default()
    };
    Effect::WriteApprovalStatus { target: target(approval), status: Box::new(status), event: None }
}
