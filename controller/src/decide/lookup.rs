//! Finding objects of a pair, and reading plain facts from them. Imports nothing that decides.

use autopilot_shared::api::FINALIZER;

/// Returns whether a rule or an approval carries our finalizer.
pub(crate) fn has_finalizer(finalizers: &[String]) -> bool {
    finalizers.iter().any(|f| f == FINALIZER)
}
