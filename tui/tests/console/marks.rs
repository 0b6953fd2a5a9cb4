//! Marked rows: what nobody sees is not decided, and what went is not replaced by its neighbour.

use autopilot_tui::connection::KindName;
use autopilot_tui::message::ClusterEvent;
use autopilot_tui::model::{Confirm, Dialog};
use crossterm::event::KeyCode;

use crate::fixture::{Stage, asks, screen, stage};

fn gone(stage: &mut Stage, uid: &str) {
    stage.feed(ClusterEvent::Gone(KindName::Approvals, uid.into()));
    stage.settle();
}

fn question(stage: &Stage) -> &Confirm {
    match &stage.model.dialog {
        Some(Dialog::Confirm(confirm)) => confirm,
        other => panic!("no question: {other:?}"),
    }
}

fn uids(stage: &Stage) -> Vec<&str> {
    question(stage).targets.iter().map(|t| &*t.uid).collect()
}

fn told(stage: &Stage, what: &str) -> bool {
    stage.model.toasts.iter().any(|t| t.text.as_str().contains(what))
}

/// The first two are marked, `payments` and `pg1`; then a filter is typed.
fn marked(filter: &str) -> Stage {
    let mut stage = stage();
    stage.keys(&format!("  /{filter}"));
    stage.press(KeyCode::Enter);
    stage
}

#[test]
fn marked_rows_that_the_filter_hides_are_left_out_and_the_rest_is_counted() {
    let mut stage = marked("ns=pg1");
    stage.settle();
    assert!(screen(&mut stage).contains("2 marked (1 hidden)"));
    stage.keys("a");
    assert_eq!(uids(&stage), ["uid-0"], "the hidden one is left out");
    let text = screen(&mut stage);
    assert!(text.contains("1 marked, but hidden by the filter: left out"), "{text}");
    stage.wait(800);
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    assert!(asks(&stage) && stage.model.held.is_empty(), "without the number");
    stage.press(KeyCode::Tab);
    stage.keys("1");
    stage.press(KeyCode::BackTab);
    stage.press(KeyCode::Enter);
    stage.wait(6000);
    assert_eq!(stage.sent().iter().map(|w| &*w.target.uid).collect::<Vec<_>>(), ["uid-0"]);
    // What was hidden is still marked, and seen again without the filter.
    stage.keys("Fx");
    assert_eq!(uids(&stage), ["uid-2"]);
}

#[test]
fn a_decision_is_about_what_a_filter_shows_although_no_picture_came_since() {
    let mut stage = stage();
    stage.keys("  /ns=pg1");
    // As keys that come together: nothing is drawn between them.
    for code in [KeyCode::Enter, KeyCode::Char('a')] {
        stage.now = stage.now.after(std::time::Duration::from_millis(120));
        let event = crossterm::event::KeyEvent::from(code);
        stage.msg(autopilot_tui::message::Msg::Key(event));
    }
    assert_eq!(uids(&stage), ["uid-0"]);
}

#[test]
fn where_all_that_is_marked_is_hidden_nothing_is_meant() {
    let mut stage = marked("ns=shop");
    for key in ["a", "x", "D"] {
        stage.keys(key);
        assert!(!asks(&stage), "{key} asks about what is not marked, or not shown");
        assert!(told(&stage, "all that is marked is hidden by the filter"), "{key}");
    }
    stage.keys("Ua");
    assert_eq!(uids(&stage), ["uid-4"], "unmarked, it is the selected row");
}

#[test]
fn when_all_that_was_marked_went_the_selected_row_is_not_meant() {
    for key in ["a", "x", "D"] {
        let mut stage = stage();
        stage.keys(" ");
        gone(&mut stage, "uid-2");
        assert!(told(&stage, "1 gone: nothing is marked any more"));
        // Long after that message went.
        stage.wait(60_000);
        stage.keys(key);
        assert!(!asks(&stage), "{key} hit the selected row");
        assert!(told(&stage, "what was marked is gone"));
        stage.keys(key);
        assert_eq!(uids(&stage), ["uid-0"], "said once more, it is meant");
    }
    // It went between the last picture and the key.
    let mut stage = stage();
    stage.keys(" ");
    stage.feed(ClusterEvent::Gone(KindName::Approvals, "uid-2".into()));
    stage.now = stage.now.after(std::time::Duration::from_millis(1));
    stage.msg(autopilot_tui::message::Msg::Key(crossterm::event::KeyEvent::from(KeyCode::Char('a'))));
    assert!(!asks(&stage));
}

#[test]
fn another_reason_that_is_told_does_not_make_that_over() {
    let mut stage = stage();
    stage.keys(" ");
    stage.model.read_only = true;
    gone(&mut stage, "uid-2");
    stage.keys("a");
    assert!(told(&stage, "what was marked is gone"));
    stage.keys("a");
    assert!(told(&stage, "approve: read-only"));
}

#[test]
fn a_decision_is_about_all_marked_rows_that_are_shown_in_their_order() {
    let order = |stage: &mut Stage| {
        stage.settle();
        let (_, table) = stage.model.screen().table_ref().unwrap();
        let rows = table.order().iter().filter_map(|s| table.row(&stage.model.store.approvals, *s));
        rows.filter(|r| table.marked().contains(&r.uid)).map(|r| r.uid.to_string()).collect::<Vec<_>>()
    };
    for keys in ["   ", "*", "  S", "* /pg1", "  /ns=pg*", "*s", "*kk ", "p*"] {
        let mut stage = stage();
        stage.keys(keys);
        if keys.contains('/') {
            stage.press(KeyCode::Enter);
        }
        let shown = order(&mut stage);
        stage.keys("D");
        assert_eq!(uids(&stage), shown, "after {keys:?}");
        assert!(!shown.is_empty());
    }
}

#[test]
fn when_some_of_what_was_marked_went_that_is_told_and_the_rest_is_meant() {
    let mut stage = stage();
    stage.keys("  ");
    gone(&mut stage, "uid-2");
    assert!(told(&stage, "1 gone: 1 are left"));
    stage.keys("a");
    assert_eq!(uids(&stage), ["uid-0"]);
}
