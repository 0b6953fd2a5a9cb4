//! The command line of `autopilot-controller`.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use clap::builder::BoolishValueParser;

use crate::telemetry::log;

/// Where metrics and health are served when nothing else is said: the original's port.
pub const METRICS_ADDRESS: &str = "0.0.0.0:9628";

/// The flags. Each may also stand in the environment; a flag wins.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "autopilot-controller",
    version,
    about = "Watches storage in a Kubernetes cluster, proposes an action when a rule's conditions hold,\n\
             asks where the rule says so, and acts exactly once.",
    after_help = "The cluster is the one the process runs in, else the one of KUBECONFIG.\n\
                  The log goes to standard error, as text on a terminal and as JSON otherwise;\n\
                  AUTOPILOT_LOG_FORMAT=text|json overrides.\n\
                  SIGTERM finishes what is in flight and ends within 10 s.",
    next_line_help = true
)]
pub struct Flags {
    /// Read the configuration from this file; without it, from key config.yaml of the ConfigMap
    /// autopilot-config in the namespace. Either is read again when it changes.
    #[arg(verbatim_doc_comment, long, short = 'f', value_name = "FILE", env = "AUTOPILOT_CONFIG")]
    pub config: Option<PathBuf>,

    /// The controller's own namespace: its configuration, Secrets and Lease are there. Rules and
    /// volumes of all namespaces are watched.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "NAME",
        env = "AUTOPILOT_NAMESPACE",
        default_value = "kube-system"
    )]
    pub namespace: String,

    /// error, warn, info, debug, trace or off, or a list of TARGET=LEVEL (autopilot=debug,hyper=debug).
    /// While running: PUT /log-level on the address of the metrics, from inside the pod.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "LEVEL",
        env = "AUTOPILOT_LOG_LEVEL",
        default_value = "info",
        value_parser = level
    )]
    pub log_level: String,

    /// Serve /metrics, /ready, /live and /log-level here; port 0 takes a free one.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "ADDRESS:PORT",
        env = "AUTOPILOT_METRICS_ADDR",
        default_value = METRICS_ADDRESS,
        value_parser = address
    )]
    pub metrics_addr: SocketAddr,

    /// Let one of several controllers work, by the Lease "autopilot" in the namespace. It saves work:
    /// correctness never depends on it, because every write carries a precondition of its own.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "true|false",
        env = "AUTOPILOT_LEADER_ELECTION",
        default_value = "true",
        default_missing_value = "true",
        num_args = 0..=1,
        action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        hide_possible_values = true
    )]
    pub leader_election: bool,
}

impl Flags {
    /// The flags of this process. Ends the process with a message when they make no sense, and after `--help`
    /// and `--version`.
    pub fn of_process() -> Flags {
        Flags::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// The flags in `arguments`, the program's name first. Also takes the forms of the original:
    /// `--config=FILE`, `-f FILE`, and long flags with one dash (`-log-level debug`), as Go programs do.
    ///
    /// # Errors
    /// When they make no sense; also `--help` and `--version` come back as such "errors".
    pub fn read<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<Flags, clap::Error> {
        Flags::try_parse_from(arguments.into_iter().map(|argument| two_dashes(argument.into())))
    }
}

/// `-log-level` as `--log-level`. Only our own names, whole: `-fFILE` stays what it is.
fn two_dashes(argument: OsString) -> OsString {
    const NAMES: [&str; 5] = ["config", "namespace", "log-level", "metrics-addr", "leader-election"];
    let Some(name) = argument.to_str().and_then(|text| text.strip_prefix('-')) else {
        return argument;
    };
    let bare = name.split_once('=').map_or(name, |(bare, _)| bare);
    match NAMES.contains(&bare) {
        true => [OsStr::new("-"), &argument].into_iter().collect(),
        false => argument,
    }
}

fn level(text: &str) -> Result<String, log::LogError> {
    log::check_level(text).map(|()| text.to_owned())
}

/// `:9628` is all addresses, as Go programs have it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    };
    whole.parse().map_err(|_| "write ADDRESS:PORT, as in 0.0.0.0:9628 or [::]:9628".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn read(line: &str) -> Result<Flags, clap::Error> {
        Flags::read(line.split_whitespace())
    }

    fn message(line: &str) -> String {
        read(line).unwrap_err().to_string()
    }

    #[test]
    fn nothing_given_is_the_guides_installation() {
        let flags = read("autopilot-controller").unwrap();
        assert_eq!((flags.config, flags.namespace.as_str()), (None, "kube-system"));
        assert_eq!((flags.log_level.as_str(), flags.metrics_addr.port()), ("info", 9628));
        assert!(flags.leader_election && flags.metrics_addr.ip().is_unspecified());
    }

    #[test]
    fn the_command_lines_of_the_original_are_understood() {
        let deployed = read("autopilot --config=/etc/config/config.yaml --log-level=info").unwrap();
        assert_eq!(deployed.config, Some("/etc/config/config.yaml".into()));
        let first = read("autopilot -f ./etc/config/config.yaml -log-level debug").unwrap();
        assert_eq!(first.config, Some("./etc/config/config.yaml".into()));
        assert_eq!(first.log_level, "debug");
    }

    #[test]
    fn leader_election_is_switched_in_the_usual_ways() {
        let table = [
            ("c --leader-election=false", false),
            ("c --leader-election false", false),
            ("c -leader-election=0", false),
            ("c --leader-election", true),
            ("c --leader-election=true", true),
        ];
        for (line, expected) in table {
            assert_eq!(read(line).unwrap().leader_election, expected, "{line}");
        }
        assert!(read("c --leader-election=perhaps").is_err());
    }

    #[test]
    fn a_port_alone_means_all_addresses() {
        assert_eq!(read("c --metrics-addr :8080").unwrap().metrics_addr, "0.0.0.0:8080".parse().unwrap());
        assert_eq!(read("c --metrics-addr [::1]:0").unwrap().metrics_addr, "[::1]:0".parse().unwrap());
        assert!(message("c --metrics-addr localhost").contains("write ADDRESS:PORT"));
    }

    #[test]
    fn a_wrong_level_is_refused_at_the_start_with_what_to_write() {
        assert!(message("c --log-level inof").contains("write error, warn, info, debug"));
    }

    #[test]
    fn help_names_every_variable_and_says_what_leader_election_is_not() {
        Flags::command().debug_assert();
        let help = message("c --help").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["CONFIG", "NAMESPACE", "LOG_LEVEL", "METRICS_ADDR", "LEADER_ELECTION"] {
            assert!(help.contains(&format!("AUTOPILOT_{part}")), "{part}: {help}");
        }
        assert!(help.contains("correctness never depends on it"), "{help}");
        assert_eq!(read("c --version").unwrap_err().kind(), ErrorKind::DisplayVersion);
    }
}
