//! The state machine of one pair: from the journal and what is seen to the next journal. Pure; one function per state.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Backoff, Decision, Execution, LastAction, Outcome};
use autopilot_shared::rule::{DEFAULT_COOL_DOWN, Rule};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::draft::{Draft, at};
use super::preflight;
use super::propose::propose;
use super::request::binds;
use super::verdict::{Baseline, Verdict, moved};
use super::view::{Approval, ObjectView, View};

/// Attempts at a resize that the API server refuses, before it has failed.
pub const MAX_ATTEMPTS: u32 = 5;
/// First pause after a refused or failed resize; doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(3600);

/// Moves the draft as far as it goes without an outside effect; says when to look again.
pub(super) fn settle(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    // A cycle has eight states; more steps than that in one look would be a circle.
    for _ in 0..8 {
        let before = draft.state();
        let wake = match before {
            S::Initializing | S::Normal => normal(view, draft),
            S::Triggered => triggered(view, draft),
            S::ActionAwaitingApproval => awaiting(view, draft),
            S::ActiveActionsPending => pending(view, draft),
            S::ActiveActionsInProgress => in_progress(view, draft),
            S::ActiveActionsTaken => taken(view, draft),
            S::ActionsDeclined => declined(view, draft),
        };
        if draft.state() == before {
            return wake;
        }
    }
    None
}

/// The rule and the object, when something new may be started.
fn active<'v, 'a>(view: &'v View<'a>) -> Option<(&'a Rule, &'v ObjectView<'a>)> {
    let rule = view.rule.filter(|rule| !rule.suspended && !view.settings.suspended)?;
    let object = view.object.as_ref().filter(|object| object.selected)?;
    Some((rule, object))
}

