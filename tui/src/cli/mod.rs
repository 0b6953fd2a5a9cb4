//! The command line: the same logic without the screen.

/// As `print!`, and an error where that would panic: nobody reads any more (`autopilot get approvals | head`).
macro_rules! out {
    ($($text:tt)*) => { std::io::Write::write_fmt(&mut std::io::stdout(), format_args!($($text)*))? };
}

/// As [`out`], with the end of a line.
macro_rules! outln {
    ($($text:tt)*) => { out!("{}\n", format_args!($($text)*)) };
}

pub mod check;
pub mod decide;
pub mod get;
pub mod snapshot;
pub mod watch;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::config::{self, Flags, Settled};
use crate::feed::{Session, Source};
use crate::model::Settings;

/// Everything went well.
pub const OK: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// The call is not understood.
pub const USAGE: u8 = 2;
/// There is nothing of that name, or nothing to do.
pub const NOTHING: u8 = 3;
/// It was not what had been shown any more; nothing was written.
pub const CHANGED: u8 = 4;
/// The server refused: no permission.
pub const DENIED: u8 = 5;
/// The server did not answer; it may have been written.
pub const UNKNOWN: u8 = 6;

/// What waits for you, live; approve, decline and delete with both eyes open.
///
/// Without a command: the console. Exit codes: 0 done, 1 failed, 2 usage, 3 nothing of that name, 4 changed meanwhile,
/// 5 no permission, 6 no answer (it may have been written).
#[derive(Debug, Parser)]
#[command(name = "autopilot", version, propagate_version = true)]
pub struct Cli {
    /// Which cluster, as whom.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Colours: default, light, high-contrast, colour-blind, terminal, none.
    #[arg(long, global = true, env = "AUTOPILOT_THEME")]
    pub theme: Option<String>,
    /// Leave the mouse to the terminal.
    #[arg(long)]
    pub no_mouse: bool,
    /// Draw with ASCII only.
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "AUTOPILOT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print one screen as text: approvals, events, objects or rules.
    #[arg(long, value_name = "VIEW")]
    pub snapshot: Option<String>,
    /// Size of the printed screen.
    #[arg(long, value_name = "WxH", default_value = "120x40", requires = "snapshot")]
    pub size: String,
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<Do>,
}

/// Which cluster, as whom.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// Context of the kubeconfig.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Namespace; all, if none is given.
    #[arg(long, short, global = true)]
    pub namespace: Option<String>,
    /// The kubeconfig.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Write nothing.
    #[arg(long, global = true)]
    pub read_only: bool,
}

/// Formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// As the cluster has it.
    Json,
    /// As the cluster has it.
    Yaml,
    /// All columns.
    Wide,
}

/// Kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Resource {
    /// What waits for people.
    #[value(alias = "approval", alias = "aa")]
    Approvals,
    /// Objects and their states.
    #[value(alias = "object", alias = "aro")]
    Objects,
    /// Rules.
    #[value(alias = "rule", alias = "ar")]
    Rules,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Do {
    /// List approvals, objects or rules.
    Get {
        /// Of what.
        resource: Resource,
        /// Only this one.
        name: Option<String>,
        /// Format.
        #[arg(long, short)]
        output: Option<Output>,
        /// As in the console: words, `!word`, `column=value`, `age>1h`.
        #[arg(long, short)]
        filter: Option<String>,
    },
    /// Approve what is pending.
    Approve(DecideArgs),
    /// Decline what is pending.
    Decline(DecideArgs),
    /// Delete an approval: a declined object is asked about again.
    Delete(DecideArgs),
    /// Print changes as they come.
    Watch {
        /// Format: text, or JSON lines.
        #[arg(long, short)]
        output: Option<Output>,
        /// Leave after this many seconds.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Say whether cluster, kinds and permissions are fine.
    Check,
    /// Print the key table.
    Keys,
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
}

/// What a decision is about.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Approvals by name, `namespace/name`, or the PVC's name.
    #[arg(required = true)]
    pub names: Vec<String>,
    /// Why; required to decline.
    #[arg(long, short)]
    pub reason: Option<String>,
    /// Only if this is still the proposal (16 hex digits, from `get -o wide`).
    #[arg(long, value_name = "DIGEST")]
    pub proposal: Option<String>,
    /// Let the server say what it would do, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// With --yes in a context that is marked as production: its name.
    #[arg(long, value_name = "CONTEXT")]
    pub context_name: Option<String>,
    /// Format of the answer.
    #[arg(long, short)]
    pub output: Option<Output>,
}

