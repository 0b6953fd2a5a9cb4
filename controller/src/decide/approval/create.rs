//! A new approval, and the preview that a person is shown.

use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApproval, ActionApprovalSpec, ActionApprovalStatus, ActionPreview,
    ApprovalAction, ExpectedResult, InvolvedObject, LABEL_OBJECT, LABEL_RULE, PreviewAction, Proposal,
    RuleReference, approval_state,
};
use autopilot_shared::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::decide::effect::Effect;
use crate::decide::lookup::target;
use crate::decide::pair::journal_draft::JournalDraft;
use crate::decide::view::{Approval, View};

/// Returns the approval that asks about a proposal: pending, with its digest.
pub(crate) fn pending_approval(
    view: &View<'_>,
    draft: &JournalDraft<'_, '_>,
    proposal: &Proposal,
) -> ActionApproval {
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

/// Returns the write of the preview that a person is shown.
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
