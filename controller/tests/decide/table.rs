//! The resolved state table is data: reference §3 as design §4–6 amend it. A row gives what happens, the states
//! that follow, and what must hold at the end; `says` is the sentence that it answers.

mod approvals;
mod cancels;
mod execution;
mod leftovers;
mod pulls;
mod states;

use autopilot_controller::decide::Regarding;
use autopilot_shared::RuleState as S;
use autopilot_shared::api::Outcome;

use crate::decider::Decider;
use crate::event::Event;
use crate::external_edits;
use crate::world::DecideScene;

/// All there are. Everything that any test journals is checked against it.
pub(crate) const TRANSITIONS: &[(S, S)] = &[
    (S::Initializing, S::Normal),
    (S::Initializing, S::Triggered),
    (S::Normal, S::Triggered),
    (S::Triggered, S::Normal),
    (S::Triggered, S::ActionAwaitingApproval),
    (S::Triggered, S::ActiveActionsPending),
    // Preflight refuses, or a person's answer is found again.
    (S::Triggered, S::ActionsDeclined),
    (S::ActionAwaitingApproval, S::ActiveActionsPending),
    (S::ActionAwaitingApproval, S::ActionsDeclined),
    (S::ActionAwaitingApproval, S::Normal),
    (S::ActionAwaitingApproval, S::Triggered),
    (S::ActionsDeclined, S::Triggered),
    (S::ActionsDeclined, S::Normal),
    (S::ActiveActionsPending, S::ActiveActionsInProgress),
    (S::ActiveActionsPending, S::Normal),
    // The rule was edited, or the PVC is another, before anything was asked for.
    (S::ActiveActionsPending, S::Triggered),
    (S::ActiveActionsInProgress, S::ActiveActionsTaken),
    (S::ActiveActionsInProgress, S::ActiveActionsPending),
    (S::ActiveActionsInProgress, S::ActionsDeclined),
    // Superseded.
    (S::ActiveActionsInProgress, S::Triggered),
    (S::ActiveActionsInProgress, S::Normal),
    (S::ActiveActionsTaken, S::Normal),
];

