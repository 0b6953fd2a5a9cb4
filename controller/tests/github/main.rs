//! The GitHub client against servers on the loopback interface, good ones and bad ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the exception for tests does not cover their helpers"
)]

mod answers;
mod server;
mod token;
mod transport;
