//! `make bench`: figures of the controller beside their targets, in one table.
//!
//! `--only 1,4` runs some rows; `BENCH_FULL=1` measures the quiet minutes for all ten of them. Exit code 1 when a target
//! is missed.

mod answers;
mod api;
mod approved;
mod console;
mod crossing;
mod fleet;
mod forge;
mod late;
mod patch;
mod progress;
mod prometheus;
mod quiet;
mod real;
mod rows;
mod table;
mod usage;

// Rows 8 to 10 are measured with the forge and the cluster in memory of the controller's own tests. No package can import
// another's test targets, hence the paths: this is the only package that compiles another's sources.
macro_rules! of_the_controllers_tests {
    ($($path:literal $name:ident),*) => { $(
        #[path = $path]
        #[allow(
            dead_code,
            unreachable_pub,
            missing_docs,
            clippy::unwrap_used,
            clippy::expect_used,
            clippy::panic,
            reason = "held to the rules of tests, and only a part of it is used here"
        )]
        mod $name;
    )* };
}
of_the_controllers_tests!(
    "../../controller/tests/pull_requests/budget.rs" budget,
    "../../controller/tests/pull_requests/fake_forge.rs" fake_forge,
    "../../controller/tests/pull_requests/scene.rs" scene
);

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match rows::run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
