//! Whether the controller is ready, and whether it is alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An engine that gave no sign for so long is stuck: Kubernetes restarts it. Many times the longest time-out
/// inside a pass, so that a slow API server or Prometheus never looks like a stuck engine.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);

/// The obstacles between the controller and its work. Cheap to clone; clones share the state.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Parts that are missing, and why.
    waiting: BTreeMap<String, String>,
    shutting_down: bool,
}

impl Readiness {
    /// Not ready before each of these, caches as a rule (`AutopilotRules`), has been reported with
    /// [`Self::synced`].
    pub fn waiting_for<'a>(parts: impl IntoIterator<Item = &'a str>) -> Readiness {
        let waiting = parts.into_iter().map(|part| (part.to_owned(), "not synced yet".to_owned())).collect();
        Readiness(Arc::new(Mutex::new(State { waiting, shutting_down: false })))
    }

    /// The part is complete.
    pub fn synced(&self, part: &str) {
        self.lock().waiting.remove(part);
    }

    /// The part is missing, because of `why` (shown to people).
    pub fn missing(&self, part: &str, why: &str) {
        self.lock().waiting.insert(part.to_owned(), why.to_owned());
    }

    /// The end has begun: not ready from here on, whatever else is reported.
    pub fn shut_down(&self) {
        self.lock().shutting_down = true;
    }

    /// Why the controller is not ready, one line each; empty if it is.
    pub fn reasons(&self) -> Vec<String> {
        let state = self.lock();
        let end = state.shutting_down.then(|| "shutting down".to_owned());
        let parts = state.waiting.iter().map(|(part, why)| format!("{part}: {why}"));
        end.into_iter().chain(parts).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sign of life of the engine's loop. Cheap to clone; clones share the state.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Mutex<Instant>>);

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat::new()
    }
}

impl Heartbeat {
    /// Beats once, now: a controller that never gets to its loop is stuck as well.
    pub fn new() -> Heartbeat {
        Heartbeat(Arc::new(Mutex::new(Instant::now())))
    }

    /// Beats: the loop came round.
    pub fn beat(&self) {
        *self.lock() = Instant::now();
    }

    /// Returns the time since the last beat.
    pub fn age(&self) -> Duration {
        self.lock().elapsed()
    }

    /// Returns whether the last beat is younger than [`STUCK_AFTER`].
    pub fn is_alive(&self) -> bool {
        self.age() < STUCK_AFTER
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
