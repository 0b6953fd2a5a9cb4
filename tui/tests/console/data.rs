//! What is kept of the cluster, and how it is found and shown.

use autopilot_tui::cli::snapshot::{render, text};
use autopilot_tui::config::Settings;
use autopilot_tui::content::size::next_age_change;
use autopilot_tui::message::ClusterEvent;
use autopilot_tui::rows::{EventColumn, EventRecord, Names, Row as _};
use autopilot_tui::text::Safe;
use crossterm::event::KeyCode;
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json, event, night, object};

fn stage() -> Stage {
    Stage::busy(Settings::default(), (120, 40))
}

/// The screen as text.
fn screen(stage: &mut Stage) -> String {
    text(&render(&mut stage.model).unwrap()).join("\n")
}

#[test]
fn happenings_are_counted_once_however_often_they_are_listed() {
    let mut stage = Stage::calm(Settings::default(), (120, 40));
    for _ in 0..3 {
        stage.feed(ClusterEvent::Events(
            (0..70).map(|minutes| event(1, "Normal", "Triggered", minutes)).collect(),
        ));
        let row = stage.model.store.events.iter().next().unwrap();
        assert_eq!((row.count().as_str(), row.number(EventColumn::Count, night())), ("64+", Some(64.0)));
    }
}

#[test]
fn a_pull_request_is_found_by_its_number() {
    for (filter, rows) in
        [("pr=482", 1), ("pr=#482", 1), ("pr=48", 0), ("pr!=482", 4), ("pr=open", 1), ("pr>400", 1)]
    {
        let mut stage = stage();
        stage.keys("/");
        stage.keys(filter);
        stage.settle();
        let (_, table) = stage.model.screen().table_ref().unwrap();
        assert_eq!(table.order().len(), rows, "{filter}");
    }
}

#[test]
fn every_age_of_a_detail_is_brought_up_to_date() {
    let mut stage = Stage::calm(Settings::default(), (120, 40));
    let mut json = approval_json(1, "pg1", "data", "82", 3 * 24 * 60);
    json["status"]["pullRequest"] = json!({
        "number": 7, "url": "https://github.com/a/b/pull/7", "state": "merged", "at": "2026-03-01T02:12:50.000000Z",
    });
    stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
    stage.press(KeyCode::Enter);
    assert!(screen(&mut stage).contains("(10s ago)"));
    assert_eq!(next_age_change(&stage.model), Some(1));
}

#[test]
fn events_are_those_of_the_namespace_and_of_rules() {
    let mut stage = stage();
    stage.keys("npg1");
    stage.press(KeyCode::Enter);
    stage.keys("2");
    stage.feed(ClusterEvent::Events((0..3).map(|number| event(number, "Normal", "Triggered", 1)).collect()));
    let about_rule = serde_json::from_value(json!({
        "reason": "NotUnderstood", "message": "operator Gt wants one value", "involvedObject": { "name": "pool-expand" },
    }));
    let about_rule = EventRecord::from_wire(&about_rule.unwrap(), &mut Names::default());
    stage.feed(ClusterEvent::Events(vec![about_rule]));
    stage.feed(ClusterEvent::Objects(vec![object(1, "pg1", "pgbench-state", "Triggered", 1)]));
    stage.feed(ClusterEvent::Events(vec![event(1, "Triggered", "ActionAwaitingApproval", 0)]));
    let shown = screen(&mut stage);
    assert!(shown.contains("pgbench-state") && shown.contains("operator Gt"), "{shown}");
    assert_eq!(stage.model.store.events.len(), 2, "what is elsewhere is not shown");
    let row = stage.model.store.events.iter().find(|row| row.pvc.is_some()).unwrap();
    assert_eq!(row.count(), "2", "what happened before it was known is not lost");
}

#[test]
fn another_context_is_named_at_once_and_has_no_colours_of_the_former() {
    let mut stage = stage();
    stage.model.cluster.production = true;
    stage.model.contexts = ["prod-eu", "dev"].into_iter().map(Safe::own).collect();
    stage.keys("Cdev");
    stage.press(KeyCode::Enter);
    assert!(!stage.model.cluster.production);
    let shown = screen(&mut stage);
    assert!(
        shown.starts_with(" dev ") && !shown.contains("prod-eu") && !shown.contains("10.1.2.3"),
        "{shown}"
    );
}
