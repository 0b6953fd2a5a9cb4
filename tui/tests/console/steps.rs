//! What each step of a decision does, one at a time.

use autopilot_tui::cluster::send;
use autopilot_tui::config::Settings;
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::{Answer, Trouble, Verb};
use autopilot_tui::decision::{Action, Ending, Written};
use autopilot_tui::effect::Effect;
use autopilot_tui::keymap::Keymap;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Dialog;
use autopilot_tui::table::Sort;
use autopilot_tui::text::Safe;
use crossterm::event::{KeyCode, KeyEventKind};
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json};

fn stage() -> Stage {
    Stage::busy(Settings::default(), (120, 40))
}

fn asks(stage: &Stage) -> bool {
    matches!(stage.model.dialog, Some(Dialog::Confirm(_)))
}

#[test]
fn approving_holds_five_seconds_and_sends_what_was_shown() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    assert!(!asks(&stage) && stage.model.held.len() == 1);
    stage.wait(4800);
    assert!(stage.sent().is_empty());
    stage.wait(300);
    let sent = stage.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].action, &*sent[0].target.uid, sent[0].by.as_str()),
        (Action::Approve, "uid-2", "maria@example.com")
    );
    let patch = send::patch(sent[0]);
    assert_eq!(patch[0], json!({ "op": "test", "path": "/metadata/uid", "value": "uid-2" }));
    let digest = json!({ "op": "test", "path": "/spec/actions/0/proposal", "value": "0000000000000002" });
    assert_eq!(patch[1], digest);
}

#[test]
fn undo_sends_nothing() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(2000);
    stage.keys("u");
    stage.wait(10_000);
    assert!(stage.sent().is_empty() && stage.model.held.is_empty());
}

#[test]
fn the_default_is_no() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.press(KeyCode::Enter);
    assert!(!asks(&stage) && stage.model.held.is_empty());
}

#[test]
fn the_first_moment_confirms_nothing() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(100);
    stage.code(KeyCode::Char('y'), KeyEventKind::Press);
    assert!(asks(&stage) && stage.model.held.is_empty());
}

#[test]
fn a_key_that_is_held_down_confirms_nothing() {
    for kind in [KeyEventKind::Press, KeyEventKind::Repeat] {
        let mut stage = stage();
        stage.keys("a");
        for _ in 0..40 {
            stage.wait(33);
            stage.code(KeyCode::Char('y'), kind);
        }
        assert!(asks(&stage) && stage.model.held.is_empty());
    }
}

#[test]
fn pasted_text_confirms_nothing() {
    let mut with_brackets = stage();
    with_brackets.keys("a");
    with_brackets.wait(1000);
    with_brackets.msg(Msg::Paste("y\ny\n".to_owned()));
    assert!(asks(&with_brackets) && with_brackets.model.held.is_empty());

    let mut without = stage();
    without.keys("a");
    without.wait(1000);
    for c in "yes please".chars() {
        without.wait(1);
        without.code(KeyCode::Char(c), KeyEventKind::Press);
    }
    without.wait(10_000);
    assert!(without.model.held.is_empty() && without.sent().is_empty());
}

#[test]
fn a_change_withdraws_the_question() {
    type Change = fn(&mut serde_json::Value);
    let changes: [Change; 4] = [
        |j| j["spec"]["actions"][0]["proposal"] = "ffffffffffffffff".into(),
        |j| j["spec"]["approvalState"] = "declined".into(),
        |j| j["metadata"]["deletionTimestamp"] = "2026-03-01T02:13:00Z".into(),
        |j| {
            j["status"]["pullRequest"] =
                json!({ "number": 1, "url": "https://github.com/a", "state": "open" })
        },
    ];
    for change in changes {
        let mut stage = stage();
        stage.keys("a");
        stage.wait(1000);
        let mut json = approval_json(2, "payments", "ledger-data-ledger-0", "97.25", 47);
        change(&mut json);
        if json["status"]["pullRequest"].is_null() {
            json["status"]["pullRequest"] = json!({ "number": 482, "url": "https://github.com/example/gitops/pull/482", "state": "open" });
        }
        stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
        assert!(!asks(&stage));
    }
    let mut stage = stage();
    stage.keys("a");
    stage.wait(1000);
    stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-2".into()));
    assert!(!asks(&stage));
}

