//! `autopilot`, also installed as `kubectl-autopilot`.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let cli = autopilot_tui::cli::Cli::read(std::env::args_os());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(autopilot_tui::cli::main(cli));
    // Nothing that still waits for a silent server keeps the terminal.
    runtime.shutdown_background();
    outcome
}