/// The command line as it is called: kubectl runs `kubectl-autopilot` for `kubectl autopilot`.
pub fn called(program: &Path) -> clap::Command {
    let plugin = program.file_stem().is_some_and(|name| name == "kubectl-autopilot");
    Cli::command().bin_name(if plugin { "kubectl autopilot" } else { "autopilot" })
}

impl Cli {
    /// The call that these arguments are, the program's name first. Leaves the process where they are none.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Cli {
        let args: Vec<OsString> = args.into_iter().collect();
        let mut command = called(Path::new(args.first().map_or("autopilot".as_ref(), OsString::as_os_str)));
        let matches = command.try_get_matches_from_mut(args).unwrap_or_else(|error| error.exit());
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// What the configuration and the flags say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settle(&self) -> Result<(Source, Settings), config::ConfigError> {
        let (file, path) = config::read(self.config.as_deref())?;
        let flags = Flags {
            theme: self.theme.clone(),
            no_mouse: self.no_mouse,
            ascii: self.ascii,
            no_color: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            links: std::env::var("TERM").is_ok_and(|term| !matches!(term.as_str(), "" | "dumb" | "linux")),
        };
        let settings = config::settings(&file, &path, &flags)?;
        let source = Source {
            kubeconfig: self.target.kubeconfig.clone(),
            context: self.target.context.clone(),
            read_only: self.target.read_only,
            settled: Arc::new(Settled { contexts: file.contexts }),
            ..Source::default()
        };
        Ok((source, settings))
    }
}

/// Carries out a call. That nobody reads to the end is nothing that went wrong.
///
/// # Errors
/// What went wrong.
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
            let left = crate::run::run(crate::run::Start { source, namespace, settings }).await?;
            for line in crate::run::summary(&left.written) {
                // The terminal may be gone; the log has it too.
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            left.outcome?;
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
    use crate::effect::Action;
    let namespace = namespace.as_deref();
    Ok(match command {
        Do::Get { resource, name, output, filter } => {
            let asked = get::Asked { resource, name, output, filter, namespace };
            get::get(session, &asked, settings).await?
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

/// The key table of the guide.
pub fn keys(settings: &Settings) -> String {
    use crate::commands::{COMMANDS, Group};
    let mut text = "| key | command | what it does |\n|---|---|---|\n".to_owned();
    for group in Group::ALL {
        text.push_str(&format!("| | | **{}** |\n", group.title()));
        for entry in COMMANDS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> = settings
                .keymap
                .keys(entry.command)
                .map(|k| format!("`{}`", k.to_string().replace('|', "\\|")))
                .collect();
            text.push_str(&format!("| {} | `{}` | {} |\n", keys.join(" "), entry.name, entry.title));
        }
    }
    text
}

/// A completion script.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "autopilot", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The man page: what clap knows of the console and of each command, and the keys.
///
/// # Errors
/// When it cannot be written.
pub fn man(settings: &Settings) -> std::io::Result<String> {
    use crate::commands::{COMMANDS, Group};
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(Cli::command());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    let mut whole = Cli::command();
    whole.build();
    // All commands on one page: what they share is told above.
    for command in whole.get_subcommands().filter(|c| c.get_name() != "help") {
        let told =
            |arg: &clap::Arg| arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
        let command = command.clone().mut_args(|arg| if told(&arg) { arg.hide(true) } else { arg });
        let (about, name) = (command.get_about().map(ToString::to_string), command.get_name().to_uppercase());
        text.push_str(&format!(".SH {name}\n{}\n", about.unwrap_or_default()));
        let (mut page, man) = (Vec::new(), clap_mangen::Man::new(command));
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
        let section =
            String::from_utf8_lossy(&page).replace(".SH SYNOPSIS\n", ".PP\n").replace(".SH OPTIONS\n", "");
        text.push_str(&section);
    }
    text.push_str(".SH KEYS\n");
    for group in Group::ALL {
        text.push_str(&format!(".SS {}\n", group.title()));
        for entry in COMMANDS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> = settings.keymap.keys(entry.command).map(|k| k.to_string()).collect();
            let keys = keys.join(" ").replace('\\', "\\\\");
            text.push_str(&format!(".TP\n\\fB{keys}\\fR ({})\n{}\n", entry.name, entry.title));
        }
    }
    Ok(text)
}
