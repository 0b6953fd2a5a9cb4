//! Between yes and the answer: held, on its way, ended, or not.

use std::time::Duration;

use autopilot_tui::cluster::send;
use autopilot_tui::config::Settings;
use autopilot_tui::decision::{Action, Ending, Written};
use autopilot_tui::effect::Effect;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Dialog;
use autopilot_tui::text::Safe;
use crossterm::event::KeyCode;
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json, many, screen, stage};

fn leaves(stage: &Stage) -> bool {
    matches!(stage.model.dialog, Some(Dialog::Leave(_)))
}

#[test]
fn what_is_held_is_on_the_screen_as_long_as_its_seconds_run() {
    for size in [(120, 40), (60, 16), (40, 5)] {
        let mut stage = Stage::busy(Settings::default(), (120, 40));
        stage.keys("a");
        stage.wait(400);
        stage.keys("y");
        stage.msg(Msg::Resize(size.0, size.1));
        for n in 0..6 {
            stage.msg(Msg::Say(autopilot_tui::message::Tone::Bad, Safe::new(&format!("message {n}"))));
        }
        let text = screen(&mut stage);
        assert!(text.contains("u takes it back"), "{size:?}:\n{text}");
        // Where it cannot be seen, or the key means something else, nothing is sent.
        for (open, close) in [("j?", KeyCode::Esc), ("/", KeyCode::Esc), (":", KeyCode::Esc)] {
            stage.keys(open);
            stage.wait(20_000);
            assert!(stage.sent().is_empty(), "{size:?}: sent under {open}");
            stage.press(close);
        }
        stage.msg(Msg::Resize(19, 4));
        stage.wait(20_000);
        assert!(stage.sent().is_empty(), "sent unseen");
        stage.msg(Msg::Resize(size.0, size.1));
        stage.wait(5000);
        assert_eq!(stage.sent().len(), 1);
    }
}

#[test]
fn leaving_asks_while_something_is_held_and_nothing_is_sent_behind_the_question() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(4500);
    stage.keys("q");
    assert!(leaves(&stage));
    stage.wait(60_000);
    assert!(stage.sent().is_empty() && stage.model.held.len() == 1, "sent behind the question");
    stage.keys("n");
    stage.wait(100);
    assert!(stage.sent().is_empty(), "the countdown goes on where it stood");
    stage.wait(1000);
    assert_eq!(stage.sent().len(), 1);
}

#[test]
fn leaving_asks_while_something_is_on_its_way() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(5100);
    assert_eq!(stage.sent().len(), 1);
    stage.keys("q");
    assert!(leaves(&stage) && !stage.model.quit);
    stage.wait(400);
    stage.keys("y");
    assert!(stage.model.quit);
}

