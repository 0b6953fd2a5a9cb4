//! The watches, the writes and the command line against a server that is told how to behave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that is wrong is a failed test"
)]

mod binary;
mod calls;
#[path = "../console/fixture.rs"]
#[allow(dead_code, reason = "the other half is for the console's tests")]
mod fixture;
mod identity;
mod link;
mod plugin;
mod server;
mod watcher;
