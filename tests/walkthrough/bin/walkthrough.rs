//! `make walkthrough`: what a person sees, from a metric to a resized volume, on real servers. `REAL_TIME=1` leaves the
//! rule's times as they are. Exit code 1, with the reason, when something differs from what is documented.

use std::process::ExitCode;

use autopilot_tests::walkthrough::{Pace, play, report};

#[tokio::main]
async fn main() -> ExitCode {
    report(play(Pace::from_environment()).await)
}
