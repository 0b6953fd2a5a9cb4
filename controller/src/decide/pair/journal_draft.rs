//! The journal as a decision would write it: read from the one that stands, copied only when something changes.

use std::borrow::Cow;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObjectStatus, Decision, InvolvedObject, StatusItem};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use crate::decide::reason::transition_message;
use crate::decide::view::View;

/// Transitions that a rule object keeps.
pub const ITEMS_KEPT: usize = 20;

/// The journal as it would be written.
pub(crate) struct JournalDraft<'v, 'a> {
    view: &'v View<'a>,
    status: Cow<'v, AutopilotRuleObjectStatus>,
    quiet: RuleState,
}

impl<'v, 'a> JournalDraft<'v, 'a> {
    pub(crate) fn new(view: &'v View<'a>) -> Self {
        let status = match view.journal {
            Some(journal) => Cow::Borrowed(&journal.status),
            None => Cow::Owned(AutopilotRuleObjectStatus::default()),
        };
        JournalDraft { view, status, quiet: view.quiet }
    }

    pub(crate) fn state(&self) -> RuleState {
        self.status.state.unwrap_or(self.quiet)
    }

    pub(crate) fn get(&self) -> &AutopilotRuleObjectStatus {
        &self.status
    }

    pub(crate) fn edit(&mut self) -> &mut AutopilotRuleObjectStatus {
        self.status.to_mut()
    }

    /// Leaves Initializing without a journal: nothing is written for an object that is Normal.
    pub(crate) fn quiet_normal(&mut self) {
        self.quiet = RuleState::Normal;
    }

    /// Goes to another state, and adds the item that the event will say.
    pub(crate) fn go(&mut self, to: RuleState, reason: Option<&str>, decision: Option<Decision>) {
        let from = self.state();
        let view = self.view;
        let message = transition_message(view.rule_name, view.object_id, from, to);
        let status = self.status.to_mut();
        let with_approval = matches!(
            to,
            RuleState::ActionAwaitingApproval
                | RuleState::ActiveActionsPending
                | RuleState::ActiveActionsInProgress
                | RuleState::ActiveActionsTaken
                | RuleState::ActionsDeclined
        );
        status.items.push(StatusItem {
            last_process_timestamp: Some(Time(view.now)),
            state: to.as_str().to_owned(),
            message,
            action_approval_name: status.approval.as_ref().filter(|_| with_approval).map(|a| a.name.clone()),
            decision,
            reason: reason.map(str::to_owned),
        });
        let surplus = status.items.len().saturating_sub(ITEMS_KEPT);
        status.items.drain(..surplus);
        status.state = Some(to);
        status.since = Some(MicroTime(view.now));
        status.reason = reason.map(str::to_owned);
        status.transitions += 1;
        if to == RuleState::Triggered {
            status.hold_since = Some(MicroTime(view.now));
            if matches!(from, RuleState::Initializing | RuleState::Normal) {
                // The conditions hold since the pass that found it, not since its results were read.
                status.hold_since = Some(MicroTime(view.reading.at.unwrap_or(view.now)));
                status.episode += 1;
            }
        }
        if to == RuleState::Normal {
            status.hold_since = None;
            status.cool_down_until = None;
            status.proposal = None;
            status.approval = None;
            status.backoff = None;
        }
        // A volume may come to another PVC.
        if let Some(object) = &view.object
            && status.object.as_ref().is_none_or(|o| o.name != object.name)
        {
            status.object = Some(InvolvedObject {
                name: object.name.to_owned(),
                namespace: object.namespace.to_owned(),
                uid: view.object_id.to_owned(),
                kind: "PersistentVolumeClaim".to_owned(),
                api_version: "v1".to_owned(),
                owner_references: None,
            });
        }
    }

    /// Sets why the pair stays in its state; written only if the reason is another than before.
    pub(crate) fn stay(&mut self, reason: Option<&str>) {
        if self.status.reason.as_deref() != reason && self.view.journal.is_some() {
            self.status.to_mut().reason = reason.map(str::to_owned);
        }
    }

    /// Returns the new journal; `None` if it is the one that stands.
    pub(crate) fn changed(&self) -> Option<AutopilotRuleObjectStatus> {
        let Cow::Owned(status) = &self.status else { return None };
        let same = match self.view.journal {
            Some(journal) => journal.status == *status,
            None => status.state.is_none(),
        };
        (!same).then(|| status.clone())
    }
}
