//! Which of two rules goes first on one object.

use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::rule::Rule;
use autopilot_shared::time::bounded_seconds;

use super::view::{Journal, Precedence};
use crate::evaluate::reading::Reading;
use crate::evaluate::verdict::Verdict;

/// Another rule's pair on the same object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender<'a> {
    /// Name of its rule.
    pub(crate) name: &'a Arc<str>,
    /// The rule, if it is understood, stays and acts on PVCs.
    pub(crate) rule: Option<&'a Rule>,
    /// The rule selects the object.
    pub(crate) selected: bool,
    /// State of the pair.
    pub(crate) state: RuleState,
    /// A write that proposes something is under way.
    pub(crate) proposing: bool,
    /// The latest data of the pair.
    pub(crate) reading: &'a Reading,
    /// The journal, if it is this rule's own.
    pub(crate) journal: Option<&'a Journal>,
}

/// Returns the first of the other rules that has, or is about to have, the object; `None` if `own` may go.
pub(crate) fn goes_first<'a>(
    own: &Rule,
    others: impl IntoIterator<Item = Contender<'a>>,
) -> Option<Precedence> {
    let first = |other: &Contender<'_>| {
        other.holds()
            || other.rule.is_some_and(|rule| {
                !rule.suspended && other.selected && other.has_held(rule) && rule.goes_before(own)
            })
    };
    let first = others.into_iter().find(first)?;
    Some(Precedence { rule: Arc::clone(first.name), state: first.state })
}

impl Contender<'_> {
    /// Returns whether it keeps other rules off the object.
    fn holds(&self) -> bool {
        let status = self.journal.map(|journal| &journal.status);
        self.proposing
            || status.is_some_and(|s| s.proposal.is_some())
            || match self.state {
                RuleState::ActionAwaitingApproval
                | RuleState::ActiveActionsPending
                | RuleState::ActiveActionsInProgress
                | RuleState::ActiveActionsTaken => true,
                RuleState::ActionsDeclined => status.is_some_and(|s| s.approval.is_some()),
                _ => false,
            }
    }

    /// Returns whether its conditions have held for long enough.
    fn has_held(&self, rule: &Rule) -> bool {
        let since = self.journal.and_then(|j| j.status.hold_since.as_ref()).map(|t| t.0);
        self.state == RuleState::Triggered
            && self.reading.verdict == Verdict::Met
            && since
                .zip(self.reading.at)
                .is_some_and(|(since, seen)| seen >= since + bounded_seconds(rule.hold))
    }
}

#[cfg(test)]
mod tests {
    use autopilot_shared::api::{ApprovalReference, AutopilotRuleObjectStatus, Proposal};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000;

    fn rule(name: &str, weight: i64, suspended: bool) -> Rule {
        let raw = json!({
            "metadata": { "name": name, "uid": name },
            "spec": {
                "weight": weight,
                "suspend": suspended,
                "conditions": { "for": 60, "expressions": [{ "key": "k", "operator": "Gt", "values": ["1"] }] },
                "actions": [{ "name": "openstorage.io.action.volume/resize" }],
            },
        });
        Rule::parse(&serde_json::from_value(raw).unwrap()).unwrap()
    }

    /// What is so of the other pair; by default it is triggered, selected, and has held for long enough.
    struct Other {
        state: RuleState,
        proposing: bool,
        proposal: bool,
        approval: bool,
        held: i64,
        verdict: Verdict,
        selected: bool,
        rule: Option<Rule>,
    }

    impl Default for Other {
        fn default() -> Self {
            Other {
                state: RuleState::Triggered,
                proposing: false,
                proposal: false,
                approval: false,
                held: 60,
                verdict: Verdict::Met,
                selected: true,
                rule: Some(rule("other", 10, false)),
            }
        }
    }

    fn goes(other: &Other) -> bool {
        let at = |second| Timestamp::from_second(second).unwrap();
        let name: Arc<str> = "other".into();
        let reading = Reading { verdict: other.verdict, at: Some(at(NOW)), ..Reading::default() };
        let status = AutopilotRuleObjectStatus {
            proposal: other.proposal.then(Proposal::default),
            approval: other.approval.then(|| ApprovalReference { name: String::new(), uid: String::new() }),
            hold_since: Some(MicroTime(at(NOW - other.held))),
            ..AutopilotRuleObjectStatus::default()
        };
        let journal = Journal { status, ..Journal::default() };
        let contender = Contender {
            name: &name,
            rule: other.rule.as_ref(),
            selected: other.selected,
            state: other.state,
            proposing: other.proposing,
            reading: &reading,
            journal: Some(&journal),
        };
        let first = goes_first(&rule("own", 0, false), [contender]);
        if let Some(first) = &first {
            assert_eq!((&*first.rule, first.state), ("other", other.state));
        }
        first.is_some()
    }

    #[test]
    fn a_rule_goes_first_when_it_has_the_object_or_has_held_and_weighs_more() {
        use RuleState as S;
        let with = |change: fn(&mut Other)| {
            let mut other = Other::default();
            change(&mut other);
            other
        };
        type Change = fn(&mut Other);
        let table: [(&str, Change, bool); 19] = [
            ("it has held, and weighs more", |_| {}, true),
            ("not long enough", |o| o.held = 59, false),
            ("its conditions do not hold now", |o| o.verdict = Verdict::NotMet, false),
            ("nothing is known of it now", |o| o.verdict = Verdict::NoData, false),
            ("it does not select the object", |o| o.selected = false, false),
            ("it is suspended", |o| o.rule = Some(rule("other", 10, true)), false),
            ("it weighs less", |o| o.rule = Some(rule("other", -10, false)), false),
            ("it is not understood", |o| o.rule = None, false),
            ("its proposal is being written", |o| (o.proposing, o.rule) = (true, None), true),
            ("its proposal is journalled", |o| (o.proposal, o.rule) = (true, None), true),
            ("it is at rest", |o| o.state = S::Normal, false),
            ("it is starting", |o| o.state = S::Initializing, false),
            ("it awaits approval", |o| (o.state, o.rule) = (S::ActionAwaitingApproval, None), true),
            ("its action is pending", |o| (o.state, o.rule) = (S::ActiveActionsPending, None), true),
            ("its action is in progress", |o| (o.state, o.rule) = (S::ActiveActionsInProgress, None), true),
            ("its action was taken", |o| (o.state, o.rule) = (S::ActiveActionsTaken, None), true),
            ("a person declined it", |o| (o.state, o.approval) = (S::ActionsDeclined, true), true),
            ("it was refused", |o| o.state = S::ActionsDeclined, false),
            (
                "it has a weight, suspended, but a proposal",
                |o| {
                    (o.proposal, o.rule) = (true, Some(rule("other", -10, true)));
                },
                true,
            ),
        ];
        for (says, change, expected) in table {
            assert_eq!(goes(&with(change)), expected, "{says}");
        }
        assert_eq!(goes_first(&rule("own", 0, false), []), None, "nobody else is there");
    }
}
