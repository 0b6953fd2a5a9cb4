//! A new proposal: absolute, bound to everything it follows from.

use autopilot_shared::api::{Measured, Proposal};
use autopilot_shared::digest::Proposed;
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::decide::view::{ObjectView, View};

/// Freezes what is proposed now; with the name of its approval, when a person is asked.
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
