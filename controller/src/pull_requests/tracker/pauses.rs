//! Pauses of steps that the forge refuses or does not answer; they double with each attempt.

use jiff::SignedDuration;

/// First pause after a refusal.
pub(super) const REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// First pause after a request without an answer.
pub(super) const UNANSWERED: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// Returns the first pause after a failure. `definite` is whether the forge said no; otherwise it said nothing.
pub(super) fn first(definite: bool) -> SignedDuration {
    if definite { REFUSED } else { UNANSWERED }
}
