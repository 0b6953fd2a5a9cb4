//! The state machine of one pair: from the journal and what is seen to the next journal. One file per state.
//!
//! Pure. Never imports `approval` beyond how a spec is read and what an execution is.

mod awaiting;
mod clock;
mod cool_down;
mod declined;
mod freshness;
mod in_progress;
pub(crate) mod journal_draft;
mod normal;
mod pending;
pub(crate) mod preflight;
mod proposal;
mod step_back;
mod triggered;

use autopilot_shared::RuleState as S;
use jiff::Timestamp;

use self::journal_draft::JournalDraft;
use crate::decide::lookup::{own, undecided};
use crate::decide::view::View;

/// Steps as far as it goes without an outside effect; returns when to look again.
pub(crate) fn step(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    clock::bound(view, draft);
    // A cycle has eight states; more steps than that in one look would be a circle.
    for _ in 0..8 {
        let before = draft.state();
        if stands_still(view, draft) {
            return None;
        }
        let wake = match before {
            S::Initializing | S::Normal => normal::normal(view, draft),
            S::Triggered => triggered::triggered(view, draft),
            S::ActionAwaitingApproval => awaiting::awaiting(view, draft),
            S::ActionsDeclined => declined::declined(view, draft),
            S::ActiveActionsPending => pending::pending(view, draft),
            S::ActiveActionsInProgress => in_progress::in_progress(view, draft),
            S::ActiveActionsTaken => cool_down::cool_down(view, draft),
        };
        if draft.state() == before {
            return wake;
        }
    }
    None
}

/// Returns whether nobody knows what is wanted, and nothing is decided that is carried out and ends whatever happens.
pub(crate) fn stands_still(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> bool {
    let decided = match draft.state() {
        S::ActiveActionsInProgress | S::ActiveActionsTaken => true,
        S::ActiveActionsPending => draft.get().approval.is_some(),
        S::ActionAwaitingApproval => own(view, draft.get()).is_some_and(|approval| !undecided(approval)),
        _ => false,
    };
    view.settings.unknown && !decided
}
