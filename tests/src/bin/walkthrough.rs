//! `make walkthrough`: what a person sees, from a metric to a resized volume, on real servers. `REAL_TIME=1` leaves the
//! rule's times as they are. Exit code 1, with the reason, when something differs from what is documented.

use std::process::ExitCode;

use autopilot_tests::walkthrough::{Pace, tell};

#[tokio::main]
async fn main() -> ExitCode {
    match tell(Pace::of_environment()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nNot as it should be: {}", error.root_cause());
            // What was done, outermost last; the end of the controller's log is among it.
            let causes: Vec<_> = error.chain().collect();
            for context in causes.iter().rev().skip(1) {
                eprintln!("\n{context}");
            }
            ExitCode::FAILURE
        }
    }
}
