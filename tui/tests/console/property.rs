//! Whatever comes in whatever order: a write is about what was shown, or there is none.

use std::collections::BTreeMap;

use autopilot_tui::config::Settings;
use autopilot_tui::connection::KindName;
use autopilot_tui::connection::Trouble;
use autopilot_tui::decision::Action;
use autopilot_tui::effect::Effect;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::{Dialog, Field, Focus};
use autopilot_tui::text::Safe;
use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use crate::fixture::{Stage, approval, approval_json};

const OBJECTS: usize = 4;
const KEYS: &[char] =
    &['a', 'x', 'D', 'y', 'n', 'u', ' ', '*', 'U', 'j', 'k', 'y', 'a', '1', '2', '/', 'p', 's', 'C', 'R'];

#[derive(Clone, Debug)]
enum Step {
    Key(usize),
    Repeat(usize),
    Enter,
    Tab,
    BackTab,
    Esc,
    Fill,
    Agree,
    Paste,
    TypeOn(usize),
    Wait(u64),
    Put { object: usize, digest: u8, state: u8 },
    Gone(usize),
    Lost,
    Contact,
    Behind,
    Following,
    Answered,
    Click { column: u16, row: u16 },
    Wheel,
    Resize(usize),
    Stopped,
}

/// Sizes of the terminal: whole, narrow, so low that no question can be read, and so small that nothing is drawn.
const SIZES: [(u16, u16); 4] = [(80, 24), (60, 16), (40, 6), (15, 3)];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS.len()).prop_map(Step::Key),
        1 => (0..KEYS.len()).prop_map(Step::Repeat),
        2 => Just(Step::Enter),
        1 => Just(Step::Tab),
        2 => Just(Step::BackTab),
        1 => Just(Step::Esc),
        3 => Just(Step::Fill),
        4 => Just(Step::Agree),
        1 => Just(Step::Paste),
        2 => (0..OBJECTS).prop_map(Step::TypeOn),
        6 => prop_oneof![0..40u64, 100..900u64, Just(400u64), Just(5100u64)].prop_map(Step::Wait),
        3 => (0..OBJECTS, 0..2u8, 0..4u8).prop_map(|(object, digest, state)| Step::Put { object, digest, state }),
        1 => (0..OBJECTS).prop_map(Step::Gone),
        1 => Just(Step::Lost),
        1 => Just(Step::Contact),
        1 => Just(Step::Behind),
        1 => Just(Step::Following),
        1 => Just(Step::Answered),
        1 => (0..80u16, 0..24u16).prop_map(|(column, row)| Step::Click { column, row }),
        1 => Just(Step::Wheel),
        1 => prop_oneof![3 => Just(0), 1 => 1..SIZES.len()].prop_map(Step::Resize),
        1 => Just(Step::Stopped),
    ]
}

/// The cluster as the test knows it: digest and state by UID.
type World = BTreeMap<String, (String, u8)>;

fn put(stage: &mut Stage, world: &mut World, object: usize, digest: u8, state: u8) {
    let mut json = approval_json(object, "ns", &format!("claim-{object}"), "80", 5);
    let text = format!("{object:08}{digest:08}");
    json["spec"]["actions"][0]["proposal"] = text.clone().into();
    json["status"]["proposal"]["digest"] = text.clone().into();
    let word = ["pending", "approved", "declined", "pending"][usize::from(state)];
    json["spec"]["approvalState"] = word.into();
    if state == 3 {
        json["status"]["decision"] = serde_json::json!({ "digest": text, "outcome": "declined" });
    }
    world.insert(format!("uid-{object}"), (text, state));
    stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
}

/// Another cluster or namespace is watched, in which the same is there.
fn watch(stage: &mut Stage, world: &mut World) {
    stage.feed(ClusterEvent::Contact);
    stage.feed(ClusterEvent::Start(KindName::Approvals));
    for (uid, (digest, state)) in world.clone() {
        put(stage, world, uid[4..].parse().unwrap(), digest[8..].parse().unwrap(), state);
    }
    stage.feed(ClusterEvent::Done(KindName::Approvals));
    assert!(stage.model.link.is_live());
}

