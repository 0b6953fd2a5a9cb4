//! A new proposal: what it would be, and its making. It is absolute, and bound to everything it follows from.

use autopilot_shared::api::{Measured, Proposal};
use autopilot_shared::digest::Proposed;
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::preflight::{self, Refusal};
use crate::decide::approval::spec::sentence;
use crate::decide::view::{ObjectView, View};

/// Returns the proposal that follows now; with the name of its approval, if a person is asked.
pub(crate) fn propose(
    view: &View<'_>,
    rule: &Rule,
    object: &ObjectView<'_>,
    to: Size,
    approval_name: Option<String>,
) -> Proposal {
    let id = format!("{:032x}", view.fresh);
    let from = object.request.to_string();
    let to = to.to_string();
    let action = rule.action.short_name();
    let params = rule.action.params();
    let digest = Proposed {
        id: &id,
        rule_uid: &rule.uid,
        rule_hash: &rule.hash,
        pvc_uid: object.uid,
        action,
        params,
        from: &from,
        to: &to,
    }
    .digest();
    let measured = rule
        .expressions
        .iter()
        .zip(&view.reading.values)
        .filter_map(|(expression, value)| {
            value.as_ref().map(|(_, text)| Measured {
                key: expression.key.clone(),
                operator: expression.operator.clone(),
                values: expression.values.clone(),
                value: text.to_string(),
            })
        })
        .collect();
    Proposal {
        id,
        digest,
        action: action.to_owned(),
        params: params.cloned(),
        from,
        to,
        pvc_uid: object.uid.to_owned(),
        rule_hash: rule.hash.to_string(),
        measured,
        at: Some(MicroTime(view.now)),
        approval_name,
    }
}

/// Returns the size that a rule would give an object.
///
/// # Errors
/// The refusal of the preflight, or of a resize that the storage could not do.
pub(crate) fn target(rule: &Rule, object: &ObjectView<'_>) -> Result<Size, Refusal> {
    if let Some(why) = &object.resize.infeasible
        && object.capacity.bytes < object.request.bytes
    {
        return Err(Refusal {
            reason: "ResizeInfeasible",
            message: format!(
                "the storage cannot do the last resize to {}: {}",
                object.request,
                sentence(why)
            ),
        });
    }
    preflight::target(rule, object)
}

/// Returns a journalled size; `None` if it cannot be read.
pub(crate) fn size(text: &str) -> Option<Size> {
    text.parse::<autopilot_shared::Quantity>().ok().map(Size::from)
}
