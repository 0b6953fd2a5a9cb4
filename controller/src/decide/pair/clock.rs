//! How long a pair waits, also if the clock was set back: that must not make a wait last until it has caught up.

use autopilot_shared::RuleState as S;
use autopilot_shared::backoff::backoff;
use autopilot_shared::rule::DEFAULT_COOL_DOWN;
use autopilot_shared::time::bounded_seconds;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::journal_draft::JournalDraft;
use crate::decide::time::at;
use crate::decide::view::View;

/// The clocks of two controllers may differ by this much; beyond, one of them was set back.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// First pause after a refused or failed resize; doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(3600);

/// Returns the pause after so many refused or failed attempts. It doubles with each, bounded.
pub(crate) fn retry_pause(attempts: u32) -> SignedDuration {
    backoff(attempts.saturating_sub(1), FIRST_PAUSE, LONGEST_PAUSE)
}

/// Returns how long the rule cools down.
pub(crate) fn cool_down_of(view: &View<'_>) -> SignedDuration {
    bounded_seconds(view.rule.map_or(DEFAULT_COOL_DOWN, |r| r.cool_down))
}

/// Bounds the journalled times: none lies further ahead than the wait that it belongs to. Written once; a bound that
/// moved along with the clock would never be reached.
pub(crate) fn bound(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) {
    let status = draft.get();
    let ahead = |time: Option<&MicroTime>| at(time).is_some_and(|t| t > view.now + SKEW);
    let hold = draft.state() == S::Triggered && ahead(status.hold_since.as_ref());
    let cool = cool_down_of(view);
    let cooling = draft.state() == S::ActiveActionsTaken
        && ahead(status.since.as_ref())
        && at(status.cool_down_until.as_ref()).is_some_and(|t| t > view.now + cool);
    let paused = status.backoff.as_ref().and_then(|b| Some((at(b.until.as_ref())?, retry_pause(b.attempts))));
    let paused = paused.filter(|(until, pause)| *until > view.now + *pause + SKEW).map(|(_, pause)| pause);
    let acted = status.last_action.as_ref().is_some_and(|l| ahead(l.at.as_ref()));
    if hold {
        draft.edit().hold_since = Some(MicroTime(view.now));
    }
    if cooling {
        draft.edit().cool_down_until = Some(MicroTime(view.now + cool));
    }
    if let Some(pause) = paused
        && let Some(backoff) = &mut draft.edit().backoff
    {
        backoff.until = Some(MicroTime(view.now + pause));
    }
    if acted && let Some(last) = &mut draft.edit().last_action {
        last.at = Some(MicroTime(view.now));
    }
}
