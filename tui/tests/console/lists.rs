//! What is selected, and what stands still.

use autopilot_tui::config::Settings;
use autopilot_tui::message::ClusterEvent;
use crossterm::event::KeyCode;
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json, asks, screen, stage};

#[test]
fn when_the_selected_row_goes_its_neighbour_is_not_meant() {
    let gone = |stage: &mut Stage, uid: &str| {
        stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, uid.into()));
        stage.settle();
    };
    let selected = |stage: &Stage| stage.model.screen().table_ref().unwrap().1.selected.clone();
    let mut stage = stage();
    gone(&mut stage, "uid-2");
    assert_eq!(selected(&stage), None);
    assert!(stage.model.toasts.iter().any(|t| t.text.as_str().contains("nothing is selected")));
    stage.keys("a");
    assert!(!asks(&stage), "the neighbour was asked about");
    // The next row is the one that moved up.
    stage.keys("j");
    assert_eq!(selected(&stage).as_deref(), Some("uid-0"));
    // Also what leaves a filter is gone from the list, and what goes while it is read in full.
    stage.keys("/state=pending");
    stage.press(KeyCode::Enter);
    let mut json = approval_json(0, "pg1", "pgbench-data", "82.4", 12);
    json["spec"]["approvalState"] = "approved".into();
    stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
    stage.settle();
    assert_eq!(selected(&stage), None);
    stage.keys("j");
    let open = selected(&stage).unwrap();
    stage.press(KeyCode::Enter);
    gone(&mut stage, &open);
    stage.press(KeyCode::Esc);
    stage.settle();
    assert_eq!(selected(&stage), None);
    stage.keys("a");
    assert!(!asks(&stage));
}

#[test]
fn a_list_that_stands_still_shows_no_other_row_in_the_place_of_one_that_went() {
    // Paused, and under a question.
    for (still, on) in [("p", "p"), ("jja", "n")] {
        let mut stage = stage();
        stage.keys(still);
        stage.wait(400);
        stage.settle();
        stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-2".into()));
        stage.feed(ClusterEvent::Approvals(vec![approval(approval_json(9, "other", "newcomer", "99", 1))]));
        assert!(!screen(&mut stage).contains("newcomer"), "{still}");
        stage.keys(on);
        assert!(screen(&mut stage).contains("newcomer"), "{still}");
    }
    // Nor is it selected or marked there.
    let mut stage = stage();
    stage.keys("p");
    stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-2".into()));
    stage.feed(ClusterEvent::Approvals(vec![approval(approval_json(9, "other", "newcomer", "99", 1))]));
    stage.keys("ga");
    assert!(!asks(&stage));
    stage.keys("*");
    let (_, table) = stage.model.screen().table_ref().unwrap();
    assert!(table.marked().iter().all(|id| &**id != "uid-9"));
}

#[test]
fn a_paused_list_shows_what_was_and_decides_on_what_is() {
    let mut stage = stage();
    stage.keys("p");
    let before = screen(&mut stage);
    let mut json = approval_json(2, "payments", "ledger-data-ledger-0", "99.5", 47);
    json["status"]["proposal"]["to"] = "40Gi".into();
    stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
    stage.feed(ClusterEvent::Gone(autopilot_tui::connection::KindName::Approvals, "uid-0".into()));
    let body = |text: &str| text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&screen(&mut stage)), body(&before));
    stage.keys("a");
    assert!(screen(&mut stage).contains("to 40Gi"), "the question is about what is there");
    stage.press(KeyCode::Esc);
    stage.keys("ja");
    assert!(!asks(&stage), "what is gone is not asked about");
    stage.keys("p");
    let after = screen(&mut stage);
    assert!(after.contains("40Gi") && !after.contains("pgbench-data"), "{after}");
}

#[test]
fn a_question_shows_the_episode_it_belongs_to_and_the_object_all() {
    use autopilot_tui::rows::{Names, ObjectRow};
    let mut stage = Stage::calm(Settings::default(), (120, 40));
    let at = |minute: u32| format!("2026-03-01T01:{minute:02}:00Z");
    let step = |minute: u32, state: &str| json!({ "lastProcessTimestamp": at(minute), "state": state, "message": at(minute) });
    let volume = "pvc-00000001-e367-4719-bf8f-bcfc69373434";
    let object = json!({
        "metadata": { "name": "o", "namespace": "ns", "uid": "aro", "labels": { "rule": "volume-resize" } },
        "status": {
            "state": "Normal",
            "object": { "kind": "PersistentVolumeClaim", "name": "claim", "namespace": "ns", "uid": volume },
            "items": [
                step(1, "Normal"), step(5, "Triggered"), step(6, "ActionsDeclined"), step(10, "Normal"),
                step(20, "Triggered"), step(21, "ActionAwaitingApproval"), step(30, "Normal"), step(40, "Triggered"),
            ],
        },
    });
    stage.feed(ClusterEvent::Objects(vec![ObjectRow::from_wire(
        serde_json::from_value(object).unwrap(),
        &mut Names::default(),
    )]));
    let mut question = approval_json(1, "ns", "claim", "80", 5);
    question["status"]["proposal"]["at"] = at(21).into();
    stage.feed(ClusterEvent::Approvals(vec![approval(question)]));
    stage.press(KeyCode::Enter);
    let shown = |text: &str| {
        [1, 5, 6, 10, 20, 21, 30, 40]
            .into_iter()
            .filter(|m| text.contains(&format!("01:{m:02}:00Z")))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&screen(&mut stage)), [20, 21, 30]);
    stage.press(KeyCode::Esc);
    stage.keys("3");
    stage.press(KeyCode::Enter);
    assert_eq!(shown(&screen(&mut stage)).len(), 8);
}

#[test]
fn a_click_ends_the_filter_that_is_typed() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut stage = stage();
    stage.keys("/pending");
    let kind = MouseEventKind::Down(MouseButton::Left);
    let click = MouseEvent { kind, column: 10, row: 4, modifiers: KeyModifiers::NONE };
    stage.msg(autopilot_tui::message::Msg::Mouse(click));
    assert!(stage.model.filtering.is_none());
    assert_eq!(stage.model.screen().table_ref().unwrap().1.typed, "pending", "it is kept");
    // The next key is a command again, and no letter of the filter.
    stage.keys("a");
    assert!(asks(&stage));
}

#[test]
fn words_find_an_approval_by_its_name_and_by_its_digest() {
    for word in ["pvc-00000001-e367", "0000000000000001"] {
        let mut stage = stage();
        stage.keys(&format!("/{word}"));
        stage.press(KeyCode::Enter);
        let text = screen(&mut stage);
        assert!(text.contains("1 of 5") && text.contains("pgbench-state"), "{word}:\n{text}");
    }
}
