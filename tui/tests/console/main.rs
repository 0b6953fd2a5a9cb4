//! The console without a terminal and without a cluster: what it does, what it shows, and what it never does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that is wrong is a failed test"
)]

mod asking;
mod command_line;
mod data;
mod fixture;
mod gaps;
mod held;
mod hostile;
mod lists;
mod marks;
mod pictures;
mod property;
mod scenes;
mod snapshots;
mod steps;