/// Why nothing may be started, for people.
fn inactive_reason(view: &View<'_>) -> &'static str {
    match (view.rule, &view.object) {
        (None, _) => "the rule is not understood",
        (_, None) => "the PVC is gone",
        (Some(rule), _) if rule.suspended => "the rule is suspended",
        _ if view.settings.suspended => "all rules are suspended",
        _ => "the rule does not select the PVC",
    }
}

fn met(view: &View<'_>) -> bool {
    view.reading.verdict == Verdict::Met
}

fn not_met(view: &View<'_>) -> bool {
    view.reading.verdict == Verdict::NotMet
}

/// Whether the data that holds can be believed: after a change of size, old data still shows the old world.
fn fresh(view: &View<'_>, draft: &Draft<'_, '_>) -> bool {
    let journalled = draft.get().last_action.as_ref().and_then(|last| {
        Some(Baseline {
            at: at(last.at.as_ref())?,
            values: last.measured.iter().map(|v| v.parse().ok()).collect(),
            ratio: ratio(&last.from, &last.to),
        })
    });
    let numbers = view.reading.numbers();
    let old = |baseline: &Baseline| {
        view.now < baseline.at + view.settings.metrics_lag && !moved(baseline, &numbers)
    };
    !journalled.iter().chain(&view.reading.baseline).any(old)
}

fn ratio(from: &str, to: &str) -> f64 {
    let bytes = |text: &str| text.parse::<autopilot_shared::Quantity>().ok().and_then(|q| q.bytes());
    match (bytes(from), bytes(to)) {
        #[expect(clippy::cast_precision_loss, reason = "a share of two sizes needs no exact bytes")]
        (Some(from), Some(to)) if to > 0 => from as f64 / to as f64,
        _ => 1.0,
    }
}

fn normal(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    if active(view).is_some() && met(view) && fresh(view, draft) {
        draft.go(S::Triggered, None, None);
    } else if draft.state() == S::Initializing && not_met(view) {
        draft.quiet_normal();
    }
    None
}

fn triggered(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some((rule, object)) = active(view) else {
        return back_to_normal(view, draft, inactive_reason(view));
    };
    if not_met(view) {
        return back_to_normal(view, draft, "the conditions do not hold any more");
    }
    if let Some(proposal) = &draft.get().proposal {
        if proposal.rule_hash != *rule.hash {
            return withdraw(view, draft, "the rule was edited");
        }
        if proposal.pvc_uid != object.uid || proposal.from != object.request.to_string() {
            return withdraw(view, draft, "the PVC was resized or replaced");
        }
        return asked(view, draft);
    }
    let held_at = at(draft.get().hold_since.as_ref()).unwrap_or(view.now) + seconds(rule.hold);
    let seen_at = view.reading.at.unwrap_or(Timestamp::MIN);
    if !met(view) || seen_at < held_at {
        return None;
    }
    if let Some(rival) = &view.rival {
        draft.stay(Some(&format!("waits for rule {}, which goes first on this PVC", rival.rule)));
        return None;
    }
    if !fresh(view, draft) {
        draft.stay(Some("waits for data that is newer than the last change of size"));
        return draft
            .get()
            .last_action
            .as_ref()
            .and_then(|l| at(l.at.as_ref()))
            .map(|t| t + view.settings.metrics_lag);
    }
    if object.capacity.bytes < object.request.bytes && object.resize.infeasible.is_none() {
        draft.stay(Some("waits for a resize that is under way"));
        return None;
    }
    match target(rule, object) {
        Err(refusal) => {
            draft.go(S::ActionsDeclined, Some(&refusal.message), None);
            draft.edit().backoff =
                Some(Backoff { attempts: 0, until: None, reason: refusal.reason.to_owned() });
        }
        Ok(to) => {
            let proposal = propose(view, rule, object, to);
            draft.edit().proposal = Some(proposal);
            draft.edit().reason = None;
            if !rule.approval {
                draft.go(S::ActiveActionsPending, None, None);
            }
        }
    }
    None
}

/// Preflight, and what an unfinished resize adds to it.
fn target(
    rule: &Rule,
    object: &ObjectView<'_>,
) -> Result<autopilot_shared::quantity::Size, preflight::Refusal> {
    if let Some(why) = &object.resize.infeasible
        && object.capacity.bytes < object.request.bytes
    {
        return Err(preflight::Refusal {
            reason: "ResizeInfeasible",
            message: format!("the storage cannot do the last resize to {}: {why}", object.request),
        });
    }
    preflight::target(rule, object)
}

/// A proposal is journalled and its approval is on the way.
fn asked(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let proposal = draft.get().proposal.as_ref()?;
    let approval = super::approval::of_proposal(view, proposal)?;
    let pending = matches!(super::request::read(approval, proposal, None), super::request::Request::Pending);
    if pending && undecided(approval) && approval.raw.metadata.deletion_timestamp.is_none() {
        let reference = super::approval::reference(approval);
        draft.edit().approval = Some(reference);
        draft.go(S::ActionAwaitingApproval, None, None);
    }
    None
}

pub(super) fn undecided(approval: &Approval) -> bool {
    approval.raw.status.as_ref().is_none_or(|s| s.decision.is_none())
}

/// The decision that was latched on the journal's own approval.
fn latched<'a>(view: &View<'a>, draft: &Draft<'_, '_>) -> Option<&'a Decision> {
    let digest = &draft.get().proposal.as_ref()?.digest;
    let approval = own(view, draft)?;
    approval.raw.status.as_ref()?.decision.as_ref().filter(|d| &d.digest == digest)
}

/// The approval with the UID that the journal took.
pub(super) fn own<'a>(view: &View<'a>, draft: &Draft<'_, '_>) -> Option<&'a Approval> {
    super::approval::own(view, draft.get())
}

fn awaiting(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some(approval) = own(view, draft) else {
        // Deleted, or replaced by another object of the same name: its digest never counts again.
        draft.edit().proposal = None;
        draft.edit().approval = None;
        return match active(view) {
            Some(_) if !not_met(view) => {
                draft.go(S::Triggered, Some("the approval was deleted"), None);
                None
            }
            Some(_) => back_to_normal(view, draft, "the approval was deleted and the conditions do not hold"),
            None => back_to_normal(view, draft, inactive_reason(view)),
        };
    };
    match latched(view, draft) {
        None => {
            // Words other than a decision are shown; what is due is an effect, not a transition.
            let stale = draft.get().proposal.as_ref().and_then(|p| binds(approval, p).err());
            draft.stay(stale.as_deref().map(|why| format!("the approval does not count: {why}")).as_deref());
            cancel_wake(view)
        }
        Some(decision) => {
            let decision = decision.clone();
            match decision.outcome {
                Outcome::Approved => draft.go(S::ActiveActionsPending, None, Some(decision)),
                Outcome::Declined => {
                    draft.edit().proposal = None;
                    let reason = declined_reason(&decision);
                    draft.go(S::ActionsDeclined, Some(&reason), Some(decision));
                }
                Outcome::Canceled => {
                    let again = active(view).is_some() && met(view);
                    let reason = decision.reason.clone();
                    draft.edit().proposal = None;
                    draft.edit().approval = None;
                    draft.go(if again { S::Triggered } else { S::Normal }, Some(&reason), Some(decision));
                }
            }
            None
        }
    }
}