/// Fills the fields of a question in, as a person would who read it.
fn fill(stage: &mut Stage) {
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { return };
    let texts: Vec<String> = confirm
        .fields
        .iter()
        .map(|f| match f {
            Field::Reason(_) => "because".to_owned(),
            Field::Typed { expected, .. } => expected.clone(),
        })
        .collect();
    stage.wait(400);
    for text in texts {
        stage.keys(&text);
        stage.press(KeyCode::Tab);
    }
}

/// Goes to the button that does it, and presses it after a moment.
fn agree(stage: &mut Stage) {
    for _ in 0..4 {
        match &stage.model.dialog {
            Some(Dialog::Confirm(confirm)) if confirm.focus != Focus::Yes => stage.press(KeyCode::Tab),
            Some(Dialog::Confirm(_)) => {
                stage.wait(800);
                return stage.press(KeyCode::Enter);
            }
            _ => return,
        }
    }
}

/// Somebody writes a reason while an object goes, and types on: none of the letters is a command.
fn type_on(stage: &mut Stage, world: &mut World, object: usize) {
    let Some(Dialog::Confirm(confirm)) = &stage.model.dialog else { return };
    if !matches!(confirm.focus, Focus::Field(_)) {
        return;
    }
    let decisions = stage.model.decisions;
    stage.wait(400);
    stage.keys("it is ");
    let uid = format!("uid-{object}");
    stage.feed(ClusterEvent::Gone(KindName::Approvals, uid.as_str().into()));
    world.remove(&uid);
    let (open, held) = (shown(stage), stage.model.held.clone());
    stage.keys("already au y qxqD");
    if let Some((_, _, now)) = shown(stage) {
        assert_eq!(open.map(|(.., then)| then), Some(now), "typing on opened a question");
    }
    assert!(!stage.model.quit && stage.model.decisions == decisions, "typing on confirmed");
    let sent =
        |h: &Vec<autopilot_tui::model::Held>| h.iter().all(|h| held.iter().any(|b| b.number == h.number));
    assert!(sent(&stage.model.held), "typing on held something");
}

