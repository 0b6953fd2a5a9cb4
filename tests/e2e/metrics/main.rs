//! Prometheus in all its moods: what it says, how it is asked, and what happens when it says nothing.

mod asking;
mod backend;
mod conditions;
mod faults;
mod series;
mod snapshot;