#[test]
fn a_held_decision_about_what_changed_is_not_sent() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-2".into()));
    stage.wait(6000);
    assert!(stage.sent().is_empty());
    assert!(
        stage.effects.iter().any(|e| matches!(e, Effect::Note(w) if matches!(w.ending, Ending::Dropped(_))))
    );
}

#[test]
fn declining_wants_a_reason() {
    let mut stage = stage();
    stage.keys("x");
    stage.wait(400);
    stage.press(KeyCode::BackTab);
    stage.keys("y");
    assert!(asks(&stage) && stage.model.held.is_empty());
    stage.press(KeyCode::Tab);
    stage.keys("not now");
    stage.press(KeyCode::Enter);
    stage.keys("ask again at six");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    stage.wait(6000);
    let sent = stage.sent();
    assert_eq!((sent[0].action, sent[0].reason.as_str()), (Action::Decline, "not now\nask again at six"));
}

#[test]
fn deleting_wants_the_name_and_many_want_the_count() {
    let mut stage = stage();
    stage.keys("D");
    stage.wait(400);
    stage.keys("volume-resize-pvc-00000002-e367-4719-bf8f-bcfc6937343");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    assert!(asks(&stage) && stage.model.held.is_empty());
    stage.press(KeyCode::Tab);
    stage.keys("4");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    stage.wait(6000);
    assert_eq!(stage.sent().len(), 1);

    let mut many = self::stage();
    many.keys("  a");
    many.wait(400);
    many.keys("3");
    many.press(KeyCode::BackTab);
    many.press(KeyCode::Enter);
    assert!(asks(&many));
    many.press(KeyCode::Tab);
    many.press(KeyCode::Backspace);
    many.keys("2");
    many.press(KeyCode::BackTab);
    many.press(KeyCode::Enter);
    many.wait(6000);
    assert_eq!(many.sent().len(), 2);
}

#[test]
fn nothing_selected_is_nothing() {
    let mut stage = Stage::calm(Settings::default(), (80, 24));
    for key in ["a", "x", "D"] {
        stage.keys(key);
        assert!(stage.model.dialog.is_none(), "{key}");
    }
}

#[test]
fn read_only_and_rbac_refuse_with_the_reason() {
    let mut stage = stage();
    stage.model.read_only = true;
    stage.keys("a");
    assert!(stage.model.dialog.is_none());

    let mut denied = self::stage();
    denied.model.access.forget();
    let answer = Answer { allowed: false, reason: Safe::own("maria may not patch actionapprovals") };
    let round = denied.model.access.round();
    denied.msg(Msg::Access {
        round,
        namespace: Some("payments".into()),
        answers: vec![(Verb::Patch, answer)],
    });
    denied.keys("a");
    assert!(denied.model.dialog.is_none());
    assert!(denied.model.toasts.iter().any(|t| t.text.as_str().contains("maria may not patch")));
}

#[test]
fn what_may_be_done_is_asked_for_every_namespace_that_is_marked() {
    let mut stage = stage();
    stage.model.access.forget();
    stage.effects.clear();
    stage.keys("*");
    stage.settle();
    let asked = |stage: &Stage| {
        let asked = stage.effects.iter().filter_map(|e| match e {
            Effect::AskAccess { namespace: Some(namespace), .. } => Some(namespace.to_string()),
            _ => None,
        });
        asked.collect::<std::collections::BTreeSet<_>>()
    };
    let all = ["payments", "pg1", "shop"].map(str::to_owned).into();
    assert_eq!(asked(&stage), all);
}

#[test]
fn an_answer_about_a_former_context_is_none() {
    let mut stage = stage();
    let before = stage.model.access.round();
    stage.model.access.forget();
    let answer = Answer { allowed: false, reason: Safe::own("not in the other cluster") };
    stage.msg(Msg::Access {
        round: before,
        namespace: Some("payments".into()),
        answers: vec![(Verb::Patch, answer)],
    });
    stage.keys("a");
    assert!(asks(&stage));
}

