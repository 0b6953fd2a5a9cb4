//! `make bench`: figures of the controller beside their targets, in one table.
//!
//! `--only 1,4` runs some rows; `BENCH_FULL=1` measures the quiet minutes for all ten of them. Exit code 1 when a target
//! is missed.

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match bench::run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
