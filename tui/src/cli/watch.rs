//! `watch`: a line for each change of an approval.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::cli::args::Output;
use crate::cli::exit_code::{DENIED, FAILED, OK};
use crate::clock::stamp;
use crate::cluster::{ClusterTask, Source};
use crate::connection::{KindName, Trouble};
use crate::message::{ClusterEvent, Msg};
use crate::rows::Approval;
use crate::text::escape;

/// Prints changes until it is ended, or until the time is over.
///
/// # Errors
/// When nobody reads any more.
pub(crate) async fn watch(
    source: Source,
    namespace: Option<String>,
    output: Option<Output>,
    seconds: Option<u64>,
) -> anyhow::Result<u8> {
    let (out, mut messages) = mpsc::channel(256);
    let _task = ClusterTask::start(source, namespace.as_deref().map(Arc::from), 0, out);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
    let mut known: HashMap<Arc<str>, (Approval, String)> = HashMap::new();
    // What the list that is being read has; what was known and is not in it is gone.
    let mut listed: HashSet<Arc<str>> = HashSet::new();
    let mut seen = false;
    let json = matches!(output, Some(Output::Json | Output::Yaml));
    let mut stdout = std::io::stdout();
    let mut say = |what: &str, row: &Approval| -> std::io::Result<()> {
        let at = jiff::Timestamp::now();
        let line = if json {
            let line = json!({
                "at": at.to_string(), "change": what, "namespace": row.namespace.as_str(), "approval": row.name.as_str(),
                "object": row.object.as_str(), "rule": row.rule.as_str(), "from": row.from.as_str(),
                "to": row.to.as_str(), "proposal": row.digest.as_deref(), "uid": &*row.uid,
                "pullRequest": row.pull_request.as_ref().map(|p| p.number),
            });
            escape(&line.to_string())
        } else {
            let pull = row.pull_request.as_ref();
            let pull = pull.map(|p| format!(" #{} {}", p.number, p.word())).unwrap_or_default();
            let (namespace, name, from, to) = (&row.namespace, &row.name, &row.from, &row.to);
            format!("{} {what:<9} {namespace}/{name} {from} -> {to}{pull}", stamp(at))
        };
        writeln!(stdout, "{line}")?;
        stdout.flush()
    };
    loop {
        let Ok(msg) = timeout_at(end, messages.recv()).await else {
            return Ok(if seen { OK } else { FAILED });
        };
        let Some(Msg::ClusterEvent(_, event)) = msg else { return Ok(FAILED) };
        match event {
            ClusterEvent::Start(KindName::Approvals) => listed.clear(),
            ClusterEvent::Approvals(rows) => {
                for row in rows {
                    listed.insert(Arc::clone(&row.uid));
                    let pull = row.pull_request.as_ref().map(|p| format!("{} {}", p.number, p.word()));
                    let state = format!("{} {:?} {pull:?}", row.state_word(), row.digest);
                    if known.get(&row.uid).is_none_or(|(_, old)| *old != state) {
                        say(row.state_word(), &row)?;
                    }
                    known.insert(Arc::clone(&row.uid), (row, state));
                }
            }
            ClusterEvent::Gone(KindName::Approvals, uid) => {
                if let Some((row, _)) = known.remove(&uid) {
                    say("gone", &row)?;
                }
            }
            ClusterEvent::Done(KindName::Approvals) => {
                seen = true;
                for (_, (row, _)) in known.extract_if(|uid, _| !listed.contains(uid)) {
                    say("gone", &row)?;
                }
                listed = HashSet::new();
            }
            ClusterEvent::Trouble(_, text) => eprintln!("autopilot: {text}"),
            ClusterEvent::Denied(KindName::Approvals, trouble, text) => {
                eprintln!("autopilot: {text}");
                // As for every other command; a right that is taken away later may be given back.
                if trouble == Trouble::Forbidden && !seen {
                    return Ok(DENIED);
                }
            }
            _ => {}
        }
    }
}
