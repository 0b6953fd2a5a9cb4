//! The sentences of a journal that code reads again: reasons and messages of transitions.
//!
//! They are stored in clusters, and during a rolling update another version of the controller reads them: their text never
//! changes. Nothing else looks into a sentence.

use std::fmt;

use autopilot_shared::RuleState;
use autopilot_shared::api::AutopilotRuleObjectStatus;
use jiff::Timestamp;

const FAILED: &str = "failed: ";
const SUPERSEDED: &str = "superseded: ";
const WAITS_FOR: &str = "waits for ";

/// Why a pair is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason<'a> {
    /// The action cannot be done.
    Failed(&'a str),
    /// The world moved before the action.
    Superseded(&'a str),
    /// A triggered pair does not go on before something has happened.
    WaitsFor(&'a str),
    /// Any other sentence.
    Other(&'a str),
}

impl<'a> Reason<'a> {
    /// Reads a stored reason.
    pub(crate) fn parse(text: &'a str) -> Self {
        if let Some(why) = text.strip_prefix(FAILED) {
            Reason::Failed(why)
        } else if let Some(why) = text.strip_prefix(SUPERSEDED) {
            Reason::Superseded(why)
        } else if let Some(what) = text.strip_prefix(WAITS_FOR) {
            Reason::WaitsFor(what)
        } else {
            Reason::Other(text)
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, text) = match self {
            Reason::Failed(why) => (FAILED, why),
            Reason::Superseded(why) => (SUPERSEDED, why),
            Reason::WaitsFor(what) => (WAITS_FOR, what),
            Reason::Other(text) => ("", text),
        };
        write!(f, "{prefix}{text}")
    }
}

/// Returns the text of a transition event. Source: the original's guide.
pub(crate) fn transition_message(rule: &str, object: &str, from: RuleState, to: RuleState) -> String {
    format!("rule: {rule}:{object} transition from {} => {}", from.event_str(), to.event_str())
}

/// Returns whether a journal knows what was measured around a change of size: the change was its own action, or something
/// was proposed since, from data that was newer.
pub(crate) fn knows_newer(status: &AutopilotRuleObjectStatus, resized: Timestamp) -> bool {
    let own = status.last_action.as_ref().and_then(|last| last.at.as_ref()).is_some_and(|at| at.0 >= resized);
    let proposed = [RuleState::ActionAwaitingApproval, RuleState::ActiveActionsPending].map(|s| s.as_str());
    own || status.items.iter().any(|item| {
        let later = item.last_process_timestamp.as_ref().is_some_and(|at| at.0 > resized);
        // From another state it would be an older proposal that is tried again.
        later && proposed.contains(&item.state.as_str()) && item.message.contains(" from Triggered => ")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_is_read_as_it_was_written() {
        for (text, reason) in [
            ("failed: no", Reason::Failed("no")),
            ("superseded: the PVC is gone", Reason::Superseded("the PVC is gone")),
            ("waits for rule r", Reason::WaitsFor("rule r")),
            ("failed", Reason::Other("failed")),
            ("it failed: no", Reason::Other("it failed: no")),
            ("", Reason::Other("")),
        ] {
            assert_eq!(Reason::parse(text), reason);
            assert_eq!(reason.to_string(), text);
        }
    }

    #[test]
    fn a_transition_from_triggered_is_found_by_its_message() {
        let from = |from| transition_message("r", "v", from, RuleState::ActionAwaitingApproval);
        assert_eq!(
            from(RuleState::Triggered),
            "rule: r:v transition from Triggered => ActionAwaitingApproval"
        );
    }

    #[test]
    fn a_journal_knows_of_data_that_is_newer_than_a_resize_by_its_own_action_or_by_what_it_proposed_since() {
        let resized: Timestamp = "2026-01-01T00:00:10Z".parse().unwrap();
        let item = |second: u32, state: &str, from: &str| {
            json!({ "items": [{
                "lastProcessTimestamp": format!("2026-01-01T00:00:{second:02}Z"), "state": state,
                "message": format!("rule: r:v transition from {from} => {state}"),
            }] })
        };
        let action = |second: u32| {
            let at = format!("2026-01-01T00:00:{second:02}.500000Z");
            json!({ "lastAction": { "digest": "d", "from": "10Gi", "to": "20Gi", "at": at } })
        };
        for (status, knows) in [
            (json!({}), false),
            (action(9), false),
            (action(10), true),
            (item(9, "ActionAwaitingApproval", "Triggered"), false),
            (item(20, "ActionAwaitingApproval", "Triggered"), true),
            (item(20, "ActiveActionsPending", "Triggered"), true),
            // An older proposal that is tried again, or approved.
            (item(20, "ActiveActionsPending", "ActiveActionsInProgress"), false),
            (item(20, "ActiveActionsPending", "ActionAwaitingApproval"), false),
            (item(20, "Triggered", "ActionAwaitingApproval"), false),
        ] {
            let parsed = serde_json::from_value(status.clone()).unwrap();
            assert_eq!(knows_newer(&parsed, resized), knows, "{status}");
        }
    }
}
