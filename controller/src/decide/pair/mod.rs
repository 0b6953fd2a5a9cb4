//! The state machine of one pair: from the journal and what is seen to the next journal. Pure; one function per state.

mod action;
mod awaiting;
mod clock;
pub mod journal_draft;
pub mod preflight;
mod proposal;
mod triggered;

use autopilot_shared::RuleState as S;
use autopilot_shared::rule::Rule;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

pub use action::MAX_ATTEMPTS;
pub(crate) use action::execution_due;
pub(crate) use awaiting::{cancel_reason, cleared};

use self::journal_draft::{Draft, at};
use crate::decide::view::{Approval, ObjectView, View};
use crate::evaluate::reading::Baseline;
use crate::evaluate::verdict::Verdict;

/// Moves the draft as far as it goes without an outside effect; says when to look again.
pub(crate) fn settle(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    clock::bound(view, draft);
    // A cycle has eight states; more steps than that in one look would be a circle.
    for _ in 0..8 {
        let before = draft.state();
        if stands_still(view, draft) {
            return None;
        }
        let wake = match before {
            S::Initializing | S::Normal => normal(view, draft),
            S::Triggered => triggered::triggered(view, draft),
            S::ActionAwaitingApproval => awaiting::awaiting(view, draft),
            S::ActionsDeclined => awaiting::declined(view, draft),
            S::ActiveActionsPending => action::pending(view, draft),
            S::ActiveActionsInProgress => action::in_progress(view, draft),
            S::ActiveActionsTaken => action::taken(view, draft),
        };
        if draft.state() == before {
            return wake;
        }
    }
    None
}

/// Whether nobody knows what is wanted, and nothing is decided that is carried out and ends whatever happens.
pub(crate) fn stands_still(view: &View<'_>, draft: &Draft<'_, '_>) -> bool {
    let decided = match draft.state() {
        S::ActiveActionsInProgress | S::ActiveActionsTaken => true,
        S::ActiveActionsPending => draft.get().approval.is_some(),
        S::ActionAwaitingApproval => own(view, draft).is_some_and(|approval| !undecided(approval)),
        _ => false,
    };
    view.settings.unknown && !decided
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

/// When the data was asked for; never later than now, whatever the clock did.
fn seen_at(view: &View<'_>) -> Timestamp {
    view.reading.at.unwrap_or(Timestamp::MIN).min(view.now)
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
    // One in the future is from before the clock was set back; the journalled one is bounded elsewhere.
    let remembered = view.reading.baseline.iter().filter(|b| b.at <= view.now + clock::SKEW);
    let old = |baseline: &Baseline| {
        seen_at(view) < baseline.at + view.settings.metrics_lag && !view.reading.newer_than(baseline)
    };
    !journalled.iter().chain(remembered).any(old)
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

pub(crate) fn undecided(approval: &Approval) -> bool {
    approval.raw.status.as_ref().is_none_or(|s| s.decision.is_none())
}

/// The approval with the UID that the journal took.
fn own<'a>(view: &View<'a>, draft: &Draft<'_, '_>) -> Option<&'a Approval> {
    super::approval::own(view, draft.get())
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

/// Seconds of a rule or of a configuration as a duration.
fn seconds(value: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(value).unwrap_or(i64::MAX).min(1 << 35))
}
