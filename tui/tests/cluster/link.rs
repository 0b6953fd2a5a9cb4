//! `live` is said where changes come in, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use autopilot_tui::cluster::{Source, Times};
use autopilot_tui::config::{ContextRule, ContextSettings};
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::Trouble;
use autopilot_tui::model::Model;
use serde_json::json;

use crate::fixture::approval_json;
use crate::server::{Answer, Server};
use crate::watcher::{Watcher, seen, times};

fn live(model: &Model) -> bool {
    model.link.is_live()
}

/// A server with an approval, and somebody who watches it live.
async fn watched(name: &str, times: Times) -> (Server, Watcher) {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    let kubeconfig = server.kubeconfig(name, &json!({ "token": "maria" }));
    let mut watcher = Watcher::start(Source { kubeconfig: Some(kubeconfig), times, ..Source::default() });
    watcher.until("live", |m| live(m) && m.link.synced.len() == 4).await;
    let all = |s: &Server| KindName::ALL.iter().all(|k| s.count(|a| a.watches(k.plural())) > 0);
    seen("all watches", || all(&server)).await;
    (server, watcher)
}

#[tokio::test]
async fn after_a_partition_nothing_is_live_that_hangs_on_the_old_path() {
    let (server, mut watcher) = watched("partition", times()).await;
    server.cut();
    watcher.task.wake();
    watcher.until("stale", |m| m.link.outage.as_ref().is_some_and(|o| o.trouble == Trouble::Silent)).await;
    server.heal();
    watcher.until("contact", |m| m.link.outage.is_none()).await;
    assert!(!live(&watcher.model), "the watches still hang");
    watcher.until("live again", live).await;
    seen("new watches", || KindName::ALL.iter().all(|k| server.count(|a| a.watches(k.plural())) > 1)).await;
    server.put("actionapprovals", approval_json(2, "pg1", "second", "82", 5));
    watcher.until("a change", |m| m.store.approvals.get("uid-2").is_some()).await;
}

#[tokio::test]
async fn a_watch_that_breaks_off_is_no_lost_connection_while_the_server_answers() {
    let (server, mut watcher) = watched("broken-off", Times::default()).await;
    let well = |m: &Model| {
        assert!(m.link.outage.is_none() && !m.stale(), "{:?}", m.link);
    };
    server.break_off("actionapprovals");
    watcher
        .until("behind", |m| {
            well(m);
            m.link.behind.contains(&KindName::Approvals)
        })
        .await;
    watcher
        .until("live again", |m| {
            well(m);
            live(m)
        })
        .await;
    server.put("actionapprovals", approval_json(2, "pg1", "second", "82", 5));
    watcher.until("a change", |m| m.store.approvals.get("uid-2").is_some()).await;
}

#[tokio::test]
async fn a_watch_without_bookmarks_is_doubted_and_begun_anew() {
    let quiet = Duration::from_millis(1500);
    let (server, mut watcher) = watched("quiet", Times { quiet, ..Times::default() }).await;
    watcher.until("behind", |m| m.link.behind.contains(&KindName::Approvals)).await;
    assert!(!live(&watcher.model) && !watcher.model.stale(), "it is no lost connection");
    watcher.until("live again", live).await;
    // Events have no bookmarks of their own; their watch goes with the others.
    seen("new watches", || KindName::ALL.iter().all(|k| server.count(|a| a.watches(k.plural())) > 1)).await;
    assert_eq!(server.count(|a| a.lists("events")), 1, "from where it was");
}

#[tokio::test]
async fn after_sleep_all_watches_begin_anew_although_nothing_looks_wrong() {
    let (server, mut watcher) = watched("awake", times()).await;
    watcher.task.awake();
    seen("new watches", || KindName::ALL.iter().all(|k| server.count(|a| a.watches(k.plural())) > 1)).await;
    watcher.until("live again", live).await;
}