/// What must hold after the last event of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// How often the controller grew the PVC, and what it requests now.
    Grown(usize, &'static str),
    /// The approval's state as a person sees it, in the spec.
    Asks(&'static str),
    /// Its latch.
    Latched(Outcome),
    /// Its latch names who and by what means.
    SignedBy(&'static str, &'static str, &'static str),
    /// What became of it.
    Executed(&'static str),
    /// A condition that is `True`, with this in its text.
    Condition(&'static str, &'static str),
    /// No condition is `True`.
    NoCondition,
    /// There is no approval.
    NoApproval,
    /// It is there, and nobody has deleted it.
    Kept,
    /// It is deleted, and waits for who holds it.
    Leaves,
    /// The approval has the hashed name.
    Hashed,
    /// The reason in the journal has this in it.
    Because(&'static str),
    /// The backoff's word.
    Backoff(&'static str),
    /// No proposal is journalled.
    NothingProposed,
    /// So many proposals were ever journalled.
    Proposed(usize),
    /// The last event led to no write.
    Quiet,
    /// There is no rule object.
    NoJournal,
    /// An event of this reason has this in its text.
    Told(&'static str, &'static str),
    /// Digests that ever got this latch.
    EverLatched(Outcome, usize),
    /// A write with this in its description.
    Wrote(&'static str),
    /// It is looked at again after so many seconds.
    WakesIn(i64),
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// The sentence of design or reference.
    pub says: &'static str,
    /// The rule is `approvalRequired`.
    pub approval: bool,
    /// What happens.
    pub given: &'static [Event],
    /// All states that are journalled.
    pub path: &'static [S],
    /// What holds then.
    pub then: &'static [Then],
}

/// A controller over the model, that sees everything at once.
pub(crate) struct Scene {
    pub world: DecideScene,
    pub decider: Decider,
}

impl Scene {
    pub(crate) fn new(world: DecideScene) -> Self {
        let decider = Decider::start(&world);
        Scene { world, decider }
    }

    /// Lets an event happen and carries out what follows; how many writes that took.
    pub(crate) fn play(&mut self, event: Event) -> usize {
        self.world.happens(event);
        if event == Event::Restart {
            self.decider = Decider::start(&self.world);
        }
        self.decider.catch_up(&self.world);
        if matches!(event, Event::Pass(..) | Event::After(_)) {
            self.decider.pass(&self.world);
        }
        self.decider.run(&mut self.world)
    }
}

fn check(scene: &Scene, last: usize, then: Then) -> Result<(), String> {
    let world = &scene.world;
    let status = world.status();
    let approval = world.approval();
    let of = |a: &autopilot_controller::decide::Approval| a.raw.status.clone().unwrap_or_default();
    let decision = approval.and_then(|a| of(a).decision);
    let conditions = approval.and_then(|a| of(a).conditions).unwrap_or_default();
    let holds = match then {
        Then::Grown(times, size) => {
            let request = world.claim.as_ref().map(|c| c.request.to_string());
            world.resized.len() == times && request.as_deref() == Some(size)
        }
        Then::Asks(word) => approval.and_then(|a| a.raw.spec.approval_state.as_deref()) == Some(word),
        Then::Latched(outcome) => decision.is_some_and(|d| d.outcome == outcome),
        Then::SignedBy(by, via, why) => {
            decision.is_some_and(|d| (d.by.as_str(), d.via.as_str(), d.reason.as_str()) == (by, via, why))
        }
        Then::Executed(word) => approval.and_then(|a| of(a).execution).is_some_and(|e| e.outcome == word),
        Then::Condition(kind, text) => {
            conditions.iter().any(|c| c.type_ == kind && c.status == "True" && c.message.contains(text))
        }
        Then::NoCondition => conditions.iter().all(|c| c.status == "False"),
        Then::NoApproval => world.approvals.is_empty(),
        Then::Kept => approval.is_some_and(|a| a.raw.metadata.deletion_timestamp.is_none()),
        Then::Leaves => approval.is_some_and(|a| a.raw.metadata.deletion_timestamp.is_some()),
        Then::Hashed => {
            world.approvals.get(&DecideScene::hashed_name()).is_some_and(|a| of(a).proposal.is_some())
        }
        Then::Because(text) => status.and_then(|s| s.reason.as_deref()).is_some_and(|r| r.contains(text)),
        Then::Backoff(word) => status.and_then(|s| s.backoff.as_ref()).is_some_and(|b| b.reason == word),
        Then::NothingProposed => status.is_some_and(|s| s.proposal.is_none()),
        Then::Proposed(count) => world.proposals.len() == count,
        Then::Quiet => last == 0,
        Then::NoJournal => world.journal.is_none(),
        Then::Told(reason, text) => {
            world.events.iter().any(|e| e.reason == reason && e.message.contains(text))
        }
        Then::EverLatched(outcome, count) => {
            world.latched.values().filter(|all| all.contains(&outcome)).count() == count
        }
        Then::Wrote(text) => world.writes.iter().any(|w| w.contains(text)),
        Then::WakesIn(seconds) => {
            scene.decider.wake == Some(world.now + jiff::SignedDuration::from_secs(seconds))
        }
    };
    if holds { Ok(()) } else { Err(format!("{then:?} does not hold")) }
}

/// Plays a row; everything that is wrong with it.
pub(crate) fn play(row: &Row) -> Result<(), String> {
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(row.approval)));
    let mut last = 0;
    for event in row.given {
        last = scene.play(*event);
    }
    let world = &scene.world;
    let wrong: Vec<String> = row.then.iter().filter_map(|then| check(&scene, last, *then).err()).collect();
    let told = world.transitions_told();
    let same_path = world.path == row.path;
    if wrong.is_empty() && same_path && told == row.path.len() {
        return Ok(());
    }
    Err(format!(
        "{}\n  {}\n  path {:?}\n  told {told}, last event took {last} writes\n  {}\n  {:?} {:?}",
        row.says,
        wrong.join(", "),
        world.path,
        world.writes.join("\n  "),
        world.status().map(|s| (&s.reason, &s.backoff)),
        world.approval().map(|a| (&a.raw.spec, a.raw.status.as_ref().map(|s| (&s.decision, &s.conditions)))),
    ))
}

/// Plays all rows of a table.
pub(crate) fn play_all(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().filter_map(|row| play(row).err()).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

#[test]
fn events_say_each_transition_once_about_the_rule_and_once_about_the_pvc() {
    // given an object that was asked about and resized
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    let answered = [external_edits::NOT_MET, external_edits::MET, Event::After(30), Event::Patch("approved")];
    for event in answered.into_iter().chain([external_edits::NOT_MET, Event::After(300)]) {
        scene.play(event);
    }
    // then its events are the guide's listing, in this order, and the PVC has the same
    let about = |rule: bool| -> Vec<String> {
        let told =
            scene.world.events.iter().filter(|e| matches!(e.regarding, Regarding::Rule { .. }) == rule);
        told.map(|e| e.message.replace("rule: volume-resize:pvc-1 transition from ", "")).collect()
    };
    let listing = [
        "Normal => Triggered",
        "Triggered => ActionAwaitingApproval",
        "ActionAwaitingApproval => ActiveActionsPending",
        "ActiveActionsPending => ActiveActionsInProgress",
        "ActiveActionsInProgress => ActiveActionsTaken",
        "ActiveActionsTaken => Normal",
    ];
    assert_eq!(about(true), listing);
    assert_eq!(about(false), listing);
    // and a restart tells nothing again once the journal has it
    scene.play(Event::After(10));
    let told = scene.world.writes.len();
    scene.play(Event::Restart);
    assert_eq!(scene.world.writes.len(), told);
}
