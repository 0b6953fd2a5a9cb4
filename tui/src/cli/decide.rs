//! `approve`, `decline`, `delete`: bound to what is read, as in the console.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal as _, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::audit;
use crate::cli::args::{DecideArgs, Output};
use crate::cli::exit_code::{CHANGED, DENIED, FAILED, NOTHING, OK, UNKNOWN, USAGE};
use crate::cluster::error::classify;
use crate::cluster::{Session, access, fetch, send};
use crate::connection::{ClusterLabel, Trouble};
use crate::content::dialog::question;
use crate::decision;
use crate::decision::{Action, Ending, Target, Written};
use crate::model::{Confirm, Field};
use crate::rows::{Approval, Names, wire};
use crate::text::Safe;
use crate::theme::Glyphs;

/// Reason why nothing is written, with an exit code.
#[derive(Debug)]
struct Refusal {
    code: u8,
    text: String,
}

impl Refusal {
    fn new(code: u8, text: impl Into<String>) -> Refusal {
        Refusal { code, text: text.into() }
    }

    /// Tells it; returns the exit code.
    fn tell(self) -> u8 {
        eprintln!("autopilot: {}", self.text);
        self.code
    }
}

/// Carries out a decision on each of the names.
///
/// # Errors
/// When it cannot be printed.
pub async fn decide(
    session: &Session,
    namespace: Option<&str>,
    action: Action,
    args: &DecideArgs,
    glyphs: Glyphs,
) -> anyhow::Result<u8> {
    let reason = args.reason.as_deref().unwrap_or_default().trim().to_owned();
    if action == Action::Decline && reason.is_empty() {
        return Ok(Refusal::new(USAGE, "say why: --reason").tell());
    }
    if session.label.sealed {
        return Ok(Refusal::new(DENIED, "nothing was written: read-only").tell());
    }
    let targets = match targets(session, namespace, action, args).await {
        Ok(targets) => targets,
        Err(refusal) => return Ok(refusal.tell()),
    };
    let client = session.client();
    let by = match session.ask(access::identity(&client)).await {
        Ok(user) if !user.is_empty() => user,
        _ => session.label.user.clone(),
    };
    let mut cluster = session.label.clone();
    cluster.user = by.clone();
    // In a dry run nothing is written: there is nothing to confirm.
    if !args.dry_run
        && let Some(refusal) = unconfirmed(action, &targets, &cluster, &reason, args, glyphs)?
    {
        return Ok(refusal.tell());
    }
    let write = |target: Target| decision::Write {
        action,
        target,
        reason: reason.clone(),
        by: by.to_string(),
        context: session.label.context.clone(),
        server: session.label.server.clone(),
        at: jiff::Timestamp::now(),
        dry_run: args.dry_run,
    };
    // Made one by one: each has the time of its own turn.
    let writes = targets.into_iter().map(write);
    let mut code = OK;
    let ended = |written: Written| {
        code = code.max(ending_code(&written.ending));
        let line = audit::line(&written);
        if !args.dry_run
            && let Some(place) = audit::place()
            && let Err(error) = audit::append(&place, &line)
        {
            eprintln!("autopilot: the log {} cannot be written: {error}", place.display());
        }
        tell(&written, &line, args.output);
    };
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .into_iter()
        .map(signal)
        .collect::<std::io::Result<Vec<_>>>()?;
    let stop = async {
        futures::future::select_all(signals.iter_mut().map(|s| Box::pin(s.recv()))).await;
    };
    carry_out(writes, async |write| send::send(&client, write).await, stop, ended).await;
    Ok(code)
}

fn ending_code(ending: &Ending) -> u8 {
    match ending {
        Ending::Done => OK,
        Ending::Changed(_) => CHANGED,
        Ending::Denied(_) => DENIED,
        Ending::Unknown(_) => UNKNOWN,
        Ending::Failed(_) | Ending::Dropped(_) => FAILED,
    }
}

