//! Headings, and the end.

use std::process::ExitCode;

use anyhow::Result;

/// Prints the title of a walk-through.
pub(super) fn title(text: &str) {
    println!("{text}\n{}\n", "=".repeat(text.chars().count()));
}

/// Prints the heading of a part.
pub(super) fn heading(text: &str) {
    println!("{text}\n{}\n", "-".repeat(text.chars().count()));
}

/// Returns the exit code of a walk-through, after printing the reason if something is not as it should be.
pub fn report(played: Result<()>) -> ExitCode {
    match played {
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
