//! Moments in which the console does not look, or nothing comes in: a stopped process, a watch that is taken up again.

use std::time::Duration;

use autopilot_tui::config::Settings;
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::Trouble;
use autopilot_tui::content::size::deadline;
use autopilot_tui::decision::{Ending, Written};
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Dialog;
use autopilot_tui::text::Safe;
use crossterm::event::{KeyCode, KeyEvent};

use crate::fixture::{Stage, approval, approval_json, asks, screen, stage};

fn held() -> Stage {
    let mut stage = stage();
    stage.keys("a");
    stage.wait(400);
    stage.keys("y");
    assert_eq!(stage.model.held.len(), 1);
    stage
}

fn behind(stage: &mut Stage) {
    stage.feed(ClusterEvent::Behind(KindName::Approvals));
}

fn follows(stage: &mut Stage) {
    stage.feed(ClusterEvent::Following(KindName::Approvals));
}

#[test]
fn a_countdown_that_nobody_saw_does_not_run_out() {
    for already in [0, 3000, 4500, 4900] {
        let mut stage = held();
        stage.wait(already);
        // Stopped and continued, or the terminal took nothing: the key is what comes first.
        stage.now = stage.now.after(Duration::from_secs(60));
        stage.msg(Msg::Key(KeyEvent::from(KeyCode::Char('u'))));
        assert!(stage.sent().is_empty() && stage.model.held.is_empty(), "after {already} ms");
        assert!(stage.model.toasts.iter().any(|t| t.text.as_str().contains("taken back")));
    }
    // Seen again, it goes on.
    let mut stage = held();
    stage.wait(4500);
    stage.pause(Duration::from_secs(60));
    assert!(stage.sent().is_empty());
    stage.wait(400);
    assert!(stage.sent().is_empty(), "it was not seen");
    stage.wait(1000);
    assert_eq!(stage.sent().len(), 1);
}

#[test]
fn a_terminal_that_takes_nothing_for_a_while_each_time_shows_most_of_the_seconds() {
    let mut stage = held();
    for least in [3800, 2600, 1400, 1000, 1000] {
        stage.pause(Duration::from_secs(10));
        let left = stage.model.held[0].remaining;
        assert!(left >= Duration::from_millis(least) && stage.sent().is_empty(), "{left:?}");
    }
}

#[test]
fn a_watch_that_is_taken_up_again_withdraws_no_question() {
    let mut stage = stage();
    stage.keys("x");
    stage.wait(400);
    stage.keys("it was ");
    behind(&mut stage);
    stage.wait(2000);
    stage.keys("agreed");
    // A new list, where the server knows the old version no more.
    stage.feed(ClusterEvent::Start(KindName::Approvals));
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { panic!("withdrawn") };
    assert_eq!(confirm.reason(), "it was agreed");
}

#[test]
fn a_watch_that_is_not_taken_up_again_withdraws_the_question() {
    let mut stage = stage();
    stage.keys("x");
    stage.wait(400);
    behind(&mut stage);
    let until = deadline(&stage.model).unwrap() - stage.now.mono;
    assert!(until <= Duration::from_secs(5), "nobody would look: {until:?}");
    stage.wait(4900);
    assert!(asks(&stage));
    stage.wait(200);
    assert!(matches!(stage.model.dialog, Some(Dialog::Notice { .. })), "{:?}", stage.model.dialog);
    // And the next question knows.
    stage.wait(400);
    stage.press(KeyCode::Esc);
    stage.keys("a");
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { panic!("no question") };
    assert!(confirm.stale);
}

#[test]
fn a_question_is_withdrawn_by_whatever_comes_first_after_its_time() {
    type What = fn(&mut Stage);
    let whats: [(&str, What); 3] = [
        ("key", |s| s.msg(Msg::Key(KeyEvent::from(KeyCode::Char('y'))))),
        ("answer", |s| {
            s.msg(Msg::Access { round: s.model.access.round(), namespace: None, answers: Vec::new() })
        }),
        ("text", |s| s.msg(Msg::Say(autopilot_tui::message::Tone::Plain, Safe::own("copied")))),
    ];
    for (name, what) in whats {
        let mut stage = stage();
        stage.keys("a");
        stage.settle();
        behind(&mut stage);
        stage.now = stage.now.after(Duration::from_millis(5001));
        what(&mut stage);
        assert!(
            matches!(stage.model.dialog, Some(Dialog::Notice { .. })),
            "{name}: {:?}",
            stage.model.dialog
        );
        assert!(stage.model.held.is_empty(), "{name}");
    }
}

