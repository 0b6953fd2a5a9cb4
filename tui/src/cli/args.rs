//! The arguments, and the settings that follow from them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::cluster::Source;
use crate::config::{self, ContextSettings, Flags, Settings};

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

/// Returns the command line as it is called: kubectl runs `kubectl-autopilot` for `kubectl autopilot`.
pub fn called(program: &Path) -> clap::Command {
    let plugin = program.file_stem().is_some_and(|name| name == "kubectl-autopilot");
    Cli::command().bin_name(if plugin { "kubectl autopilot" } else { "autopilot" })
}

impl Cli {
    /// Reads the arguments, the program's name first. Ends the process if they are wrong, or ask for help.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Cli {
        let args: Vec<OsString> = args.into_iter().collect();
        let mut command = called(Path::new(args.first().map_or("autopilot".as_ref(), OsString::as_os_str)));
        let matches = command.try_get_matches_from_mut(args).unwrap_or_else(|error| error.exit());
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Returns the source of clusters and the settings that the configuration and the flags name.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub(crate) fn settle(&self) -> Result<(Source, Settings), config::ConfigError> {
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
            context_settings: Arc::new(ContextSettings { contexts: file.contexts }),
            ..Source::default()
        };
        Ok((source, settings))
    }
}
