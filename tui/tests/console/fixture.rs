//! A small world at a fixed time of night, and keys to press in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use autopilot_tui::clock::Now;
use autopilot_tui::config::Settings;
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::{Answer, ClusterLabel, Verb};
use autopilot_tui::content::size::{counts_down, deadline};
use autopilot_tui::effect::Effect;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::{Dialog, Model};
use autopilot_tui::rows::{Approval, EventRecord, Names, ObjectRow, RuleRow};
use autopilot_tui::text::Safe;
use autopilot_tui::update::{settle, update};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::{Value, json};

/// 02:13 at night.
pub(crate) fn night() -> jiff::Timestamp {
    "2026-03-01T02:13:00Z".parse().unwrap()
}

/// So many minutes before.
fn ago(minutes: i64) -> String {
    night().checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap().to_string()
}

/// An approval as the API has it.
pub(crate) fn approval_json(number: usize, namespace: &str, claim: &str, value: &str, minutes: i64) -> Value {
    let volume = format!("pvc-{number:08x}-e367-4719-bf8f-bcfc69373434");
    let digest = format!("{number:016x}");
    json!({
        "metadata": {
            "name": format!("volume-resize-{volume}"), "namespace": namespace, "uid": format!("uid-{number}"),
            "resourceVersion": "100", "creationTimestamp": ago(minutes),
            "labels": { "rule": "volume-resize", "object": volume },
            "annotations": { "autopilot.libopenstorage.org/proposal": digest },
        },
        "spec": {
            "approvalState": "pending",
            "actions": [{ "name": "resize", "params": { "scalepercentage": "100" }, "proposal": digest }],
        },
        "status": {
            "Rule": { "Name": "volume-resize", "Namespace": "" },
            "actionPreviews": [{
                "action": { "name": "resize" },
                "expectedResult": { "Message": "PVC will resize from 10Gi to 20Gi" },
                "involvedObjects": [{
                    "kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": claim, "namespace": namespace,
                    "uid": volume,
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "postgres", "uid": "u" }],
                }],
            }],
            "proposal": {
                "id": "x", "digest": digest, "action": "resize", "from": "10Gi", "to": "20Gi", "pvcUID": "p",
                "ruleHash": "h", "at": format!("{}", ago(minutes).replace('Z', ".000000Z")),
                "measured": [{
                    "key": "100 * (px_volume_usage_bytes / px_volume_capacity_bytes)", "operator": "Gt",
                    "values": ["50"], "value": value,
                }],
            },
        },
    })
}

/// What the console keeps of it.
pub(crate) fn approval(value: Value) -> Approval {
    Approval::from_wire(serde_json::from_value(value).unwrap(), &mut Names::default())
}

pub(crate) fn object(number: usize, namespace: &str, claim: &str, state: &str, minutes: i64) -> ObjectRow {
    let volume = format!("pvc-{number:08x}-e367-4719-bf8f-bcfc69373434");
    let step = |minutes: i64, state: &str| json!({ "lastProcessTimestamp": ago(minutes), "state": state, "message": "" });
    let value = json!({
        "metadata": { "name": format!("{volume}-volume-resize"), "namespace": namespace, "uid": format!("aro-{number}"),
                      "labels": { "rule": "volume-resize" }, "creationTimestamp": ago(minutes + 60) },
        "status": {
            "state": state, "since": ago(minutes).replace('Z', ".000000Z"), "transitions": 4,
            "reason": "the conditions hold: 82.4 > 50",
            "object": { "kind": "PersistentVolumeClaim", "name": claim, "namespace": namespace, "uid": volume },
            "items": [step(minutes + 60, "Normal"), step(minutes + 1, "Triggered"), step(minutes, state)],
        },
    });
    ObjectRow::from_wire(serde_json::from_value(value).unwrap(), &mut Names::default())
}

