//! Decisions, run against a model of the API: what is decided is carried out there with its preconditions, and
//! decided again, until nothing is left to do. No server, no clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; the exception for tests does not cover their helpers"
)]

mod adoption;
mod arithmetic;
mod decider;
mod event;
mod external_edits;
mod paths;
mod purity;
mod state_names;
mod table;
mod world;
