//! The command line against a server that says nothing, or not all.

use std::time::Duration;

use autopilot_tui::cli::{self, Cli, Do, FAILED, OK, Resource};
use autopilot_tui::effect::Action;
use autopilot_tui::feed::{Session, Source, Times};
use autopilot_tui::model::Settings;
use autopilot_tui::theme::Glyphs;
use clap::Parser as _;
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::approval_json;
use crate::server::{Answer, Server};

/// No call may take longer.
const BOUND: Duration = Duration::from_secs(5);

fn source(server: &Server, name: &str) -> Source {
    let times =
        Times { patience: Duration::from_millis(300), page: Duration::from_millis(400), ..Times::default() };
    let kubeconfig = server.kubeconfig(name, &json!({ "token": "maria" }));
    Source { kubeconfig: Some(kubeconfig), times, ..Source::default() }
}

/// Approves, and writes nothing.
async fn approve(session: &Session, claim: &str) -> u8 {
    let cli = Cli::parse_from(["autopilot", "approve", claim, "--dry-run"]);
    let Some(Do::Approve(args)) = cli.command else { panic!("{cli:?}") };
    let decided = cli::decide::decide(session, None, Action::Approve, &args, Glyphs::UNICODE);
    timeout(BOUND, decided).await.expect("approve hangs").unwrap()
}

#[tokio::test]
async fn no_call_hangs_on_a_server_that_does_not_answer() {
    let server = Server::start().await;
    server.otherwise(|_| Some(Answer::Silence));
    let source = source(&server, "frozen");
    let code = timeout(BOUND, cli::check::check(&source, None)).await.expect("check hangs").unwrap();
    assert_eq!(code, FAILED);
    let session = source.open().await.unwrap();
    for resource in [Resource::Approvals, Resource::Objects, Resource::Rules] {
        let asked = cli::get::Asked { resource, name: None, output: None, filter: None, namespace: None };
        let settings = Settings::default();
        let got = cli::get::get(&session, &asked, &settings);
        assert_eq!(timeout(BOUND, got).await.expect("get hangs").unwrap(), FAILED);
    }
    assert_eq!(approve(&session, "first").await, FAILED);
    let yaml = cli::get::yaml(&session, "actionapprovals", Some("pg1"), "first");
    let why = timeout(BOUND, yaml).await.expect("yaml hangs").unwrap_err();
    assert_eq!(why, "the server accepts connections and does not answer");
}

#[tokio::test]
async fn a_decision_by_somebody_whom_the_server_did_not_name_says_so() {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    server.otherwise(|a| a.path.ends_with("selfsubjectreviews").then_some(Answer::Silence));
    let session = source(&server, "no-review").open().await.unwrap();
    assert_eq!(approve(&session, "first").await, OK);
    let by = json!("entry (unconfirmed)");
    let says_so = |steps: &serde_json::Value| {
        steps.as_array().is_some_and(|steps| steps.iter().any(|s| s["value"] == by))
    };
    assert_eq!(server.count(|a| a.method == "PATCH" && says_so(&a.body)), 1);
}
