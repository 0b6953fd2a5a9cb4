//! Whether something new may be started for a pair, and why a proposal or an approval is withdrawn.

use autopilot_shared::api::{AutopilotRuleObjectStatus, Decision};
use autopilot_shared::rule::Rule;
use autopilot_shared::time::bounded_seconds;
use jiff::SignedDuration;

use super::view::{ObjectView, View};
use crate::evaluate::verdict::Verdict;

/// Returns the rule and the object; `None` if nothing new may be started.
pub(crate) fn active<'v, 'a>(view: &'v View<'a>) -> Option<(&'a Rule, &'v ObjectView<'a>)> {
    let rule = view.rule.filter(|rule| !rule.suspended && !view.settings.suspended)?;
    let object = view.object.as_ref().filter(|object| object.selected)?;
    Some((rule, object))
}

/// Returns why nothing may be started, for people.
pub(crate) fn inactive_reason(view: &View<'_>) -> &'static str {
    match (view.rule, &view.object) {
        (None, _) => "the rule is not understood",
        (_, None) => "the PVC is gone",
        (Some(rule), _) if rule.suspended => "the rule is suspended",
        _ if view.settings.suspended => "all rules are suspended",
        _ => "the rule does not select the PVC",
    }
}

pub(crate) fn met(view: &View<'_>) -> bool {
    view.reading.verdict == Verdict::Met
}

pub(crate) fn not_met(view: &View<'_>) -> bool {
    view.reading.verdict == Verdict::NotMet
}

/// Returns the reason of a pair whose action a person declined.
pub(crate) fn declined_reason(decision: &Decision) -> String {
    let how = match (decision.by.as_str(), decision.via.as_str()) {
        ("", "") => "declined by a person".to_owned(),
        ("", via) => format!("declined with {via}"),
        (by, _) => format!("declined by {by}"),
    };
    match decision.reason.as_str() {
        "" => format!("{how}; delete the approval to resume"),
        why => format!("{how}: {why}; delete the approval to resume"),
    }
}

fn cancel_after(view: &View<'_>) -> SignedDuration {
    view.settings.cancel_after.max(bounded_seconds(view.rule.map_or(0, |r| r.hold)))
}

/// Returns why an open approval must be withdrawn whatever the answer: its proposal does not fit any more.
pub(crate) fn cancel_reason(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> Option<String> {
    let proposal = status.proposal.as_ref()?;
    let Some((rule, object)) = active(view) else {
        return Some(inactive_reason(view).to_owned());
    };
    if !rule.approval {
        return Some("the rule does not ask for approval any more".to_owned());
    }
    if proposal.rule_hash != *rule.hash {
        return Some("the rule was edited".to_owned());
    }
    if proposal.pvc_uid != object.uid {
        return Some("the PVC was replaced".to_owned());
    }
    if proposal.from != object.request.to_string() {
        return Some(format!("the PVC was resized to {}", object.request));
    }
    None
}

/// Returns the reason to withdraw an open approval because its conditions have not held for so long; `None` if they have
/// not cleared long enough.
pub(crate) fn cleared(view: &View<'_>) -> Option<String> {
    let since = view.reading.cleared_since.filter(|_| not_met(view))?;
    // Measured on the times of the passes: the conditions must have been seen not to hold at the end, too.
    let seen = view.reading.at?;
    (seen >= since + cancel_after(view)).then(|| "the conditions do not hold any more".to_owned())
}