/// Returns the approvals of these names, if each can be decided.
async fn targets(
    session: &Session,
    namespace: Option<&str>,
    action: Action,
    args: &DecideArgs,
) -> Result<Vec<Target>, Refusal> {
    let rows = listed(session, namespace, &args.names).await?;
    let mut found: Vec<&Approval> = Vec::new();
    for name in &args.names {
        let row = the_one(&rows, name)?;
        if !found.iter().any(|other| other.uid == row.uid) {
            found.push(row);
        }
    }
    for row in &found {
        let why = match &args.proposal {
            Some(digest) if row.digest.as_deref() != Some(digest.as_str()) => {
                Some("its proposal is another".to_owned())
            }
            _ if action == Action::Delete => None,
            _ => row.undecidable().map(|why| why.to_string()),
        };
        if let Some(why) = why {
            let text = format!("{}/{}: {why}; nothing was written", row.namespace, row.name);
            return Err(Refusal::new(CHANGED, text));
        }
    }
    Ok(found.into_iter().map(Target::of).collect())
}

/// Lists the approvals where those of these names may be.
async fn listed(
    session: &Session,
    namespace: Option<&str>,
    names: &[String],
) -> Result<Vec<Approval>, Refusal> {
    let mut known = Names::default();
    let mut rows = Vec::new();
    for place in places(namespace, names) {
        let items: Vec<Value> = fetch::list(session, "actionapprovals", place).await.map_err(|error| {
            let (trouble, text) = classify(&error);
            let code = if trouble == Trouble::Forbidden { DENIED } else { FAILED };
            Refusal::new(code, format!("listing approvals: {text}"))
        })?;
        rows.extend(items.iter().map(|v| Approval::from_wire(wire::Object::read(v), &mut known)));
    }
    Ok(rows)
}

/// Returns the approval that a name means.
fn the_one<'a>(rows: &'a [Approval], name: &str) -> Result<&'a Approval, Refusal> {
    let found: Vec<&Approval> = rows.iter().filter(|row| named(row, name)).collect();
    let name = Safe::new(name);
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Refusal::new(NOTHING, format!("no approval {name}; nothing was written"))),
        many => {
            let places: Vec<String> = many.iter().map(|r| format!("{}/{}", r.namespace, r.name)).collect();
            let text = format!("{name} is not one: {}; nothing was written", places.join(" "));
            Err(Refusal::new(USAGE, text))
        }
    }
}

/// Asks, unless `--yes` answers; returns why nothing is written.
fn unconfirmed(
    action: Action,
    targets: &[Target],
    cluster: &ClusterLabel,
    reason: &str,
    args: &DecideArgs,
    glyphs: Glyphs,
) -> std::io::Result<Option<Refusal>> {
    if args.yes {
        let why = unnamed(cluster, args.context_name.as_deref());
        return Ok(why.map(|why| Refusal::new(USAGE, format!("{why}; nothing was written"))));
    }
    if !std::io::stdin().is_terminal() {
        let text = "say --yes where nobody can be asked; nothing was written";
        return Ok(Some(Refusal::new(FAILED, text)));
    }
    let confirm = Confirm::new(action, targets.to_vec(), cluster, Duration::ZERO, false);
    let mut answers = std::io::stdin().lock();
    let confirmed = confirmed(&confirm, cluster, reason, glyphs, &mut answers, &mut std::io::stderr())?;
    Ok((!confirmed).then(|| Refusal::new(FAILED, "nothing was written")))
}

