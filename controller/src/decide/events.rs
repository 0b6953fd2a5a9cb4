//! Kubernetes Events about the transitions in a journal. The name of an event follows from the journal alone, so that a crash or
//! a second controller adds none.

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObjectStatus, StatusItem};
use jiff::Timestamp;

use super::effect::{Effect, EventDraft, Regarding};
use super::reason::Reason;
use super::view::View;

/// Returns the number of transitions whose events are out. A number beyond the journal's own is about a journal that is no
/// more.
pub(crate) fn emitted(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> u64 {
    let journalled = view.journal.map_or(0, |j| j.status.transitions);
    status.told.max(if view.emitted > journalled { 0 } else { view.emitted })
}

/// Returns the write of the events that are not out yet; `None` if all are.
pub(crate) fn due(view: &View<'_>, status: &AutopilotRuleObjectStatus) -> Option<Effect> {
    let emitted = emitted(view, status);
    if status.transitions <= emitted {
        return None;
    }
    let kept = status.items.len() as u64;
    let first = status.transitions.saturating_sub(kept);
    // A rule object that the original left has items that nobody counted.
    let uncounted = usize::try_from(kept.saturating_sub(status.transitions)).unwrap_or(usize::MAX);
    let events = (first..status.transitions)
        .zip(status.items.iter().skip(uncounted))
        .filter(|(number, _)| *number >= emitted)
        .flat_map(|(number, item)| events(view, status, number, item))
        .collect();
    Some(Effect::EmitEvents { events, told: status.transitions })
}

fn events(
    view: &View<'_>,
    status: &AutopilotRuleObjectStatus,
    number: u64,
    item: &StatusItem,
) -> Vec<EventDraft> {
    let when = item.last_process_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let rule = Regarding::Rule { name: view.rule_name.to_owned(), uid: view.rule_uid.to_owned() };
    let draft = |regarding: Regarding, kind: &str, warning, reason, message: String| EventDraft {
        seed: vec![
            view.rule_uid.to_owned(),
            view.object_id.to_owned(),
            number.to_string(),
            kind.to_owned(),
            item.message.clone(),
        ],
        regarding,
        when,
        // An event without a journal came before, also within a second.
        step: number + 1,
        warning,
        reason,
        message,
    };
    let mut all = vec![draft(rule.clone(), "rule", false, "Transition", item.message.clone())];
    let claim = view.object.as_ref().map(|o| (o.namespace, o.name, o.uid)).zip(status.object.as_ref()).map(
        |((namespace, name, uid), _)| Regarding::Pvc {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        },
    );
    if let Some(claim) = claim {
        all.push(draft(claim, "claim", false, "Transition", item.message.clone()));
    }
    if let Some(why) = &item.reason {
        let pair = format!("{}:{}", view.rule_name, view.object_id);
        let failed = item.state == RuleState::ActiveActionsPending.as_str()
            || matches!(Reason::parse(why), Reason::Failed(_) | Reason::Superseded(_));
        if failed {
            let text = format!("failed to execute Action for rule: {pair}: {why}");
            all.push(draft(rule, "failed", true, "FailedAction", text));
        } else if item.state == RuleState::ActionsDeclined.as_str() && item.decision.is_none() {
            all.push(draft(rule, "declined", true, "ActionDeclined", format!("rule: {pair}: {why}")));
        }
    }
    all
}