fn mouse(stage: &mut Stage, kind: MouseEventKind, column: u16, row: u16) {
    stage.settle();
    stage.msg(Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

type Shown = (Action, Vec<(String, Option<String>)>, std::time::Duration);

fn shown(stage: &Stage) -> Option<Shown> {
    match &stage.model.dialog {
        Some(Dialog::Confirm(c)) => {
            let targets = c
                .targets
                .iter()
                .map(|t| (t.uid.to_string(), t.digest.as_deref().map(str::to_owned)))
                .collect();
            Some((c.action, targets, c.opened))
        }
        _ => None,
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
fn play(steps: Vec<Step>) {
    let mut stage = Stage::calm(Settings::default(), (80, 24));
    let mut world = World::new();
    for object in 0..OBJECTS {
        put(&mut stage, &mut world, object, 0, 0);
    }
    stage.model.contexts = vec![Safe::own("staging")];
    stage.settle();
    for step in steps {
        let open = stage.model.held.len() + stage.model.sending.len();
        let before = shown(&stage);
        let held = stage.model.decisions;
        // One at a time goes into a lost connection; the others follow when there is one again.
        let waited = stage.model.sending.iter().filter(|s| s.stale && !s.sent);
        let waited: Vec<_> = waited.map(|s| s.write.target.uid.clone()).collect();
        let marked = stage.model.screen().table_ref().map_or(0, |(_, t)| t.marked().len());
        stage.effects.clear();
        let at = stage.now.mono;
        match &step {
            Step::Key(key) => stage.code(KeyCode::Char(KEYS[*key]), KeyEventKind::Press),
            Step::Repeat(key) => stage.code(KeyCode::Char(KEYS[*key]), KeyEventKind::Repeat),
            Step::Enter => stage.code(KeyCode::Enter, KeyEventKind::Press),
            Step::Tab => stage.code(KeyCode::Tab, KeyEventKind::Press),
            Step::BackTab => stage.code(KeyCode::BackTab, KeyEventKind::Press),
            Step::Esc => stage.code(KeyCode::Esc, KeyEventKind::Press),
            Step::Fill => fill(&mut stage),
            Step::Agree => agree(&mut stage),
            Step::Paste => stage.msg(Msg::Paste("y\n2\nclaim".to_owned())),
            Step::TypeOn(object) => type_on(&mut stage, &mut world, *object),
            Step::Wait(milliseconds) => stage.wait(*milliseconds),
            Step::Put { object, digest, state } => put(&mut stage, &mut world, *object, *digest, *state),
            Step::Gone(object) => {
                let uid = format!("uid-{object}");
                stage.feed(ClusterEvent::Gone(KindName::Approvals, uid.as_str().into()));
                world.remove(&uid);
            }
            Step::Lost => stage.feed(ClusterEvent::Trouble(Trouble::Silent, Safe::own("refused"))),
            Step::Contact => stage.feed(ClusterEvent::Contact),
            Step::Behind => stage.feed(ClusterEvent::Behind(KindName::Approvals)),
            Step::Following => stage.feed(ClusterEvent::Following(KindName::Approvals)),
            Step::Click { column, row } => {
                mouse(&mut stage, MouseEventKind::Down(MouseButton::Left), *column, *row);
            }
            Step::Wheel => mouse(&mut stage, MouseEventKind::ScrollDown, 10, 5),
            Step::Resize(size) => stage.msg(Msg::Resize(SIZES[*size].0, SIZES[*size].1)),
            Step::Stopped => stage.pause(std::time::Duration::from_secs(60)),
            Step::Answered => {
                if let Some(sending) = stage.model.sending.iter().find(|s| s.sent).cloned() {
                    let write = sending.write;
                    let ending = autopilot_tui::decision::Ending::Done;
                    let written = autopilot_tui::decision::Written { at: stage.now.wall, write, ending };
                    stage.msg(Msg::Sent(Box::new(written)));
                }
            }
        }
        if stage.effects.iter().any(|e| matches!(e, Effect::Watch { .. })) {
            assert_eq!(open, 0, "{step:?}: another cluster or namespace while a decision is open");
            watch(&mut stage, &mut world);
        }
        // A question that is open is about what is there.
        if let Some((_, targets, _)) = shown(&stage) {
            assert!(!targets.is_empty(), "an empty selection asked");
            for (uid, digest) in &targets {
                let (now, _) =
                    world.get(uid).unwrap_or_else(|| panic!("{step:?}: {uid} is gone and still asked about"));
                assert_eq!(
                    digest.as_deref(),
                    Some(now.as_str()),
                    "{step:?}: another proposal is asked about"
                );
            }
            if before.is_none() {
                assert!(targets.len() <= marked.max(1), "{step:?}: more than was marked");
            }
        }
        // A decision follows from a question that was on the screen long enough, and from its keys alone.
        if stage.model.decisions > held {
            assert!(
                matches!(step, Step::Key(_) | Step::Enter | Step::Fill | Step::Agree),
                "{step:?} confirmed"
            );
            let (action, targets, opened) = before.expect("confirmed without a question");
            assert!(stage.now.mono - opened >= std::time::Duration::from_millis(300), "too early");
            assert!(
                matches!(step, Step::Fill | Step::Agree)
                    || at - opened >= std::time::Duration::from_millis(300),
                "too early"
            );
            if let Some(held) = stage.model.held.last() {
                assert_eq!(held.action, action);
                let decided: Vec<_> = held
                    .targets
                    .iter()
                    .map(|t| (t.uid.to_string(), t.digest.as_deref().map(str::to_owned)))
                    .collect();
                assert_eq!(decided, targets, "another object was decided than was shown");
            }
        }
        // A write is about what is there, undecided.
        for effect in &stage.effects {
            if let Effect::Send(write) = effect {
                let sending = stage.model.sending.iter().find(|s| s.write.target.uid == write.target.uid);
                let known = sending.is_none_or(|s| s.stale);
                assert!(known || stage.model.link.is_live(), "{step:?}: sent into a lost connection");
                let (digest, state) = world.get(&*write.target.uid).expect("a write on what is gone");
                assert_eq!(
                    write.target.digest.as_deref(),
                    Some(digest.as_str()),
                    "a write on another proposal"
                );
                assert!(write.action == Action::Delete || *state == 0, "a write on what is decided");
                assert!(
                    matches!(
                        step,
                        Step::Wait(_) | Step::Fill | Step::Agree | Step::TypeOn(_) | Step::Answered
                    ) || waited.contains(&write.target.uid),
                    "{step:?} sent at once"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_write_is_about_what_was_shown(steps in proptest::collection::vec(step(), 1..60)) {
        play(steps);
    }
}

/// The property is worth nothing if nothing is ever written.
#[test]
fn the_steps_reach_writes() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = proptest::collection::vec(step(), 1..60);
    let mut writes = 0;
    for _ in 0..1000 {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let mut stage = Stage::calm(Settings::default(), (80, 24));
        let mut world = World::new();
        (0..OBJECTS).for_each(|object| put(&mut stage, &mut world, object, 0, 0));
        for step in steps {
            match step {
                Step::Key(key) => stage.code(KeyCode::Char(KEYS[key]), KeyEventKind::Press),
                Step::Enter => stage.code(KeyCode::Enter, KeyEventKind::Press),
                Step::BackTab => stage.code(KeyCode::BackTab, KeyEventKind::Press),
                Step::Fill => fill(&mut stage),
                Step::Agree => agree(&mut stage),
                Step::Wait(milliseconds) => stage.wait(milliseconds),
                _ => {}
            }
        }
        writes += stage.sent().len();
    }
    assert!(writes > 25, "only {writes} writes");
}

/// Puts, takes, filters and sorts, each followed by the order that a table made anew would have.
#[derive(Clone, Debug)]
enum Turn {
    Put { object: usize, namespace: usize, value: u8, minutes: i64 },
    Gone(usize),
    Filter(usize),
    Sort(usize, bool),
    Later(i64),
    Pause,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (0..12usize, 0..3usize, 50..99u8, 0..90i64).prop_map(|(object, namespace, value, minutes)| {
            Turn::Put { object, namespace, value, minutes }
        }),
        2 => (0..12usize).prop_map(Turn::Gone),
        2 => (0..FILTERS.len()).prop_map(Turn::Filter),
        1 => (0..9usize, any::<bool>()).prop_map(|(column, down)| Turn::Sort(column, down)),
        1 => (1..4000i64).prop_map(Turn::Later),
        1 => Just(Turn::Pause),
    ]
}

const FILTERS: [&str; 5] = ["", "ns=ns1", "usage>70", "age>30m", "!claim1"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_order_that_is_kept_up_to_date_is_the_one_made_anew(
        rounds in proptest::collection::vec(proptest::collection::vec(turn(), 1..6), 1..30),
    ) {
        use autopilot_tui::rows::{Approval, ApprovalColumn, Column as _};
        use autopilot_tui::table::{Rows, TableState};
        let columns = ApprovalColumn::SPECS;
        let mut rows: Rows<Approval> = Rows::default();
        let (mut kept, mut now) = (TableState::new(columns), crate::fixture::night());
        for round in rounds {
            for turn in round {
                match turn {
                    Turn::Put { object, namespace, value, minutes } => {
                        let (ns, claim) = (format!("ns{namespace}"), format!("claim{object}"));
                        rows.put(approval(approval_json(object, &ns, &claim, &value.to_string(), minutes)));
                    }
                    Turn::Gone(object) => drop(rows.remove(&format!("uid-{object}"))),
                    Turn::Filter(at) => kept.set_filter(FILTERS[at], false),
                    Turn::Sort(column, descending) => kept.sort_by(&columns[column], descending),
                    Turn::Later(seconds) => now += jiff::SignedDuration::from_secs(seconds),
                    Turn::Pause => kept.paused = !kept.paused,
                }
            }
            kept.refresh(&rows, now);
            if kept.paused {
                continue;
            }
            let mut anew = TableState::new(columns);
            anew.sort = kept.sort;
            anew.set_filter(&kept.typed, false);
            anew.refresh(&rows, now);
            prop_assert_eq!(kept.order(), anew.order());
        }
    }
}