#[test]
fn whatever_ends_the_console_what_is_open_is_noted() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(5100);
    stage.keys("jx");
    stage.wait(400);
    stage.keys("not now");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    assert_eq!((stage.model.sending.len(), stage.model.held.len()), (1, 1), "{:?}", stage.model.dialog);
    let noted: Vec<(String, &str)> = autopilot_tui::update::abandon(&mut stage.model)
        .iter()
        .map(|e| match e {
            Effect::Note(written) => (written.write.target.uid.to_string(), written.ending.word()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(noted[0], ("uid-2".to_owned(), "unknown"));
    assert_eq!((noted.len(), noted[1].1), (2, "not sent"));
    assert_eq!(stage.model.written.len(), 2);
    assert!(stage.model.held.is_empty() && stage.model.sending.is_empty());
}

#[test]
fn what_did_not_end_well_stays_until_it_is_put_away() {
    let mut stage = many(20, (120, 40));
    stage.wait(800);
    stage.keys("y");
    for _ in 0..30 {
        stage.wait(1000);
        let sent: Vec<_> = stage.model.sending.iter().map(|s| s.write.clone()).collect();
        for write in sent {
            let ending = match &*write.target.uid {
                "uid-3" => Ending::Changed(Safe::own("its proposal changed")),
                "uid-7" => Ending::Unknown(Safe::own("the server does not answer")),
                "uid-9" => Ending::Denied(Safe::own("maria may not")),
                _ => Ending::Done,
            };
            stage.msg(Msg::Sent(Box::new(Written { at: stage.now.wall, write, ending })));
        }
    }
    let text = screen(&mut stage);
    let line = "17 approved, 2 not, 1 perhaps (no answer): ns/claim-7: the server does not answer";
    assert!(text.contains(line), "{text}");
    let marks = |text: &str| text.lines().filter(|l| l.starts_with('✗') || l.starts_with('⚠')).count();
    assert_eq!(marks(&text), 3, "{text}");
    stage.keys("w");
    let list = screen(&mut stage);
    assert!(list.contains("unknown") && list.contains("done, by") && list.contains("maria may"), "{list}");
    stage.press(KeyCode::Esc);
    assert!(screen(&mut stage).contains(line));
    stage.press(KeyCode::Esc);
    let text = screen(&mut stage);
    assert!(!text.contains("17 approved") && marks(&text) == 0, "{text}");
}

#[test]
fn a_decision_stays_with_the_cluster_it_was_made_in() {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    stage.wait(5100);
    let write = stage.model.sending[0].write.clone();
    stage.msg(Msg::Sent(Box::new(Written { at: stage.now.wall, write, ending: Ending::Done })));
    // Another context, chosen as a person would, and known once its feed says so.
    stage.model.contexts = vec![Safe::own("staging")];
    stage.keys("C");
    stage.press(KeyCode::Enter);
    let cluster =
        autopilot_tui::connection::ClusterLabel { context: Safe::own("staging"), ..Default::default() };
    stage.feed(ClusterEvent::Cluster(Box::new(cluster)));
    let lines = autopilot_tui::app::summary(&stage.model.written);
    assert!(lines[0].ends_with("on prod-eu"), "{lines:?}");
    assert!(autopilot_tui::app::audit::line(&stage.model.written[0]).contains("\"context\":\"prod-eu\""));
}

#[test]
fn what_is_held_is_not_sent_into_a_lost_connection() {
    let lost = |stage: &mut Stage| {
        stage.feed(ClusterEvent::Trouble(autopilot_tui::connection::Trouble::Silent, Safe::own("refused")));
    };
    let mut held = stage();
    held.keys("a");
    held.wait(400);
    held.keys("y");
    lost(&mut held);
    held.wait(6000);
    assert!(held.sent().is_empty() && held.model.written[0].ending.word() == "not sent");
    // Who has typed that it may be old knew it.
    let mut old = stage();
    lost(&mut old);
    old.keys("a");
    old.wait(400);
    old.keys("old");
    old.press(KeyCode::Tab);
    old.press(KeyCode::Tab);
    old.press(KeyCode::Enter);
    old.wait(6000);
    assert_eq!(old.sent().len(), 1, "{:?}", old.model.dialog);
}

#[test]
fn what_waits_for_its_turn_is_not_sent_once_something_is_wrong() {
    type Wrong = fn(&mut Stage);
    let wrongs: [(&str, Wrong); 4] = [
        ("lost", |s| {
            s.feed(ClusterEvent::Trouble(autopilot_tui::connection::Trouble::Silent, Safe::own("refused")))
        }),
        ("read-only", |s| s.model.read_only = true),
        ("unknown", |s| {
            let write = s.model.sending[0].write.clone();
            let ending = Ending::Unknown(Safe::own("the server does not answer"));
            s.msg(Msg::Sent(Box::new(Written { at: s.now.wall, write, ending })));
        }),
        ("not reached", |s| {
            let write = s.model.sending[0].write.clone();
            let ending = Ending::Dropped(Safe::own("Connection refused (os error 111)"));
            s.msg(Msg::Sent(Box::new(Written { at: s.now.wall, write, ending })));
        }),
    ];
    for (name, wrong) in wrongs {
        let mut stage = many(20, (120, 40));
        stage.wait(800);
        stage.keys("y");
        stage.wait(5100);
        assert_eq!((stage.sent().len(), stage.model.sending.len()), (8, 20), "{name}");
        wrong(&mut stage);
        while let Some(sending) = stage.model.sending.first().cloned() {
            let written = Written { at: stage.now.wall, write: sending.write, ending: Ending::Done };
            stage.msg(Msg::Sent(Box::new(written)));
        }
        assert_eq!(stage.sent().len(), 8, "{name}");
        let dropped = stage.model.written.iter().filter(|w| w.ending.word() == "not sent").count();
        assert_eq!(dropped, if name == "not reached" { 13 } else { 12 }, "{name}");
    }
}

#[test]
fn after_a_sleep_nothing_is_sent_and_nothing_confirmed() {
    let sleep = |stage: &mut Stage| {
        stage.now.wall += Duration::from_secs(3600);
        stage.wait(10);
    };
    let mut held = stage();
    held.keys("a");
    held.wait(400);
    held.keys("yjx");
    held.wait(400);
    sleep(&mut held);
    assert!(matches!(held.model.dialog, Some(Dialog::Notice { .. })));
    held.wait(800);
    held.press(KeyCode::Esc);
    held.wait(20_000);
    assert!(held.sent().is_empty() && held.model.held.is_empty());
    assert!(held.effects.contains(&Effect::Awake), "the cluster is asked at once");
}

#[test]
fn a_write_tests_the_whole_state_that_was_shown() {
    let patch = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = approval_json(1, "ns", "claim", "80", 5);
        change(&mut json);
        let write = autopilot_tui::decision::Write {
            action: Action::Approve,
            target: autopilot_tui::decision::Target::of(&approval(json)),
            reason: String::new(),
            by: "maria".to_owned(),
            context: Safe::default(),
            server: Safe::default(),
            at: crate::fixture::night(),
            dry_run: false,
        };
        let steps = send::patch(&write);
        steps.as_array().unwrap().iter().filter(|s| s["op"] == "test").cloned().collect::<Vec<_>>()
    };
    let test = |path: &str, value: serde_json::Value| json!({ "op": "test", "path": path, "value": value });
    let undecided = test("/status/decision", json!(null));
    let plain = patch(&|_| {});
    assert!(plain.contains(&test("/spec/approvalState", json!("pending"))) && plain.contains(&undecided));
    let absent = patch(&|j| drop(j["spec"].as_object_mut().unwrap().remove("approvalState")));
    assert!(absent.contains(&test("/spec/approvalState", json!(null))) && absent.contains(&undecided));
    let altered = patch(&|j| j["spec"]["approvalState"] = "pend\u{202e}ing".into());
    assert!(altered.contains(&test("/metadata/resourceVersion", json!("100"))), "{altered:?}");
}

#[test]
fn a_write_says_who_when_with_what_and_why() {
    let mut stage = stage();
    stage.keys("x");
    stage.wait(400);
    stage.keys("not now");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    stage.wait(5000);
    let steps = send::patch(stage.sent()[0]);
    let said = |name: &str| {
        let path = format!("/metadata/annotations/autopilot.libopenstorage.org~1{name}");
        let step = steps.as_array().unwrap().iter().find(|s| s["path"] == path.as_str());
        step.unwrap_or_else(|| panic!("no {name}"))["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(said("decided-by"), "maria@example.com");
    assert_eq!(said("decided-via"), "console");
    assert_eq!(said("decision-reason"), "not now");
    // The moment of the write, not that of the key.
    let at: jiff::Timestamp = said("decided-at").parse().unwrap();
    assert_eq!(at, stage.now.wall);
}

#[test]
fn where_there_is_no_room_it_is_the_middle_of_a_name_that_goes() {
    let mut stage = Stage::busy(Settings::default(), (60, 16));
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    let text = screen(&mut stage);
    let line = text.lines().find(|l| l.contains("takes it back")).unwrap();
    assert!(line.contains("5 s") && line.contains("u takes it back") && line.contains("ledger-0"), "{line}");
    stage.wait(5000);
    let write = stage.sent()[0].clone();
    let ending = Ending::Changed(Safe::own("somebody decided it in between"));
    stage.msg(Msg::Sent(Box::new(Written { at: stage.now.wall, write, ending })));
    let text = screen(&mut stage);
    assert!(text.contains("ledger-0") && text.contains("somebody decided it in between"), "{text}");
}

#[test]
fn no_other_namespace_or_context_while_something_is_held_or_on_its_way() {
    for waited in [0, 5100] {
        let mut stage = stage();
        stage.model.contexts = vec![Safe::own("staging")];
        // A list that was opened before, and one that is opened now.
        stage.keys("a");
        stage.wait(400);
        stage.keys("y");
        stage.wait(waited);
        for key in ["n", "C"] {
            stage.keys(key);
            assert!(stage.model.dialog.is_none(), "{key} after {waited} ms");
        }
        stage.keys(":");
        stage.keys("context");
        stage.press(KeyCode::Enter);
        assert_eq!(stage.model.generation, 0);
        assert!(!stage.effects.iter().any(|e| matches!(e, Effect::Watch { .. })));
        assert_eq!(stage.model.held.len() + stage.model.sending.len(), 1);
    }
}

#[test]
fn a_production_context_wants_its_name_typed() {
    let mut stage = stage();
    stage.model.cluster.production = true;
    stage.keys("a");
    stage.wait(800);
    for typed in ["", "prod-e", "prod-eu "] {
        stage.press(KeyCode::Home);
        let event =
            crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL);
        stage.wait(120);
        stage.msg(Msg::Key(event));
        stage.keys(typed);
        stage.press(KeyCode::BackTab);
        stage.press(KeyCode::Enter);
        assert!(stage.model.held.is_empty(), "{typed:?} is not its name");
        assert!(matches!(stage.model.dialog, Some(Dialog::Confirm(_))));
        stage.press(KeyCode::Tab);
    }
    stage.press(KeyCode::Backspace);
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    assert_eq!(stage.model.held.len(), 1, "{:?}", stage.model.dialog);
}

#[test]
fn what_is_open_is_known_even_where_nothing_can_end_well() {
    use autopilot_tui::app::crash_report::CrashReport;
    let mut last = CrashReport::new();
    let words = |last: &CrashReport| -> Vec<(String, &str)> {
        last.interrupted().iter().map(|w| (w.write.target.uid.to_string(), w.ending.word())).collect()
    };
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    last.follow(&stage.model);
    assert_eq!(words(&last), [("uid-2".to_owned(), "not sent")]);
    stage.wait(5100);
    last.follow(&stage.model);
    last.sent(stage.sent()[0]);
    stage.keys("ja");
    stage.wait(400);
    stage.keys("y");
    last.follow(&stage.model);
    assert_eq!(words(&last), [("uid-2".to_owned(), "unknown"), ("uid-0".to_owned(), "not sent")]);
    // Taken back, and answered.
    stage.keys("u");
    last.follow(&stage.model);
    let write = stage.sent()[0].clone();
    last.ended(&Written { at: stage.now.wall, write, ending: Ending::Done });
    assert_eq!(words(&last), []);
}
