//! What the engine keeps of one (rule, object) pair beside its journal: the latest data, and the pace of its writes.

use std::time::Duration;

use autopilot_shared::RuleState;
use jiff::{SignedDuration, Timestamp};

use crate::decide::Journal;
use crate::decide::effect::EffectKey;
use crate::evaluate::reading::Reading;
use crate::evaluate::verdict::Verdict;

/// A pair that is, or lately was, not Normal.
#[derive(Debug)]
pub struct PairEntry {
    /// The latest data.
    pub reading: Reading,
    /// State at the last look.
    pub state: RuleState,
    /// Transitions told, ahead of the journal with this UID.
    pub told: (String, u64),
    /// The refusal of the last resize, until the journal has it.
    pub refusal: Option<String>,
    /// Digest of the proposal whose approval was set back to pending, and how often.
    pub resets: (String, u32),
    /// Until when a triggered pair has nothing to do while its conditions hold.
    pub hold_until: Option<Timestamp>,
    /// A write is under way.
    pub in_flight: bool,
    /// A write that is under way proposes something.
    pub proposing: bool,
    /// What the journal said when the write that is under way was decided: its transitions, and since when.
    pub before: (u64, Option<Timestamp>),
    /// Failures in a row.
    pub failures: u32,
    /// Those of them that were events which we may not tell.
    pub denials: u32,
    /// What was written last, and how often in a row it changed nothing.
    pub(crate) last_effect: Option<EffectKey>,
    /// See `last_effect`.
    pub repeats: u32,
    /// No write before.
    pub not_before: Option<Timestamp>,
    /// The PVC was looked for and is gone.
    pub confirmed_gone: bool,
    /// When it is looked at again, as registered with the timers.
    pub wake: Option<Timestamp>,
}

impl PairEntry {
    /// A pair in a quiet state.
    pub fn new(state: RuleState) -> Self {
        PairEntry {
            reading: Reading::default(),
            state,
            told: (String::new(), 0),
            refusal: None,
            resets: (String::new(), 0),
            hold_until: None,
            in_flight: false,
            proposing: false,
            before: (0, None),
            failures: 0,
            denials: 0,
            last_effect: None,
            repeats: 0,
            not_before: None,
            confirmed_gone: false,
            wake: None,
        }
    }

    /// Whether this state can only be left, or questioned, with data that says that the conditions do not hold.
    pub fn needs_not_met<'a>(&self, journal: impl FnOnce() -> Option<&'a Journal>) -> bool {
        let asked = || journal().is_some_and(|j| j.status.approval.is_some());
        match self.state {
            RuleState::Triggered | RuleState::ActionAwaitingApproval => true,
            RuleState::ActiveActionsPending | RuleState::ActionsDeclined => !asked(),
            _ => false,
        }
    }

    /// Whether a pair with this verdict must be looked at with every pass.
    pub fn needs_look(&self, verdict: Verdict) -> bool {
        match self.state {
            RuleState::Initializing | RuleState::Normal | RuleState::ActionsDeclined => {
                verdict == Verdict::Met
            }
            // While they hold, but not for long enough, there is nothing to see.
            RuleState::Triggered => {
                verdict != Verdict::Met
                    || self.hold_until.is_none_or(|t| self.reading.at.is_none_or(|at| at >= t))
            }
            RuleState::ActionAwaitingApproval => verdict == Verdict::NotMet,
            _ => false,
        }
    }
}

/// Pause after the first failure; doubles.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_millis(100);
/// Longest pause that we choose.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);

/// Returns the pause after so many failures in a row, unless the server asked for a longer one.
pub(crate) fn backoff(failures: u32, asked: Option<Duration>) -> SignedDuration {
    let own = autopilot_shared::backoff::backoff(failures.saturating_sub(1), FIRST_BACKOFF, LONGEST_BACKOFF);
    asked.and_then(|d| SignedDuration::try_from(d).ok()).map_or(own, |asked| asked.max(own))
}
