//! Prometheus in all its moods: its answers, the queries it gets, and its silence.

mod asking;
mod backend;
mod conditions;
mod faults;
mod series;
mod snapshot;
