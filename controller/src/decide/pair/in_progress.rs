//! ActiveActionsInProgress: the resize, and what comes of it.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Backoff, LastAction, Proposal};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::clock::{cool_down_of, retry_pause};
use super::journal_draft::JournalDraft;
use super::proposal::size;
use super::step_back::back_to_normal;
use crate::decide::approval::spec::sentence;
use crate::decide::reason::Reason;
use crate::decide::view::View;
use crate::decide::withdrawal::{active, not_met};
use crate::evaluate::reading::Value;

/// Attempts at a resize that the API server refuses, before it has failed.
const MAX_ATTEMPTS: u32 = 5;

/// Steps from ActiveActionsInProgress.
pub(crate) fn in_progress(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let Some(proposal) = draft.get().proposal.clone() else {
        return back_to_normal(view, draft, "nothing is proposed");
    };
    let Some(object) = view.object.as_ref().filter(|o| o.uid == proposal.pvc_uid) else {
        return superseded(view, draft, "the PVC is gone or was replaced");
    };
    let Some(to) = size(&proposal.to) else {
        return superseded(view, draft, "the journalled size cannot be read");
    };
    let request = object.request.to_string();
    if object.request.bytes == to.bytes {
        if object.capacity.bytes >= to.bytes {
            finish(view, draft);
            return None;
        }
        if let Some(why) = &object.resize.infeasible {
            let (from, to) = (&proposal.from, &proposal.to);
            let message = format!("the storage cannot do the resize from {from} to {to}: {}", sentence(why));
            fail(draft, "ResizeInfeasible", &message);
            return None;
        }
        draft.stay(object.resize.progress.as_deref());
        return None;
    }
    if request != proposal.from {
        let (from, to) = (&proposal.from, &proposal.to);
        return superseded(view, draft, &format!("the PVC requests {request}, neither {from} nor {to}"));
    }
    if let Some(words) = view.refusal {
        let attempts = draft.get().backoff.as_ref().map_or(0, |b| b.attempts) + 1;
        let message =
            format!("resize from {} to {} refused: {}", proposal.from, proposal.to, sentence(words));
        if attempts >= MAX_ATTEMPTS {
            fail(draft, "ResizeRefused", &message);
            return None;
        }
        let until = view.now + retry_pause(attempts);
        draft.go(S::ActiveActionsPending, Some(&message), None);
        draft.edit().backoff =
            Some(Backoff { attempts, until: Some(MicroTime(until)), reason: "ResizeRefused".to_owned() });
        return Some(until);
    }
    None
}

/// Returns the latest values, in the order of the rule's expressions; those of the proposal if nothing is known now.
fn measured(view: &View<'_>, proposal: Option<&Proposal>) -> Vec<String> {
    let values = &view.reading.values;
    if values.iter().any(Option::is_some) {
        let text = |v: &Option<Value>| v.as_ref().map(|(_, text)| text.to_string());
        return values.iter().map(|v| text(v).unwrap_or_default()).collect();
    }
    let Some(proposal) = proposal else { return Vec::new() };
    // A proposal lists only the expressions that had a value; empty ones keep the places of the others.
    let expressions = view.rule.filter(|r| *r.hash == *proposal.rule_hash).map(|r| &r.expressions);
    match expressions {
        Some(expressions) => {
            let mut left = proposal.measured.iter().peekable();
            let value = |e: &autopilot_shared::rule::Expression| {
                left.next_if(|m| m.key == e.key && m.operator == e.operator && m.values == e.values)
            };
            expressions.iter().map(value).map(|m| m.map(|m| m.value.clone()).unwrap_or_default()).collect()
        }
        None => proposal.measured.iter().map(|m| m.value.clone()).collect(),
    }
}

/// Ends an action that is done.
fn finish(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) {
    let until = view.now + cool_down_of(view);
    let measured = measured(view, draft.get().proposal.as_ref());
    draft.go(S::ActiveActionsTaken, None, None);
    let status = draft.edit();
    status.backoff = None;
    status.cool_down_until = Some(MicroTime(until));
    if let Some(proposal) = status.proposal.take() {
        status.last_action = Some(LastAction {
            digest: proposal.digest,
            from: proposal.from,
            to: proposal.to,
            at: Some(MicroTime(view.now)),
            measured,
        });
    }
}

/// Steps back because the world moved before the action: its digest is spent, and what is proposed next is computed anew.
fn superseded(view: &View<'_>, draft: &mut JournalDraft<'_, '_>, reason: &str) -> Option<Timestamp> {
    draft.edit().proposal = None;
    draft.edit().approval = None;
    draft.edit().backoff = None;
    let again = active(view).is_some() && !not_met(view);
    draft.go(
        if again { S::Triggered } else { S::Normal },
        Some(&Reason::Superseded(reason).to_string()),
        None,
    );
    None
}

/// Ends an action that cannot be done with an event and a state, not in silence.
fn fail(draft: &mut JournalDraft<'_, '_>, reason: &str, message: &str) {
    draft.edit().proposal = None;
    draft.edit().approval = None;
    let failures = draft.get().backoff.as_ref().map_or(0, |b| b.attempts).max(MAX_ATTEMPTS);
    draft.go(S::ActionsDeclined, Some(&Reason::Failed(message).to_string()), None);
    let until = draft.get().since.as_ref().map(|t| t.0 + retry_pause(failures + 1));
    draft.edit().backoff =
        Some(Backoff { attempts: failures + 1, until: until.map(MicroTime), reason: reason.to_owned() });
}