fn rule(name: &str, ready: &str) -> RuleRow {
    let condition = |kind: &str, status: &str, message: &str| {
        json!({ "type": kind, "status": status, "reason": "Checked", "message": message,
                "lastTransitionTime": ago(600) })
    };
    let value = json!({
        "metadata": { "name": name, "uid": format!("rule-{name}"), "creationTimestamp": ago(60 * 24 * 12) },
        "spec": {
            "enforcement": "approvalRequired", "weight": 10,
            "conditions": { "expressions": [{
                "key": "100 * (px_volume_usage_bytes / px_volume_capacity_bytes)", "operator": "Gt", "values": ["50"],
            }] },
            "actions": [{ "name": "openstorage.io.action.volume/resize",
                          "params": { "scalepercentage": "100", "maxsize": "400Gi" } }],
        },
        "status": {
            "objects": 42, "states": { "Normal": 36, "ActionAwaitingApproval": 5, "ActionsDeclined": 1 },
            "conditions": [condition("Ready", ready, "operator Gt wants one value"),
                           condition("DataAvailable", "True", "42 of 42 objects have data")],
        },
    });
    RuleRow::from_wire(serde_json::from_value(value).unwrap(), &mut Names::default())
}

pub(crate) fn event(number: usize, from: &str, to: &str, minutes: i64) -> EventRecord {
    let text = format!(
        "rule: volume-resize:pvc-{number:08x}-e367-4719-bf8f-bcfc69373434 transition from {from} => {to}"
    );
    let value = json!({
        "metadata": { "name": format!("e{number}{minutes}"), "namespace": "default", "uid": format!("e{number}{minutes}") },
        "reason": "Transition", "type": "Normal", "message": text, "lastTimestamp": ago(minutes),
        "involvedObject": { "kind": "AutopilotRule", "name": "volume-resize" },
    });
    EventRecord::from_wire(&serde_json::from_value(value).unwrap(), &mut Names::default())
}

/// No deadline comes sooner.
const MOMENT: Duration = Duration::from_millis(1);

/// A console, its clock and what it asked for.
#[derive(Debug)]
pub(crate) struct Stage {
    pub model: Model,
    pub now: Now,
    pub effects: Vec<Effect>,
}

impl Stage {
    /// Before anything is known.
    pub(crate) fn empty(settings: Settings, size: (u16, u16)) -> Stage {
        let cluster = ClusterLabel {
            context: Safe::own("prod-eu"),
            raw_context: "prod-eu".into(),
            cluster: Safe::own("eu-1"),
            server: Safe::own("https://10.1.2.3:6443"),
            user: Safe::own("maria@example.com"),
            production: false,
            sealed: false,
        };
        let now = Now { mono: Duration::from_secs(100), wall: night() };
        let mut model = Model::new(settings, cluster, None, size);
        model.now = now;
        model.link.started = Some(now);
        Stage { model, now, effects: Vec::new() }
    }

    /// Connected to a cluster in which nothing waits.
    pub(crate) fn calm(settings: Settings, size: (u16, u16)) -> Stage {
        let mut stage = Stage::empty(settings, size);
        stage.feed(ClusterEvent::Contact);
        for kind in KindName::ALL {
            stage.feed(ClusterEvent::Start(kind));
            stage.feed(ClusterEvent::Done(kind));
        }
        stage
    }

    /// A night with some work.
    pub(crate) fn busy(settings: Settings, size: (u16, u16)) -> Stage {
        let mut stage = Stage::calm(settings, size);
        stage.feed(ClusterEvent::Rules(vec![rule("volume-resize", "True"), rule("pool-expand", "False")]));
        let claims = [
            ("pg1", "pgbench-data", "82.4", 12),
            ("pg1", "pgbench-state", "61", 3),
            ("payments", "ledger-data-ledger-0", "97.25", 47),
            ("payments", "ledger-data-ledger-1", "55.5", 130),
            ("shop", "elasticsearch-data-elasticsearch-master-0", "71.3", 0),
        ];
        let mut rows = Vec::new();
        for (number, (namespace, claim, value, minutes)) in claims.into_iter().enumerate() {
            let mut json = approval_json(number, namespace, claim, value, minutes);
            if number == 2 {
                json["status"]["pullRequest"] = json!({
                    "number": 482, "url": "https://github.com/example/gitops/pull/482", "state": "open",
                });
            }
            if number == 3 {
                json["spec"]["approvalState"] = "declined".into();
                json["status"]["decision"] = json!({
                    "digest": "0000000000000003", "outcome": "declined", "by": "jonas@example.com", "via": "console",
                    "reason": "the cleanup job runs at six", "at": "2026-03-01T01:58:00.000000Z",
                });
            }
            rows.push(approval(json));
            let state = if number == 3 { "ActionsDeclined" } else { "ActionAwaitingApproval" };
            stage.feed(ClusterEvent::Objects(vec![object(number, namespace, claim, state, minutes)]));
            stage.feed(ClusterEvent::Events(vec![
                event(number, "Initializing", "Normal", minutes + 60),
                event(number, "Normal", "Triggered", minutes + 1),
                event(number, "Triggered", "ActionAwaitingApproval", minutes),
            ]));
        }
        stage.feed(ClusterEvent::Approvals(rows));
        for verb in [Verb::Patch, Verb::Delete] {
            let answer = Answer { allowed: true, reason: Safe::default() };
            stage.msg(Msg::Access {
                round: stage.model.access.round(),
                namespace: None,
                answers: vec![(verb, answer)],
            });
        }
        stage.settle();
        stage
    }

