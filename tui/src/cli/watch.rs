//! `watch`: a line for each change of an approval.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{FAILED, OK, Output};
use crate::clock::stamp;
use crate::feed::{Feeder, Source};
use crate::model::link::KindName;
use crate::record::Approval;
use crate::update::{Feed, Msg};

/// Prints changes until it is ended, or until the time is over.
///
/// # Errors
/// When nobody reads any more.
pub async fn watch(
    source: Source,
    namespace: Option<String>,
    output: Option<Output>,
    seconds: Option<u64>,
) -> anyhow::Result<u8> {
    let (out, mut feed) = mpsc::channel(256);
    let _feeder = Feeder::start(source, namespace.as_deref().map(Arc::from), 0, out);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
    let mut known: HashMap<Arc<str>, (String, String)> = HashMap::new();
    // What the list that is being read has; what was known and is not in it is gone.
    let mut listed: HashSet<Arc<str>> = HashSet::new();
    let mut seen = false;
    let json = matches!(output, Some(Output::Json | Output::Yaml));
    let mut stdout = std::io::stdout();
    let mut say = |what: &str, row: Option<&Approval>, name: &str| -> std::io::Result<()> {
        let at = jiff::Timestamp::now();
        let line = match (json, row) {
            (true, Some(row)) => json!({
                "at": at.to_string(), "change": what, "namespace": row.namespace.as_str(), "approval": row.name.as_str(),
                "object": row.object.as_str(), "rule": row.rule.as_str(), "from": row.from.as_str(),
                "to": row.to.as_str(), "proposal": row.digest.as_deref(), "uid": &*row.uid,
                "pullRequest": row.pull_request.as_ref().map(|p| p.number),
            })
            .to_string(),
            (true, None) => json!({ "at": at.to_string(), "change": what, "approval": name }).to_string(),
            (false, Some(row)) => {
                let pull = row.pull_request.as_ref();
                let pull = pull.map(|p| format!(" #{} {}", p.number, p.word())).unwrap_or_default();
                format!("{} {what:<9} {name} {} -> {}{pull}", stamp(at), row.from, row.to)
            }
            (false, None) => format!("{} {what:<9} {name}", stamp(at)),
        };
        writeln!(stdout, "{}", if json { crate::text::escape(&line) } else { line })?;
        stdout.flush()
    };
    loop {
        let Ok(msg) = timeout_at(end, feed.recv()).await else { return Ok(if seen { OK } else { FAILED }) };
        let Some(Msg::Feed(_, feed)) = msg else { return Ok(FAILED) };
        match feed {
            Feed::Start(KindName::Approvals) => listed.clear(),
            Feed::Approvals(rows) => {
                for row in rows {
                    listed.insert(Arc::clone(&row.uid));
                    let name = format!("{}/{}", row.namespace, row.name);
                    let pull = row.pull_request.as_ref().map(|p| format!("{} {}", p.number, p.word()));
                    let state = format!("{} {:?} {pull:?}", row.state_word(), row.digest);
                    let old = known.insert(Arc::clone(&row.uid), (name.clone(), state.clone()));
                    if old.is_none_or(|(_, s)| s != state) {
                        say(row.state_word(), Some(&row), &name)?;
                    }
                }
            }
            Feed::Gone(KindName::Approvals, uid) => {
                if let Some((name, _)) = known.remove(&uid) {
                    say("gone", None, &name)?;
                }
            }
            Feed::Done(KindName::Approvals) => {
                seen = true;
                let mut gone: Vec<(Arc<str>, String)> = Vec::new();
                known.retain(|uid, (name, _)| {
                    let there = listed.contains(uid);
                    if !there {
                        gone.push((Arc::clone(uid), std::mem::take(name)));
                    }
                    there
                });
                for (_, name) in gone {
                    say("gone", None, &name)?;
                }
                listed = HashSet::new();
            }
            Feed::Trouble(_, text) | Feed::Denied(KindName::Approvals, _, text) => {
                eprintln!("autopilot: {text}")
            }
            _ => {}
        }
    }
}