#[test]
fn after_a_lost_connection_an_answer_is_not_enough_before_changes_come_in() {
    let mut stage = stage();
    stage.feed(ClusterEvent::Trouble(Trouble::Silent, Safe::own("refused")));
    behind(&mut stage);
    stage.feed(ClusterEvent::Contact);
    stage.keys("a");
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { panic!("no question") };
    assert!(confirm.stale, "what is shown is as old as the connection was lost");
    stage.press(KeyCode::Esc);
    follows(&mut stage);
    stage.keys("a");
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { panic!("no question") };
    assert!(!confirm.stale);
}

#[test]
fn what_is_held_waits_for_a_watch_that_is_taken_up_again() {
    let mut stage = held();
    stage.wait(4000);
    behind(&mut stage);
    stage.wait(2000);
    let left = |stage: &Stage| stage.model.held.first().map(|h| h.remaining);
    assert_eq!(left(&stage), Some(Duration::from_secs(1)), "it stands still");
    follows(&mut stage);
    assert!(left(&stage) == Some(Duration::from_secs(1)) && stage.sent().is_empty(), "not at once");
    stage.wait(1000);
    assert_eq!(stage.sent().len(), 1);
}

#[test]
fn what_waits_for_a_watch_that_is_taken_up_again_can_be_taken_back() {
    for already in [0, 4000, 4999] {
        let mut stage = held();
        stage.wait(already);
        behind(&mut stage);
        stage.wait(4000);
        assert!(screen(&mut stage).contains("u takes it back"), "after {already} ms");
        stage.keys("u");
        assert!(stage.model.held.is_empty() && stage.model.sending.is_empty());
        follows(&mut stage);
        stage.wait(10_000);
        assert!(stage.sent().is_empty(), "after {already} ms");
    }
}

#[test]
fn what_waits_for_a_watch_that_does_not_come_back_is_not_sent() {
    let mut stage = held();
    stage.wait(4000);
    behind(&mut stage);
    stage.wait(4900);
    assert!(stage.model.written.is_empty());
    assert!(deadline(&stage.model).unwrap() <= stage.now.mono + Duration::from_millis(100));
    // From then on the connection counts as lost: the last second is seen.
    stage.wait(200);
    assert!(stage.model.written.is_empty() && stage.model.held.len() == 1);
    stage.wait(1000);
    assert_eq!(stage.model.written[0].ending.word(), "not sent");
    follows(&mut stage);
    assert!(stage.sent().is_empty());
}

/// All of 20 confirmed although the connection is lost.
fn into_the_dark() -> Stage {
    let mut stage = Stage::calm(Settings::default(), (120, 60));
    let rows = (0..20).map(|n| approval(approval_json(n, "ns", &format!("claim-{n}"), "80", 5)));
    stage.feed(ClusterEvent::Approvals(rows.collect()));
    stage.feed(ClusterEvent::Trouble(Trouble::Silent, Safe::own("refused")));
    stage.settle();
    stage.keys("*a");
    stage.wait(400);
    stage.keys("20");
    stage.press(KeyCode::Tab);
    stage.keys("old");
    stage.press(KeyCode::Tab);
    stage.wait(800);
    stage.keys("y");
    stage.wait(6000);
    stage
}

#[test]
fn a_server_that_is_away_is_not_run_over_by_a_decision_about_many() {
    let mut stage = into_the_dark();
    assert_eq!(stage.sent().len(), 1, "one tries: {:?}", stage.model.dialog);
    let write = stage.model.sending.iter().find(|s| s.sent).unwrap().write.clone();
    let ending = Ending::Dropped(Safe::own("Connection refused"));
    stage.msg(Msg::Sent(Box::new(Written { at: stage.now.wall, write, ending })));
    assert_eq!(stage.sent().len(), 1, "no other one follows");
    assert!(stage.model.sending.is_empty());
    let why = |w: &Written| w.ending.why().unwrap().to_string();
    let others = stage.model.written.iter().filter(|w| why(w) == "another one did not reach the server");
    assert_eq!(others.count(), 19);
}
