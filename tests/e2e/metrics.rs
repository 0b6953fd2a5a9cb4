//! Prometheus in all its moods: what it says, how it is asked, and what happens when it says nothing.

#[path = "metrics/backend.rs"]
mod backend;
#[path = "metrics/faults.rs"]
mod faults;
#[path = "metrics/snapshot.rs"]
mod snapshot;