#[test]
fn a_decision_on_its_way_is_not_doubled() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("ya");
    assert!(!asks(&stage), "it is held");
    stage.wait(6000);
    stage.keys("a");
    assert!(!asks(&stage), "it is on its way");
    let write = stage.sent()[0].clone();
    let written = Written { at: stage.now.wall, write, ending: Ending::Denied(Safe::own("no")) };
    stage.msg(Msg::Sent(Box::new(written)));
    stage.keys("a");
    assert!(asks(&stage));
}

#[test]
fn old_data_wants_a_word_more() {
    let mut stage = stage();
    let text = Safe::own("Connection refused");
    stage.feed(ClusterEvent::Trouble(autopilot_tui::connection::Trouble::Silent, text));
    stage.keys("a");
    stage.wait(400);
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    assert!(asks(&stage) && stage.model.held.is_empty());
}

#[test]
fn every_command_is_in_the_table_once_and_every_key_is_one() {
    use autopilot_tui::commands::{COMMANDS, Group};
    let mut keys = std::collections::BTreeSet::new();
    for entry in COMMANDS {
        assert_eq!(COMMANDS.iter().filter(|e| e.command == entry.command || e.name == entry.name).count(), 1);
        assert_eq!(entry.command.entry().name, entry.name);
        for key in entry.keys {
            let parsed: autopilot_tui::keymap::Key = key.parse().unwrap();
            assert_eq!(parsed.to_string(), *key);
            assert!(keys.insert((entry.group == Group::Answer, *key)), "{key} twice");
            assert!(!entry.writes || !(parsed.ctrl || *key == "enter"), "{key} writes");
        }
    }
    let map = |name: &str, keys: &[&str]| {
        let keys = keys.iter().map(|k| (*k).to_owned()).collect();
        Keymap::with(&[(name.to_owned(), keys)].into())
    };
    assert!(map("approve", &["A"]).is_ok());
    assert!(map("undo", &[]).is_err() && map("theme", &["u"]).unwrap_err().to_string().contains("theme"));
    assert!(map("undo", &["z"]).is_ok());
    assert!(map("approve", &["ctrl-a"]).is_err() && map("delete", &["enter"]).is_err());
    assert!(map("aprove", &["A"]).is_err() && map("approve", &["space-bar"]).is_err());
    // A question has keys of its own, and there must be one out of it.
    assert!(map("yaml", &["tab"]).is_ok() && map("yes", &["j"]).is_ok() && map("yes", &["n", "n"]).is_err());
    assert!(map("cancel", &[]).is_err() && map("no", &["esc"]).is_ok());
    // While a text is typed there must be a way out of it.
    assert!(map("cancel", &["q"]).is_err() && map("accept", &["z"]).is_err());
    assert!(map("next-field", &[]).is_ok() && map("cancel", &["f1"]).is_ok());
    // What is pressed for something else confirms nothing.
    for key in ["ctrl-y", "a", "x", "D", "u", "esc", "tab", "left"] {
        assert!(map("yes", &[key]).is_err(), "{key}");
    }
    assert!(map("approve", &["y"]).is_err());
}

#[test]
fn who_wants_to_leave_twice_does_not_let_what_is_held_go_on() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    for _ in 0..3 {
        stage.keys("q");
        stage.wait(6000);
        assert!(matches!(stage.model.dialog, Some(Dialog::Leave(_))) && stage.sent().is_empty());
    }
    stage.press(KeyCode::Esc);
    stage.wait(6000);
    assert_eq!(stage.sent().len(), 1);
}

