//! The in-cluster controller. Everything it does is in the library.

use autopilot_controller::app::run;
use autopilot_controller::cli::Flags;
use autopilot_controller::telemetry::log;

/// Gives memory back that a large list or answer needed for a moment; the system's allocator keeps it. Its settings are in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let flags = Flags::of_process();
    let handle = log::init(&flags.log_level, log::Format::choose()?)?;
    // Two workers: one for the engine, one for decoding what the watches bring.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // One TLS provider for all clients; an error says that one was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ended = runtime.block_on(run(flags, Some(handle)));
    // Not waited for: a name that the resolver still looks up may take longer than anybody waits for us.
    runtime.shutdown_background();
    Ok(ended?)
}
