//! Who decides is who the server says.

use std::time::Duration;

use autopilot_tui::cluster::{Source, Times};
use autopilot_tui::connection::Trouble;
use autopilot_tui::model::Model;
use serde_json::json;

use crate::server::{Answer, Received, Server};
use crate::watcher::{Watcher, times};

fn user(model: &Model) -> &str {
    model.cluster.user.as_str()
}

fn about_us(asked: &Received) -> bool {
    asked.path.ends_with("selfsubjectreviews")
}

#[tokio::test]
async fn a_name_that_the_server_did_not_say_is_marked_and_asked_for_again() {
    let server = Server::start().await;
    server.otherwise(|a| about_us(a).then_some(Answer::Silence));
    let kubeconfig = server.kubeconfig("silent-review", &json!({ "token": "maria" }));
    let times = Times { probe: Duration::from_millis(700), ..times() };
    let mut watcher = Watcher::start(Source { kubeconfig: Some(kubeconfig), times, ..Source::default() });
    watcher.until("live", |m| m.link.is_live()).await;
    assert_eq!(user(&watcher.model), "entry (unconfirmed)");
    server.otherwise(|_| None);
    watcher.until("a name", |m| user(m) == "user of maria").await;
}

#[tokio::test]
async fn other_credentials_are_another_name_and_other_rights() {
    let server = Server::start().await;
    let kubeconfig = server.kubeconfig("renewed", &json!({ "token": "maria" }));
    let mut watcher =
        Watcher::start(Source { kubeconfig: Some(kubeconfig), times: times(), ..Source::default() });
    watcher.until("a name", |m| m.link.is_live() && user(m) == "user of maria").await;
    server.otherwise(|a| {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401,
                             "reason": "Unauthorized", "message": "Unauthorized" });
        (a.token == "maria").then_some(Answer::Json(401, status))
    });
    watcher.model.access.should_ask(None, watcher.model.now);
    watcher.task.wake();
    watcher
        .until("401", |m| m.link.outage.as_ref().is_some_and(|o| o.trouble == Trouble::Unauthorized))
        .await;
    server.kubeconfig("renewed", &json!({ "token": "jonas" }));
    watcher.until("what is in the file", |m| user(m) == "entry (unconfirmed)").await;
    assert!(watcher.model.access.should_ask(None, watcher.model.now), "what maria might is forgotten");
    watcher.until("another name", |m| m.link.is_live() && user(m) == "user of jonas").await;
}
