//! The command line: the same logic without the screen.

/// As `print!`, and an error where that would panic: nobody reads any more (`autopilot get approvals | head`).
macro_rules! out {
    ($($text:tt)*) => { std::io::Write::write_fmt(&mut std::io::stdout(), format_args!($($text)*))? };
}

/// As [`out`], with the end of a line.
macro_rules! outln {
    ($($text:tt)*) => { out!("{}\n", format_args!($($text)*)) };
}

mod args;
pub mod check;
pub mod decide;
pub mod exit_code;
pub mod get;
pub mod reference;
pub mod snapshot;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use crate::app;
use crate::cli::exit_code::{FAILED, OK, USAGE};
use crate::cli::reference::{completions, keys, man};
use crate::cluster::Session;
use crate::config::Settings;
use crate::decision::Action;

pub use args::{Cli, DecideArgs, Do, Output, Resource, called};

/// Carries out a call. A reader that leaves early is no failure.
///
/// # Errors
/// When a call fails.
pub async fn main(cli: Cli) -> anyhow::Result<ExitCode> {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    match call(cli).await {
        Err(error) if error.downcast_ref().is_some_and(closed) => Ok(ExitCode::from(OK)),
        outcome => outcome,
    }
}

async fn call(cli: Cli) -> anyhow::Result<ExitCode> {
    let (source, settings) = match cli.settle() {
        Ok(settled) => settled,
        Err(error) => {
            eprintln!("autopilot: {error}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let namespace = cli.target.namespace.clone();
    if let Some(view) = &cli.snapshot {
        return snapshot::print(source, namespace, settings, view, &cli.size).await;
    }
    let code = match cli.command {
        None => {
            let ended = app::run(app::Start { source, namespace, settings }).await?;
            for line in app::summary(&ended.written) {
                // The terminal may be gone; the log has it too.
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            ended.outcome?;
            OK
        }
        Some(Do::Keys) => {
            out!("{}", keys(&settings));
            OK
        }
        Some(Do::Completions { shell }) => {
            out!("{}", completions(shell));
            OK
        }
        Some(Do::Man) => {
            out!("{}", man(&settings)?);
            OK
        }
        Some(Do::Check) => check::check(&source, namespace.as_deref()).await?,
        Some(Do::Watch { output, timeout }) => watch::watch(source, namespace, output, timeout).await?,
        Some(command) => {
            let session = match source.open().await {
                Ok(session) => session,
                Err(error) => {
                    eprintln!("autopilot: {error}");
                    return Ok(ExitCode::from(FAILED));
                }
            };
            with_cluster(command, &session, namespace, &settings).await?
        }
    };
    Ok(ExitCode::from(code))
}

async fn with_cluster(
    command: Do,
    session: &Session,
    namespace: Option<String>,
    settings: &Settings,
) -> anyhow::Result<u8> {
    let namespace = namespace.as_deref();
    Ok(match command {
        Do::Get { resource, name, output, filter } => {
            let request = get::ListRequest { resource, name, output, filter, namespace };
            get::get(session, &request, settings).await?
        }
        Do::Approve(args) => {
            decide::decide(session, namespace, Action::Approve, &args, settings.glyphs).await?
        }
        Do::Decline(args) => {
            decide::decide(session, namespace, Action::Decline, &args, settings.glyphs).await?
        }
        Do::Delete(args) => {
            decide::decide(session, namespace, Action::Delete, &args, settings.glyphs).await?
        }
        _ => USAGE,
    })
}
