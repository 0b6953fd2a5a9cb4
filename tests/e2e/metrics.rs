//! Prometheus in all its moods: what it says, how it is asked, and what happens when it says nothing.

#[path = "metrics/asking.rs"]
mod asking;
#[path = "metrics/backend.rs"]
mod backend;
#[path = "metrics/conditions.rs"]
mod conditions;
#[path = "metrics/faults.rs"]
mod faults;
#[path = "metrics/series.rs"]
mod series;
#[path = "metrics/snapshot.rs"]
mod snapshot;