fn declined_reason(decision: &Decision) -> String {
    let who = if decision.by.is_empty() { &decision.via } else { &decision.by };
    let who = if who.is_empty() { "a person" } else { who };
    match decision.reason.as_str() {
        "" => format!("declined by {who}; delete the approval to resume"),
        why => format!("declined by {who}: {why}; delete the approval to resume"),
    }
}

/// When an open question would be taken back because its condition no longer holds.
fn cancel_wake(view: &View<'_>) -> Option<Timestamp> {
    Some(view.reading.cleared_since? + cancel_after(view))
}

pub(super) fn cancel_after(view: &View<'_>) -> SignedDuration {
    view.settings.cancel_after.max(seconds(view.rule.map_or(0, |r| r.hold)))
}

/// Why an open question must be taken back whatever the answer: it is not the question any more.
pub(super) fn cancel_reason(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<String> {
    let proposal = draft.get().proposal.as_ref()?;
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

/// Whether the conditions have not held for so long that nobody needs to answer any more.
pub(super) fn cleared(view: &View<'_>) -> Option<String> {
    let since = view.reading.cleared_since.filter(|_| not_met(view))?;
    // Measured on the times of the passes: the conditions must have been seen not to hold at the end, too.
    let seen = view.reading.at?;
    (seen >= since + cancel_after(view)).then(|| "the conditions do not hold any more".to_owned())
}

fn pending(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some(proposal) = &draft.get().proposal else {
        return back_to_normal(view, draft, "nothing is proposed");
    };
    // Without an approval nothing is latched before the resize is asked for: it may still be taken back.
    if draft.get().approval.is_none() {
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

fn in_progress(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let Some(proposal) = draft.get().proposal.clone() else {
        return back_to_normal(view, draft, "nothing is proposed");
    };
    let Some(object) = view.object.as_ref().filter(|o| o.uid == proposal.pvc_uid) else {
        return superseded(view, draft, "the PVC is gone or was replaced");
    };
    let Ok(to) =
        proposal.to.parse::<autopilot_shared::Quantity>().map(autopilot_shared::quantity::Size::from)
    else {
        return superseded(view, draft, "the journalled size cannot be read");
    };
    let request = object.request.to_string();
    if object.request.bytes == to.bytes {
        if object.capacity.bytes >= to.bytes {
            finish(view, draft);
            return None;
        }
        if let Some(why) = &object.resize.infeasible {
            let message =
                format!("the storage cannot do the resize from {} to {}: {why}", proposal.from, proposal.to);
            fail(draft, "ResizeInfeasible", &message);
            return None;
        }
        draft.stay(object.resize.progress.as_deref());
        return None;
    }
    if request != proposal.from {
        let message = format!("the PVC was resized to {request} before the action could start");
        return superseded(view, draft, &message);
    }
    if let Some(words) = view.refusal {
        let attempts = draft.get().backoff.as_ref().map_or(0, |b| b.attempts) + 1;
        let message = format!("resize from {} to {} refused: {words}", proposal.from, proposal.to);
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
fn pause(attempts: u32) -> SignedDuration {
    let factor = 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

fn finish(view: &View<'_>, draft: &mut Draft<'_, '_>) {
    let cool_down = seconds(view.rule.map_or(DEFAULT_COOL_DOWN, |r| r.cool_down));
    let measured: Vec<String> = if view.reading.values.iter().any(Option::is_some) {
        view.reading
            .values
            .iter()
            .map(|v| v.as_ref().map(|(_, text)| text.to_string()).unwrap_or_default())
            .collect()
    } else {
        draft.get().proposal.iter().flat_map(|p| &p.measured).map(|m| m.value.clone()).collect()
    };
    draft.go(S::ActiveActionsTaken, None, None);
    let status = draft.edit();
    status.backoff = None;
    status.cool_down_until = Some(MicroTime(view.now + cool_down));
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
    let again = active(view).is_some() && met(view);
    draft.go(if again { S::Triggered } else { S::Normal }, Some(&format!("superseded: {reason}")), None);
    None
}

/// The action cannot be done: an end with an event and a state, not silence.
fn fail(draft: &mut Draft<'_, '_>, reason: &str, message: &str) {
    draft.edit().proposal = None;
    draft.edit().approval = None;
    let failures = draft.get().backoff.as_ref().map_or(0, |b| b.attempts).max(MAX_ATTEMPTS);
    draft.go(S::ActionsDeclined, Some(&format!("failed: {message}")), None);
    let until = draft.get().since.as_ref().map(|t| t.0 + pause(failures + 1));
    draft.edit().backoff =
        Some(Backoff { attempts: failures + 1, until: until.map(MicroTime), reason: reason.to_owned() });
}

fn taken(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let cool_down = seconds(view.rule.map_or(DEFAULT_COOL_DOWN, |r| r.cool_down));
    // A clock that was set back must not make a cool-down last for ever.
    let until = at(draft.get().cool_down_until.as_ref()).unwrap_or(view.now).min(view.now + cool_down);
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
pub(super) fn execution_due(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<Execution> {
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

fn declined(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    if draft.get().approval.is_some() {
        // By a person: stays for as long as the approval is there.
        if own(view, draft).is_some() {
            return None;
        }
        draft.edit().approval = None;
        return match active(view) {
            Some(_) if !not_met(view) => {
                draft.go(S::Triggered, Some("the declined approval was deleted"), None);
                None
            }
            Some(_) => back_to_normal(view, draft, "the declined approval was deleted"),
            None => back_to_normal(view, draft, inactive_reason(view)),
        };
    }
    let Some((rule, object)) = active(view) else {
        return back_to_normal(view, draft, inactive_reason(view));
    };
    if not_met(view) {
        return back_to_normal(view, draft, "the conditions do not hold any more");
    }
    if let Some(until) = draft.get().backoff.as_ref().and_then(|b| at(b.until.as_ref()))
        && view.now < until
    {
        return Some(until);
    }
    if !met(view) {
        return None;
    }
    // Looked at again with every pass, but told only when there is something new: a refusal repeats in silence.
    match target(rule, object) {
        Ok(_) => draft.go(S::Triggered, Some("what stood in the way is gone"), None),
        Err(refusal) => {
            let known = draft.get().backoff.as_ref().is_some_and(|b| b.reason == refusal.reason);
            if !known {
                draft.edit().backoff =
                    Some(Backoff { attempts: 0, until: None, reason: refusal.reason.to_owned() });
                draft.stay(Some(&refusal.message));
            }
        }
    }
    None
}

/// To Normal, unless an open approval must be taken back first.
fn back_to_normal(view: &View<'_>, draft: &mut Draft<'_, '_>, reason: &str) -> Option<Timestamp> {
    if !open_approval(view, draft) {
        draft.go(S::Normal, Some(reason), None);
    }
    None
}

/// Drops a proposal that nobody was asked about; hold begins anew.
fn withdraw(view: &View<'_>, draft: &mut Draft<'_, '_>, reason: &str) -> Option<Timestamp> {
    if !open_approval(view, draft) {
        draft.edit().proposal = None;
        if draft.state() == S::Triggered {
            draft.edit().hold_since = Some(MicroTime(view.now));
            draft.stay(Some(reason));
        } else {
            draft.go(S::Triggered, Some(reason), None);
        }
    }
    None
}

/// Whether an undecided approval with the current digest lies there: it is canceled first, then the journal changes.
fn open_approval(view: &View<'_>, draft: &Draft<'_, '_>) -> bool {
    draft.get().proposal.as_ref().and_then(|p| super::approval::of_proposal(view, p)).is_some_and(undecided)
}

pub(super) fn seconds(value: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(value).unwrap_or(i64::MAX).min(1 << 40))
}
