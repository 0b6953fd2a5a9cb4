//! The command line against a server that says nothing, or not all.

use std::time::Duration;

use autopilot_tui::cli;
use autopilot_tui::cli::exit_code::{DENIED, FAILED, NOTHING, OK};
use autopilot_tui::cli::{Cli, Do, Resource};
use autopilot_tui::cluster::{Session, Source, Times};
use autopilot_tui::cluster::{access, fetch};
use autopilot_tui::config::Settings;
use autopilot_tui::decision::Action;
use autopilot_tui::theme::Glyphs;
use clap::Parser as _;
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::approval_json;
use crate::server::{Answer, Server};
use crate::watcher::SOON;

fn source(server: &Server, name: &str) -> Source {
    let kubeconfig = server.kubeconfig(name, &json!({ "token": "maria" }));
    Source { kubeconfig: Some(kubeconfig), ..Source::default() }
}

/// The same, for small questions that nobody will answer.
fn impatient(server: &Server, name: &str) -> Source {
    let times = Times { patience: Duration::from_millis(300), ..Times::default() };
    Source { times, ..source(server, name) }
}

/// Approves, and writes nothing.
async fn approve(session: &Session, claim: &str) -> u8 {
    let cli = Cli::parse_from(["autopilot", "approve", claim, "--dry-run"]);
    let Some(Do::Approve(args)) = cli.command else { panic!("{cli:?}") };
    let decided = cli::decide::decide(session, None, Action::Approve, &args, Glyphs::UNICODE);
    timeout(SOON, decided).await.expect("approve hangs").unwrap()
}

#[tokio::test]
async fn no_call_hangs_on_a_server_that_does_not_answer() {
    let server = Server::start().await;
    server.otherwise(|_| Some(Answer::Silence));
    let mut source = impatient(&server, "frozen");
    source.times.page = Duration::from_millis(400);
    let code = timeout(SOON, cli::check::check(&source, None)).await.expect("check hangs").unwrap();
    assert_eq!(code, FAILED);
    let session = source.open().await.unwrap();
    for resource in [Resource::Approvals, Resource::Objects, Resource::Rules] {
        let request =
            cli::get::ListRequest { resource, name: None, output: None, filter: None, namespace: None };
        let settings = Settings::default();
        let got = cli::get::get(&session, &request, &settings);
        assert_eq!(timeout(SOON, got).await.expect("get hangs").unwrap(), FAILED);
    }
    assert_eq!(approve(&session, "first").await, FAILED);
    let yaml = fetch::yaml(&session, "actionapprovals", Some("pg1"), "first");
    let why = timeout(SOON, yaml).await.expect("yaml hangs").unwrap_err();
    assert_eq!(why.to_string(), "the server accepts connections and does not answer");
}

#[tokio::test]
async fn a_decision_by_somebody_whom_the_server_did_not_name_says_so() {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    server.otherwise(|a| a.path.ends_with("selfsubjectreviews").then_some(Answer::Silence));
    let session = impatient(&server, "no-review").open().await.unwrap();
    assert_eq!(approve(&session, "first").await, OK);
    let by = json!("entry (unconfirmed)");
    let says_so = |steps: &serde_json::Value| {
        steps.as_array().is_some_and(|steps| steps.iter().any(|s| s["value"] == by))
    };
    assert_eq!(server.count(|a| a.method == "PATCH" && says_so(&a.body)), 1);
}

#[tokio::test]
async fn rights_in_one_namespace_are_enough_to_decide_there() {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    server.otherwise(|a| {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
                             "reason": "Forbidden", "message": "not everywhere" });
        a.path.ends_with("/v1alpha1/actionapprovals").then_some(Answer::Json(403, status))
    });
    let session = source(&server, "one-namespace").open().await.unwrap();
    assert_eq!(approve(&session, "pg1/first").await, OK);
    assert_eq!(server.count(|a| a.path.contains("/namespaces/pg1/") && a.method == "PATCH"), 1);
    // A name that does not say where is looked for everywhere.
    assert_eq!(approve(&session, "first").await, DENIED);
    // What is no name of a namespace leads nowhere.
    assert_eq!(approve(&session, "../../x/first").await, NOTHING);
}

#[tokio::test]
async fn an_authorizer_that_fails_has_not_said_no() {
    let server = Server::start().await;
    let session = source(&server, "authorizer").open().await.unwrap();
    let says = |status: serde_json::Value| {
        server.otherwise(move |a| {
            let asked = a.path.ends_with("selfsubjectaccessreviews");
            asked.then(|| Answer::Json(201, json!({ "status": status.clone() })))
        });
    };
    says(json!({ "allowed": false, "evaluationError": "webhook: timeout" }));
    assert!(access::access(&session, None).await.is_empty(), "it is unknown");
    for no in [
        json!({ "allowed": false }),
        json!({ "allowed": false, "denied": true, "evaluationError": "webhook: timeout" }),
    ] {
        says(no);
        let answers = access::access(&session, None).await;
        assert!(answers.len() == 2 && answers.iter().all(|(_, a)| !a.allowed), "{answers:?}");
    }
}
