//! The pull-request flow against a forge and a cluster in memory: no server, no clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; the exception for tests does not cover their helpers"
)]

mod adversity;
mod budget;
mod costs;
mod crash;
mod fake_forge;
mod files;
mod moving;
mod paths;
mod refused;
mod running;
mod scene;
mod starting;
mod table;
mod texts;
