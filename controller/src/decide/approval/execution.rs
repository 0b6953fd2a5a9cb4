//! The execution of an action, as its approval shows it.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{AutopilotRuleObjectStatus, Execution};

use crate::decide::lookup::own;
use crate::decide::view::View;

/// Returns the execution that the approval of a finished action still lacks.
pub(crate) fn execution_due(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> Option<Execution> {
    if status.state != Some(S::ActiveActionsTaken) {
        return None;
    }
    let approval = own(view, status)?;
    if approval.raw.is_deleting() {
        return None;
    }
    let last = status.last_action.as_ref()?;
    approval.raw.execution().is_none().then(|| Execution {
        outcome: "done".to_owned(),
        at: last.at.clone(),
        message: format!("PVC resized from {} to {}", last.from, last.to),
    })
}
