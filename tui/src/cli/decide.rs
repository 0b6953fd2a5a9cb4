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
        eprintln!("autopilot: say why: --reason");
        return Ok(USAGE);
    }
    if session.label.sealed {
        eprintln!("autopilot: nothing was written: read-only");
        return Ok(DENIED);
    }
    let client = session.client();
    let mut names = Names::default();
    let mut rows: Vec<Approval> = Vec::new();
    for place in places(namespace, &args.names) {
        let items: Vec<Value> = match fetch::list(session, "actionapprovals", place).await {
            Ok(items) => items,
            Err(error) => {
                let (trouble, text) = classify(&error);
                eprintln!("autopilot: listing approvals: {text}");
                return Ok(if trouble == Trouble::Forbidden { DENIED } else { FAILED });
            }
        };
        rows.extend(items.iter().map(|v| Approval::from_wire(wire::Object::read(v), &mut names)));
    }
    let mut targets: Vec<&Approval> = Vec::new();
    for name in &args.names {
        let found: Vec<&Approval> = rows.iter().filter(|r| named(r, name)).collect();
        match found.as_slice() {
            [one] => {
                if !targets.iter().any(|t| t.uid == one.uid) {
                    targets.push(one);
                }
            }
            [] => {
                eprintln!("autopilot: no approval {}; nothing was written", Safe::new(name));
                return Ok(NOTHING);
            }
            many => {
                let places: Vec<String> =
                    many.iter().map(|r| format!("{}/{}", r.namespace, r.name)).collect();
                let name = Safe::new(name);
                eprintln!("autopilot: {name} is not one: {}; nothing was written", places.join(" "));
                return Ok(USAGE);
            }
        }
    }
    for row in &targets {
        let why = match &args.proposal {
            Some(digest) if row.digest.as_deref() != Some(digest.as_str()) => {
                Some("its proposal is another".to_owned())
            }
            _ if action == Action::Delete => None,
            _ => row.undecidable(),
        };
        if let Some(why) = why {
            eprintln!("autopilot: {}/{}: {why}; nothing was written", row.namespace, row.name);
            return Ok(CHANGED);
        }
    }
    let by = match session.ask(access::identity(&client)).await {
        Ok(user) if !user.is_empty() => user,
        _ => session.label.user.clone(),
    };
    let mut cluster = session.label.clone();
    cluster.user = by.clone();
    if args.dry_run {
        // Nothing is written: there is nothing to confirm.
    } else if args.yes {
        if let Some(why) = unnamed(&cluster, args.context_name.as_deref()) {
            eprintln!("autopilot: {why}; nothing was written");
            return Ok(USAGE);
        }
    } else if !std::io::stdin().is_terminal() {
        eprintln!("autopilot: say --yes where nobody can be asked; nothing was written");
        return Ok(FAILED);
    } else {
        let shown = targets.iter().map(|row| Target::of(row)).collect();
        let confirm = Confirm::new(action, shown, &cluster, Duration::ZERO, false);
        let mut answers = std::io::stdin().lock();
        if !confirmed(&confirm, &cluster, &reason, glyphs, &mut answers, &mut std::io::stderr())? {
            eprintln!("autopilot: nothing was written");
            return Ok(FAILED);
        }
    }
    let write = |row: &Approval| decision::Write {
        action,
        target: Target::of(row),
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
        let this = match &written.ending {
            Ending::Done => OK,
            Ending::Changed(_) => CHANGED,
            Ending::Denied(_) => DENIED,
            Ending::Unknown(_) => UNKNOWN,
            Ending::Failed(_) | Ending::Dropped(_) => FAILED,
        };
        code = code.max(this);
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

/// Where the approvals of these names are: only there one needs the right to list them. Everywhere, if a name does not say.
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

/// Why `--yes` is not enough here; none if it is.
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
