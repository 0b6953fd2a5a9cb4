//! ActiveActionsPending, ActiveActionsInProgress and ActiveActionsTaken: the resize, what comes of it, the cool-down.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Backoff, Execution, LastAction, Proposal};
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::DEFAULT_COOL_DOWN;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::{active, back_to_normal, inactive_reason, not_met, own, seconds, withdraw};
use crate::decide::approval::spec::sentence;
use crate::decide::pair::journal_draft::{Draft, at};
use crate::decide::reason::Reason;
use crate::decide::view::View;

/// Attempts at a resize that the API server refuses, before it has failed.
pub const MAX_ATTEMPTS: u32 = 5;
/// First pause after a refused or failed resize; doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(3600);

pub(crate) fn pending(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some(proposal) = &draft.get().proposal else {
        return back_to_normal(view, draft, "nothing is proposed");
    };
    let object = view.object.as_ref().filter(|o| o.uid == proposal.pvc_uid);
    let there = object.is_some_and(|o| Some(o.request) == size(&proposal.to));
    // Without an approval nothing is latched before the resize is asked for: it may still be taken back, unless it
    // was done after all.
    if draft.get().approval.is_none() && !there {
        let Some((rule, object)) = active(view) else {
            return back_to_normal(view, draft, inactive_reason(view));
        };
        if not_met(view) {
            return back_to_normal(view, draft, "the conditions do not hold any more");
        }
        if proposal.rule_hash != *rule.hash {
            return withdraw(view, draft, "the rule was edited");
        }
        if proposal.pvc_uid != object.uid || proposal.from != object.request.to_string() {
            return withdraw(view, draft, "the PVC was resized or replaced");
        }
    }
    if let Some(until) = draft.get().backoff.as_ref().and_then(|b| at(b.until.as_ref()))
        && view.now < until
    {
        return Some(until);
    }
    draft.go(S::ActiveActionsInProgress, None, None);
    None
}

fn size(text: &str) -> Option<Size> {
    text.parse::<autopilot_shared::Quantity>().ok().map(Size::from)
}

pub(crate) fn in_progress(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
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
        let until = view.now + pause(attempts);
        draft.go(S::ActiveActionsPending, Some(&message), None);
        draft.edit().backoff =
            Some(Backoff { attempts, until: Some(MicroTime(until)), reason: "ResizeRefused".to_owned() });
        return Some(until);
    }
    None
}

/// Doubles with each attempt, bounded.
pub(crate) fn pause(attempts: u32) -> SignedDuration {
    let factor = 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

pub(crate) fn cool_down(view: &View<'_>) -> SignedDuration {
    seconds(view.rule.map_or(DEFAULT_COOL_DOWN, |r| r.cool_down))
}

/// The values seen last, in the order of the rule's expressions; those of the proposal where nothing is known now.
fn measured(view: &View<'_>, proposal: Option<&Proposal>) -> Vec<String> {
    let values = &view.reading.values;
    if values.iter().any(Option::is_some) {
        let text = |v: &Option<(f64, Box<str>)>| v.as_ref().map(|(_, text)| text.to_string());
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

fn finish(view: &View<'_>, draft: &mut Draft<'_, '_>) {
    let until = view.now + cool_down(view);
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

/// The world moved before the action: its digest is spent, and what is proposed next is computed anew.
fn superseded(view: &View<'_>, draft: &mut Draft<'_, '_>, reason: &str) -> Option<Timestamp> {
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

/// The action cannot be done: an end with an event and a state, not silence.
fn fail(draft: &mut Draft<'_, '_>, reason: &str, message: &str) {
    draft.edit().proposal = None;
    draft.edit().approval = None;
    let failures = draft.get().backoff.as_ref().map_or(0, |b| b.attempts).max(MAX_ATTEMPTS);
    draft.go(S::ActionsDeclined, Some(&Reason::Failed(message).to_string()), None);
    let until = draft.get().since.as_ref().map(|t| t.0 + pause(failures + 1));
    draft.edit().backoff =
        Some(Backoff { attempts: failures + 1, until: until.map(MicroTime), reason: reason.to_owned() });
}

pub(crate) fn taken(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let status = draft.get();
    // The rule may have been edited since: a shorter cool-down takes effect in place.
    let since = at(status.since.as_ref()).unwrap_or(view.now);
    let until = at(status.cool_down_until.as_ref()).unwrap_or(since).min(since + cool_down(view));
    if view.now < until {
        return Some(until);
    }
    if execution_due(view, draft).is_some() {
        return None;
    }
    draft.go(S::Normal, None, None);
    None
}

/// The word about a finished action that its approval still lacks.
pub(crate) fn execution_due(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<Execution> {
    let status = draft.get();
    if status.state != Some(S::ActiveActionsTaken) {
        return None;
    }
    let approval = own(view, draft)?;
    if approval.raw.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let last = status.last_action.as_ref()?;
    approval.raw.status.as_ref().is_none_or(|s| s.execution.is_none()).then(|| Execution {
        outcome: "done".to_owned(),
        at: last.at.clone(),
        message: format!("PVC resized from {} to {}", last.from, last.to),
    })
}