    pub(crate) fn msg(&mut self, msg: Msg) {
        self.effects.extend(update(&mut self.model, self.now, msg));
    }

    pub(crate) fn feed(&mut self, feed: ClusterEvent) {
        self.msg(Msg::ClusterEvent(self.model.generation, feed));
    }

    pub(crate) fn settle(&mut self) {
        self.effects.extend(settle(&mut self.model));
    }

    /// Time goes by, without anything happening; while something counts down, the console looks at it as often as it must.
    pub(crate) fn wait(&mut self, milliseconds: u64) {
        let mut left = Duration::from_millis(milliseconds);
        while !left.is_zero() {
            let counts = !self.model.held.is_empty() && counts_down(&self.model);
            let next = deadline(&self.model).filter(|_| counts);
            let step =
                next.map_or(left, |at| at.saturating_sub(self.now.mono)).clamp(MOMENT, left.max(MOMENT));
            self.pause(step.min(left));
            left -= step.min(left);
        }
    }

    /// Time goes by in one: the console was stopped, or its terminal took nothing.
    pub(crate) fn pause(&mut self, by: Duration) {
        self.now = self.now.after(by);
        self.msg(Msg::Tick);
    }

    pub(crate) fn code(&mut self, code: KeyCode, kind: KeyEventKind) {
        self.settle();
        let event = KeyEvent::new_with_kind(code, KeyModifiers::NONE, kind);
        self.msg(Msg::Key(event));
    }

    /// Presses a key as a person does: a while after the one before.
    pub(crate) fn press(&mut self, code: KeyCode) {
        self.wait(120);
        self.code(code, KeyEventKind::Press);
    }

    pub(crate) fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// What was sent to the cluster.
    pub(crate) fn sent(&self) -> Vec<&autopilot_tui::decision::Write> {
        self.effects
            .iter()
            .filter_map(|e| match e {
                Effect::Send(write) => Some(write.as_ref()),
                _ => None,
            })
            .collect()
    }
}

/// A night with some work, in a wide terminal.
pub(crate) fn stage() -> Stage {
    Stage::busy(Settings::default(), (120, 40))
}

/// Whether a question is open.
pub(crate) fn asks(stage: &Stage) -> bool {
    matches!(stage.model.dialog, Some(Dialog::Confirm(_)))
}

/// What is on the screen.
pub(crate) fn screen(stage: &mut Stage) -> String {
    let buffer = autopilot_tui::cli::snapshot::render(&mut stage.model).unwrap();
    autopilot_tui::cli::snapshot::text(&buffer).join("\n")
}

/// Asks whether to approve all of so many; the number is typed, the buttons have the keys.
pub(crate) fn many(count: usize, size: (u16, u16)) -> Stage {
    let mut stage = Stage::calm(Settings::default(), size);
    let rows = (0..count).map(|n| approval(approval_json(n, "ns", &format!("claim-{n}"), "80", 5)));
    stage.feed(ClusterEvent::Approvals(rows.collect()));
    stage.settle();
    stage.keys("*a");
    stage.wait(400);
    stage.keys(&count.to_string());
    stage.press(KeyCode::Tab);
    stage
}

/// Whether nothing in a line is obeyed by a terminal, or hides.
pub(crate) fn harmless(line: &str) -> bool {
    line.chars().all(|c| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{ad}' | '\u{e0000}'..='\u{e0fff}' | '\u{3164}')
    })
}

/// A folder of the checkout.
pub(crate) fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Holds a generated file against the committed one; with `AUTOPILOT_UPDATE` set, writes it.
pub(crate) fn committed(path: &Path, text: &str, stale: &mut Vec<String>) {
    if std::env::var_os("AUTOPILOT_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    if std::fs::read_to_string(path).unwrap_or_default() != text {
        stale.push(path.display().to_string());
    }
}