#[tokio::test]
async fn a_list_in_pages_is_taken_in_whole_and_in_order() {
    let server = Server::start().await;
    // A server that knows no other lists: three pages, each with the token of the next.
    server.otherwise(|asked| {
        if !asked.path.ends_with("/actionapprovals") || asked.query.contains("watch=true") {
            return None;
        }
        let page = asked.query.split("&continue=page%2F").nth(1).map_or(1, |n| n.parse().unwrap());
        let next = if page < 3 { format!("page/{}", page + 1) } else { String::new() };
        let items: Vec<_> = (0..5)
            .map(|n| approval_json(page * 5 + n, "pg1", &format!("data-{page}-{n}"), "82", 5))
            .collect();
        let list = json!({ "items": items, "metadata": { "resourceVersion": "9", "continue": next } });
        Some(Answer::Json(200, list))
    });
    let kubeconfig = server.kubeconfig("pages", &json!({ "token": "maria" }));
    let source = Source { kubeconfig: Some(kubeconfig), times: times(), ..Source::default() };
    let mut watcher = Watcher::start(source);
    watcher.until("live", |m| live(m) && m.link.synced.len() == 4).await;
    assert_eq!(watcher.model.store.approvals.len(), 15);
    assert_eq!(server.count(|a| a.lists("actionapprovals")), 3, "no page twice");
    seen("the watch from there", || {
        server.count(|a| a.watches("actionapprovals") && a.query.contains("resourceVersion=9")) == 1
    })
    .await;
}

#[tokio::test]
async fn a_context_that_cannot_be_opened_is_called_by_its_name() {
    let server = Server::start().await;
    let kubeconfig = server.kubeconfig("nowhere", &json!({ "token": "maria" }));
    let context: ContextRule =
        serde_json::from_value(json!({ "name": "nowhere", "production": true })).unwrap();
    let mut watcher = Watcher::start(Source {
        kubeconfig: Some(kubeconfig),
        context: Some("nowhere".to_owned()),
        context_settings: Arc::new(ContextSettings { contexts: vec![context] }),
        ..Source::default()
    });
    watcher
        .until("trouble", |m| m.link.outage.as_ref().is_some_and(|o| o.trouble == Trouble::NoCluster))
        .await;
    let cluster = &watcher.model.cluster;
    assert!(cluster.context.as_str() == "nowhere" && cluster.production, "{cluster:?}");
}

#[tokio::test]
async fn an_object_that_cannot_be_read_takes_no_other_with_it() {
    let odd = |number: usize| {
        let mut object = approval_json(number, "pg1", "odd", "82", 5);
        object["status"]["decision"] = json!({ "digest": "d", "outcome": "perhaps" });
        object
    };
    // One that is there from the start.
    let server = Server::start().await;
    server.put("actionapprovals", odd(1));
    server.put("actionapprovals", approval_json(2, "pg1", "first", "82", 5));
    let kubeconfig = server.kubeconfig("odd-list", &json!({ "token": "maria" }));
    let mut watcher =
        Watcher::start(Source { kubeconfig: Some(kubeconfig), times: times(), ..Source::default() });
    watcher.until("live", live).await;
    let row = watcher.model.store.approvals.get("uid-1").unwrap();
    assert_eq!((row.state_word(), &*row.raw_namespace), ("unclear", "pg1"));
    assert!(row.undecidable().unwrap().to_string().contains("unknown variant `perhaps`"));
    assert!(watcher.model.store.approvals.get("uid-2").unwrap().undecidable().is_none());
    // And one that comes while everything is live.
    let (server, mut watcher) = watched("odd-watch", Times::default()).await;
    server.put("actionapprovals", odd(7));
    // What was on its way to a watch that begins anew may be lost in this server, which keeps no history.
    seen("a new watch", || server.count(|a| a.watches("actionapprovals")) > 1).await;
    server.put("actionapprovals", odd(8));
    watcher.until("the odd one", |m| m.store.approvals.get("uid-8").is_some()).await;
    assert!(live(&watcher.model) && watcher.model.link.outage.is_none());
    assert!(watcher.model.store.approvals.get("uid-1").is_some(), "no row went");
    server.put("actionapprovals", approval_json(9, "pg1", "later", "82", 5));
    watcher.until("the next one", |m| m.store.approvals.get("uid-9").is_some()).await;
    assert_eq!(server.count(|a| a.lists("actionapprovals")), 1, "nothing is listed anew");
}