#[test]
fn the_keys_of_questions_lists_and_the_filter_can_be_changed() {
    let changes = [
        ("yes", "j"),
        ("no", "N"),
        ("cancel", "f1"),
        ("accept", "f2"),
        ("next-line", "f3"),
        ("rub-out", "f4"),
    ];
    let changes = changes.map(|(name, key)| (name.to_owned(), vec![key.to_owned()]));
    let settings = Settings { keymap: Keymap::with(&changes.into()).unwrap(), ..Settings::default() };
    let mut stage = Stage::busy(settings, (120, 40));
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(400);
    assert!(asks(&stage) && screen(&mut stage).contains("j yes"), "y means nothing now");
    stage.press(KeyCode::Esc);
    stage.wait(400);
    assert!(asks(&stage), "nor does esc");
    stage.press(KeyCode::F(1));
    assert!(!asks(&stage) && stage.model.held.is_empty());
    stage.keys("a");
    stage.wait(400);
    stage.keys("j");
    assert_eq!(stage.model.held.len(), 1, "where nothing asks, j is still the next row");

    stage.keys("/pgbench-dataj");
    stage.press(KeyCode::F(4));
    stage.press(KeyCode::F(2));
    assert!(
        stage.model.filtering.is_none() && screen(&mut stage).contains("1 of 5"),
        "what is typed is text"
    );
    stage.keys(":yes");
    assert!(
        !screen(&mut stage).contains("Yes: write it"),
        "what answers a question is no command of its own"
    );
    stage.press(KeyCode::F(1));
    assert!(stage.model.dialog.is_none());
}

/// The screen as text.
fn screen(stage: &mut Stage) -> String {
    use autopilot_tui::cli::snapshot::{render, text};
    text(&render(&mut stage.model).unwrap()).join("\n")
}

#[test]
fn a_view_says_nothing_of_what_it_may_not_see_or_has_not_seen_yet() {
    let mut stage = Stage::calm(Settings::default(), (120, 40));
    let why = "events is forbidden: User \"vera\" cannot list resource in the namespace \"default\"";
    stage.feed(ClusterEvent::Denied(KindName::Events, Trouble::Forbidden, Safe::new(why)));
    stage.feed(ClusterEvent::Start(KindName::Rules));
    stage.wait(41_000);
    let head = screen(&mut stage);
    assert!(head.contains("live (rules: loading 0, events: denied for 41s)"), "{head}");
    assert!(head.contains("2 Events ?") && head.contains("Nothing waits for you."), "{head}");
    stage.keys("2");
    let events = screen(&mut stage);
    assert!(events.contains("You may not list events in namespace default"), "{events}");
    stage.keys("4");
    let rules = screen(&mut stage);
    assert!(rules.contains("Reading the list") && !rules.contains("There are no rules"), "{rules}");
    assert!(stage.model.dim() && !stage.model.stale());
    stage.feed(ClusterEvent::Done(KindName::Rules));
    assert!(!stage.model.dim());
    assert!(screen(&mut stage).contains("There are no rules"));
}

#[test]
fn every_column_of_every_view_can_be_sorted_by_at_once() {
    for (key, columns) in "1234".chars().zip(autopilot_tui::rows::View::ALL.map(|v| v.columns())) {
        for column in columns {
            let mut stage = stage();
            stage.keys(&format!("{key}:sort {}", column.id));
            stage.press(KeyCode::Enter);
            let (_, table) = stage.model.screen().table_ref().unwrap();
            assert_eq!(
                table.sort,
                Some(Sort { column, descending: column.descending }),
                "{} in view {key}",
                column.id
            );
        }
    }
}

#[test]
fn trying_anew_asks_anew_what_may_be_done() {
    let mut stage = stage();
    stage.model.access.forget();
    let answer = Answer { allowed: false, reason: Safe::own("maria may not patch actionapprovals") };
    let round = stage.model.access.round();
    stage.msg(Msg::Access {
        round,
        namespace: Some("payments".into()),
        answers: vec![(Verb::Patch, answer)],
    });
    stage.settle();
    stage.effects.clear();
    stage.keys("R");
    stage.settle();
    assert!(stage.effects.iter().any(|e| matches!(e, Effect::AskAccess { .. })), "{:?}", stage.effects);
    stage.keys("a");
    assert!(asks(&stage), "what is not known is not refused");
    stage.press(KeyCode::Esc);
    // The key is held down: at most once a second.
    stage.wait(1000);
    let before = stage.model.access.round();
    for _ in 0..60 {
        stage.wait(30);
        stage.code(KeyCode::Char('R'), KeyEventKind::Repeat);
    }
    assert_eq!(stage.model.access.round(), before + 2);
}