/// Sends one after the other until somebody stops that, the server is not reached, or no answer comes: of what is on its way
/// then nobody knows how it ends, what comes after it is not sent. Each is told and noted.
pub async fn carry_out(
    writes: impl IntoIterator<Item = decision::Write>,
    send: impl AsyncFn(&decision::Write) -> Ending,
    stop: impl Future<Output = ()>,
    mut ended: impl FnMut(Written),
) {
    let mut stop = std::pin::pin!(stop);
    let mut stopped = None;
    for write in writes {
        let ending = if let Some(why) = stopped {
            Ending::Dropped(Safe::own(why))
        } else {
            tokio::select! {
                ending = send(&write) => ending,
                () = &mut stop => {
                    stopped = Some("interrupted");
                    Ending::Unknown(Safe::own("interrupted before an answer came"))
                }
            }
        };
        stopped = stopped.or(ending.keeps_others());
        ended(Written { at: jiff::Timestamp::now(), write, ending });
    }
}

/// Returns the namespaces of these names: only there one needs the right to list approvals. Everywhere, if a name has none.
fn places<'a>(namespace: Option<&'a str>, names: &'a [String]) -> Vec<Option<&'a str>> {
    // What is no name of a namespace leads to none.
    let label = |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let said: Option<BTreeSet<&str>> = names.iter().map(|n| Some(n.split_once('/')?.0)).collect();
    match (namespace, said) {
        (None, Some(said)) => said.into_iter().filter(label).map(Some).collect(),
        _ => vec![namespace],
    }
}

fn named(row: &Approval, name: &str) -> bool {
    match name.split_once('/') {
        Some((namespace, name)) => {
            row.raw_namespace.as_ref() == namespace
                && (row.raw_name.as_ref() == name || row.object.as_str() == name)
        }
        None => row.raw_name.as_ref() == name || row.object.as_str() == name,
    }
}

/// Returns why `--yes` is not enough here; `None` if it is.
pub fn unnamed(cluster: &ClusterLabel, named: Option<&str>) -> Option<String> {
    let context = &cluster.context;
    match named {
        Some(named) if *named != *cluster.raw_context => Some(format!("the context is {context}")),
        None if cluster.production => {
            Some(format!("{context} is production: with --yes, say --context-name {context}"))
        }
        _ => None,
    }
}

/// Tells what the console's question tells and asks for what it asks for.
///
/// # Errors
/// When it cannot be told, or the answer cannot be read.
pub fn confirmed(
    confirm: &Confirm,
    cluster: &ClusterLabel,
    reason: &str,
    glyphs: Glyphs,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    for (line, _) in question(cluster, glyphs, confirm, 100) {
        writeln!(out, "{line}")?;
    }
    if !reason.is_empty() {
        writeln!(out, "reason: {}", Safe::new(reason))?;
    }
    let mut typed: Vec<(&str, &str)> = confirm
        .fields
        .iter()
        .filter_map(|f| match f {
            Field::Typed { prompt, expected, .. } => Some((*prompt, expected.as_str())),
            Field::Reason(_) => None,
        })
        .collect();
    if typed.is_empty() {
        typed.push(("word", "yes"));
    }
    for (prompt, expected) in typed {
        write!(out, "{}? type the {prompt} ({}): ", confirm.action, Safe::new(expected))?;
        out.flush()?;
        let mut line = String::new();
        answers.read_line(&mut line)?;
        if line.trim_end_matches(['\r', '\n']) != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tell(written: &Written, line: &str, output: Option<Output>) {
    if matches!(output, Some(Output::Json | Output::Yaml)) {
        // Nobody reads any more; the decisions that follow are carried out all the same.
        let _ = writeln!(std::io::stdout(), "{line}");
        return;
    }
    let target = &written.write.target;
    let what = format!("{}/{}", target.namespace, target.name);
    let dry = if written.write.dry_run { " (dry run)" } else { "" };
    match (&written.ending, written.ending.why()) {
        (Ending::Done, _) => {
            let _ = writeln!(std::io::stdout(), "{what} {}{dry}", written.write.action.done());
        }
        (ending, Some(why)) => eprintln!("autopilot: {what}: {}: {why}{dry}", ending.word()),
        (_, None) => {}
    }
}
