//! What a question wants before it is answered, and what it does not take for an answer.

use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Dialog;
use autopilot_tui::text::Safe;
use crossterm::event::{KeyCode, KeyEventKind};

use crate::fixture::{Stage, asks, many, stage};

#[test]
fn what_was_not_on_the_screen_is_not_confirmed() {
    let mut stage = many(40, (80, 24));
    stage.keys("y");
    assert!(asks(&stage) && stage.model.held.is_empty(), "the rest of the list was not shown");
    let mut seen = std::collections::BTreeSet::new();
    let mut look = |stage: &mut Stage| {
        let buffer = autopilot_tui::cli::snapshot::render(&mut stage.model).unwrap();
        let text = autopilot_tui::cli::snapshot::text(&buffer).join("\n");
        seen.extend((0..40).filter(|n| text.contains(&format!("claim-{n} "))));
        seen.len()
    };
    for _ in 0..6 {
        look(&mut stage);
        stage.press(KeyCode::PageDown);
    }
    assert_eq!(look(&mut stage), 40, "every object is on the screen once");
    stage.wait(800);
    stage.keys("y");
    assert!(!asks(&stage) && stage.model.held[0].targets.len() == 40);
}

#[test]
fn a_terminal_that_is_too_small_confirms_nothing() {
    for small in [(80, 6), (80, 4), (15, 24)] {
        let mut stage = many(1, (80, 24));
        stage.msg(Msg::Resize(small.0, small.1));
        stage.settle();
        stage.keys("y");
        assert!(asks(&stage) && stage.model.held.is_empty(), "{small:?}");
        stage.msg(Msg::Resize(60, 16));
        stage.settle();
        stage.wait(800);
        stage.keys("y");
        assert_eq!(stage.model.held.len(), 1, "{small:?}: {:?}", stage.model.dialog);
    }
}

#[test]
fn who_types_on_after_a_withdrawal_gives_no_commands() {
    type Withdraw = fn(&mut Stage);
    let withdrawals: [Withdraw; 2] = [
        |s| s.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-2".into())),
        |s| {
            s.feed(ClusterEvent::Trouble(autopilot_tui::connection::Trouble::Silent, Safe::own("refused")));
            s.feed(ClusterEvent::Contact);
        },
    ];
    for withdraw in withdrawals {
        let mut stage = stage();
        stage.keys("ja");
        stage.wait(400);
        stage.keys("ygx");
        stage.wait(400);
        stage.keys("it was ");
        assert!(asks(&stage) && stage.model.held.len() == 1);
        withdraw(&mut stage);
        stage.keys("already: u y q");
        stage.press(KeyCode::Enter);
        stage.keys("y");
        assert!(matches!(stage.model.dialog, Some(Dialog::Notice { .. })), "{:?}", stage.model.dialog);
        assert!(!stage.model.quit && stage.model.held.len() == 1);
        stage.wait(800);
        stage.code(KeyCode::Enter, KeyEventKind::Press);
        assert!(stage.model.dialog.is_none());
    }
}

#[test]
fn a_key_that_came_too_early_starts_the_moment_anew() {
    let mut stage = stage();
    stage.keys("a");
    for _ in 0..6 {
        stage.keys("q");
    }
    stage.wait(200);
    stage.code(KeyCode::Char('y'), KeyEventKind::Press);
    assert!(asks(&stage) && stage.model.held.is_empty());
}

#[test]
fn a_context_is_production_wherever_its_pattern_has_stars() {
    for (name, context, fits) in [
        ("prod-*", "prod-eu", true),
        ("*-prod", "eu-prod", true),
        ("*prod*", "my-prod-1", true),
        ("eu-*-prod", "eu-1-prod", true),
        ("eu-*-prod", "eu-1-test", false),
        ("*", "anything", true),
        ("prod", "prod", true),
        ("prod", "production", false),
        ("Prod-*", "prod-eu", true),
    ] {
        let rule = autopilot_tui::config::ContextRule { name: name.to_owned(), ..Default::default() };
        assert_eq!(rule.matches(context), fits, "{name} {context}");
    }
}

#[test]
fn a_pasted_reason_keeps_its_lines_and_says_what_was_cut() {
    let reason = |text: &str| {
        let mut stage = stage();
        stage.keys("x");
        stage.wait(400);
        stage.msg(Msg::Paste(text.to_owned()));
        let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { panic!("no question") };
        (confirm.reason(), stage.model.toasts.last().map(|t| t.text.to_string()).unwrap_or_default())
    };
    for text in ["one\rtwo\rthree", "one\r\ntwo\r\nthree", "one\ntwo\nthree"] {
        assert_eq!(reason(text), ("one\ntwo\nthree".to_owned(), String::new()), "{text:?}");
    }
    let (text, told) = reason(&"x".repeat(1200));
    assert!(text.chars().count() == 1025 && told.contains("cut after 1024"), "{told}");
    let (_, told) = reason("a\u{202e}b");
    assert!(told.contains("taken out"), "{told}");
}
