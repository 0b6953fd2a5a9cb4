//! The command line confirms what the console confirms.

use std::time::Duration;

use autopilot_tui::cli::decide::{carry_out, confirmed, unnamed};
use autopilot_tui::connection::ClusterLabel;
use autopilot_tui::decision::{Action, Ending, Target, Write};
use autopilot_tui::model::Confirm;
use autopilot_tui::text::Safe;
use autopilot_tui::theme::Glyphs;
use serde_json::json;

use crate::fixture::{approval, approval_json};

fn cluster(production: bool) -> ClusterLabel {
    ClusterLabel {
        context: Safe::own("prod-eu"),
        raw_context: "prod-eu".into(),
        server: Safe::own("https://10.1.2.3:6443"),
        user: Safe::own("maria@example.com"),
        production,
        ..ClusterLabel::default()
    }
}

fn ask(action: Action, count: usize, production: bool, answers: &str) -> (bool, String) {
    let targets = (0..count).map(|n| {
        let mut json = approval_json(n, "ns", &format!("claim-{n}\u{202e}"), "80", 5);
        json["status"]["pullRequest"] =
            json!({ "number": 482, "url": "https://github.com/a", "state": "open" });
        Target::of(&approval(json))
    });
    let cluster = cluster(production);
    let confirm = Confirm::new(action, targets.collect(), &cluster, Duration::ZERO, false);
    let mut out = Vec::new();
    let said = confirmed(&confirm, &cluster, "not now", Glyphs::UNICODE, &mut answers.as_bytes(), &mut out);
    (said.unwrap(), String::from_utf8(out).unwrap())
}

#[test]
fn it_asks_for_what_the_console_asks_for() {
    let name = format!("{}", Target::of(&approval(approval_json(0, "ns", "c", "80", 5))).name);
    for (action, count, production, answers, taken) in [
        (Action::Approve, 1, false, "yes\n".to_owned(), true),
        (Action::Approve, 1, false, "y\n".to_owned(), false),
        (Action::Approve, 1, false, String::new(), false),
        (Action::Approve, 1, true, "prod-eu\n".to_owned(), true),
        (Action::Approve, 1, true, "yes\n".to_owned(), false),
        (Action::Decline, 3, false, "3\n".to_owned(), true),
        (Action::Decline, 3, true, "prod-eu\n".to_owned(), false),
        (Action::Decline, 3, true, "3\nprod-eu\n".to_owned(), true),
        (Action::Delete, 1, false, format!("{name}\n"), true),
        (Action::Delete, 1, true, "prod-eu\n".to_owned(), false),
        (Action::Delete, 1, true, format!("{name}\nprod-eu\n"), true),
        (Action::Delete, 2, true, "2\nprod-eu\n".to_owned(), true),
    ] {
        let (said, text) = ask(action, count, production, &answers);
        assert_eq!(said, taken, "{action} {count} {production} {answers:?}:\n{text}");
    }
}

#[test]
fn it_tells_what_the_console_tells() {
    let (_, text) = ask(Action::Delete, 1, true, "");
    for part in
        ["hidden characters", "approval volume-resize-pvc-00000000", "#482", "PRODUCTION", "reason: not now"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn yes_is_not_enough_in_production() {
    assert_eq!(unnamed(&cluster(false), None), None);
    assert!(unnamed(&cluster(true), None).unwrap().contains("--context-name prod-eu"));
    assert_eq!(unnamed(&cluster(true), Some("prod-eu")), None);
    // Whoever names a context means that one, production or not.
    assert!(
        unnamed(&cluster(true), Some("staging")).is_some()
            && unnamed(&cluster(false), Some("staging")).is_some()
    );
}

fn write(n: usize) -> Write {
    Write {
        action: Action::Approve,
        target: Target::of(&approval(approval_json(n, "ns", "c", "80", 5))),
        reason: String::new(),
        by: "maria".to_owned(),
        context: Safe::default(),
        server: Safe::default(),
        at: crate::fixture::night(),
        dry_run: false,
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_once() {
    let calls = std::cell::Cell::new(0);
    let send = async |_: &Write| {
        calls.set(calls.get() + 1);
        Ending::Dropped(Safe::own("Connection refused"))
    };
    let mut endings = Vec::new();
    carry_out((0..4).map(write), send, std::future::pending(), |w| endings.push(w.ending)).await;
    assert_eq!(calls.get(), 1);
    assert_eq!(endings.len(), 4);
    assert_eq!(endings[3].why().unwrap().as_str(), "another one did not reach the server");
}

#[tokio::test]
async fn after_one_without_an_answer_no_other_is_sent() {
    let send = async |write: &Write| match &*write.target.uid {
        "uid-0" => Ending::Failed(Safe::own("the server refused")),
        "uid-1" => Ending::Unknown(Safe::own("the server does not answer")),
        other => panic!("{other} was sent"),
    };
    let mut endings = Vec::new();
    carry_out((0..4).map(write), send, std::future::pending(), |w| endings.push(w.ending)).await;
    let words: Vec<_> = endings.iter().map(Ending::word).collect();
    assert_eq!(words, ["failed", "unknown", "not sent", "not sent"]);
    assert_eq!(endings[3].why().unwrap().as_str(), "no answer came about another one");
}

#[tokio::test]
async fn what_is_interrupted_is_noted() {
    let (begun, stop) = tokio::sync::oneshot::channel();
    let begun = std::cell::Cell::new(Some(begun));
    // The second is on its way and its answer never comes; then somebody presses Ctrl-C.
    let send = async |write: &Write| match &*write.target.uid {
        "uid-0" => Ending::Done,
        "uid-1" => {
            begun.take().map(|b| b.send(()));
            std::future::pending().await
        }
        other => panic!("{other} was sent"),
    };
    let mut endings = Vec::new();
    let stop = async { drop(stop.await) };
    carry_out((0..4).map(write), send, stop, |w| endings.push(w.ending.word())).await;
    assert_eq!(endings, ["done", "unknown", "not sent", "not sent"]);
}
