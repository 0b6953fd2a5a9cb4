//! `make walkthrough-gitops`: what a person sees when approvals are pull requests, on real servers. `REAL_TIME=1` leaves
//! the rule's times as they are. Exit code 1, with the reason, when something differs from what is documented.

use std::process::ExitCode;

use autopilot_tests::walkthrough::{Pace, play_gitops, report};

#[tokio::main]
async fn main() -> ExitCode {
    report(play_gitops(Pace::from_environment()).await)
}
