//! Initializing and Normal: conditions that begin to hold.

use autopilot_shared::RuleState as S;
use jiff::Timestamp;

use super::freshness::fresh;
use super::journal_draft::JournalDraft;
use crate::decide::view::View;
use crate::decide::withdrawal::{active, met, not_met};

/// Steps from Initializing or Normal.
pub(crate) fn normal(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    if active(view).is_some() && met(view) && fresh(view, draft.get()) {
        draft.go(S::Triggered, None, None);
    } else if draft.state() == S::Initializing && not_met(view) {
        draft.quiet_normal();
    }
    None
}
