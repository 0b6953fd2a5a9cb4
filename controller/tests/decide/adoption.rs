//! Between the question and its adoption: the approval is there, and the journal has not taken its UID yet.

use autopilot_controller::decide::STALE;
use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Decision, Outcome};

use crate::decider::Fate;
use crate::event::{Digest, Event};
use crate::external_edits::{self, MET, NOT_MET};
use crate::table::Scene;
use crate::world::DecideScene;

/// A question that was created a moment ago.
fn half_asked() -> Scene {
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    scene.play(MET);
    scene.world.happens(Event::Silence(30));
    scene.decider.pass(&scene.world);
    while scene.world.approvals.is_empty() {
        assert!(scene.decider.step(&mut scene.world, Fate::Fine), "nobody was asked");
    }
    assert_eq!(scene.world.path, [S::Triggered]);
    scene
}

/// The writes from here on, each by its first words.
fn writes(scene: &Scene, from: usize) -> Vec<&str> {
    scene.world.writes[from..].iter().map(String::as_str).collect()
}

#[test]
fn an_answer_before_the_adoption_does_not_count_and_is_asked_for_again() {
    for early in [Event::Patch("approved"), Event::Patch("declined"), Event::Put("approved")] {
        // given an answer that comes before the controller has seen the object pending
        let mut scene = half_asked();
        scene.play(early);
        // then it is inert, and says so
        assert!(scene.world.latched.is_empty(), "{early:?}");
        assert!(scene.world.events.iter().any(|e| e.reason == STALE), "{early:?}");
        // and after the reset an answer counts
        scene.play(Event::Silence(2));
        assert_eq!(scene.world.path, [S::Triggered, S::ActionAwaitingApproval], "{early:?}");
        scene.play(Event::Patch("approved"));
        assert_eq!(scene.world.resized.len(), 1, "{early:?}");
    }
}

#[test]
fn a_question_that_was_taken_back_before_its_adoption_is_asked_anew() {
    // given conditions that did not hold for one pass, in which the question was taken back
    let mut scene = half_asked();
    scene.world.happens(NOT_MET);
    scene.decider.pass(&scene.world);
    while scene.world.latched.is_empty() {
        assert!(scene.decider.step(&mut scene.world, Fate::Fine), "it was not taken back");
    }
    // when they hold again before the journal knows
    scene.play(MET);
    scene.play(Event::After(30));
    // then another question is asked, and the first never counts
    assert_eq!(scene.world.path, [S::Triggered, S::ActionAwaitingApproval]);
    assert_eq!(scene.world.proposals.len(), 2);
    assert_eq!(scene.world.approval().unwrap().raw.spec.approval_state.as_deref(), Some("pending"));
}

#[test]
fn taking_back_is_latched_before_the_journal_changes() {
    for (event, goes) in [
        (NOT_MET, S::Normal),
        (Event::Suspend(true), S::Normal),
        (Event::Select(false), S::Normal),
        (Event::Percent("50"), S::Triggered),
        (Event::HandResize("12Gi"), S::Triggered),
    ] {
        let mut scene = half_asked();
        let before = scene.world.writes.len();
        scene.play(event);
        let writes = writes(&scene, before);
        let latch = writes.iter().position(|w| w.contains("Canceled")).expect("no latch");
        let journal = writes.iter().position(|w| w.starts_with("WriteJournal")).expect("no journal");
        assert!(latch < journal, "{event:?}: {writes:#?}");
        assert_eq!(scene.world.status().unwrap().state, Some(goes), "{event:?}");
        assert!(scene.world.approvals.is_empty(), "{event:?}: {writes:#?}");
    }
}

#[test]
fn of_an_open_question_too() {
    // given an adopted question
    for event in [Event::Suspend(true), Event::Select(false), Event::Percent("50"), Event::Recreate] {
        let mut scene = half_asked();
        scene.decider.run(&mut scene.world);
        let before = scene.world.writes.len();
        scene.play(event);
        let writes = writes(&scene, before);
        assert!(writes[0].contains("Canceled"), "{event:?}: {writes:#?}");
        assert!(writes[1].starts_with("WriteJournal"), "{event:?}: {writes:#?}");
    }
}

#[test]
fn a_foreign_object_that_took_the_name_meanwhile_is_left_alone() {
    // given a journalled proposal whose name somebody takes before the approval is created
    let mut scene = half_asked();
    scene.world.approvals.clear();
    scene.world.happens(Event::Foreign);
    let foreign = scene.world.approvals.clone();
    // then the question goes to the other name, with the same proposal
    scene.play(Event::Silence(10));
    assert_eq!(scene.world.path, [S::Triggered, S::ActionAwaitingApproval]);
    assert_eq!(scene.world.proposals.len(), 1);
    assert_eq!(scene.world.approvals[&DecideScene::plain_name()], foreign[&DecideScene::plain_name()]);
    assert!(scene.world.approvals.contains_key(&DecideScene::hashed_name()));
}

#[test]
fn a_latch_about_another_digest_is_no_answer() {
    for outcome in [Outcome::Approved, Outcome::Canceled] {
        // given an adopted question whose latch is about something else: a controller with an old journal wrote it
        let mut scene = half_asked();
        scene.decider.run(&mut scene.world);
        let decision = Decision { digest: "0000".to_owned(), outcome, ..Decision::default() };
        scene.world.touch(&DecideScene::plain_name(), |a| {
            a.raw.status.get_or_insert_default().decision = Some(decision);
        });
        // then nothing is done because of it, and it is asked anew
        scene.play(Event::After(30));
        scene.play(Event::After(30));
        assert!(scene.world.resized.is_empty(), "{outcome:?}");
        assert_eq!(scene.world.status().unwrap().state, Some(S::ActionAwaitingApproval), "{outcome:?}");
        assert_eq!(scene.world.proposals.len(), 2, "{outcome:?}");
    }
}

#[test]
fn an_object_that_a_tool_makes_with_the_current_digest_and_pending_is_adopted() {
    // given that the question was deleted, and a file with its digest is applied before it is asked again
    let mut scene = half_asked();
    scene.world.approvals.clear();
    scene.world.happens(Event::Apply("pending", Digest::Current));
    // then the object is the question, and its preview follows
    scene.play(Event::Silence(1));
    assert_eq!(scene.world.path, [S::Triggered, S::ActionAwaitingApproval]);
    let status = scene.world.approval().unwrap().raw.status.clone().unwrap();
    let preview = &status.action_previews.unwrap()[0];
    assert_eq!(preview.expected_result.message, "PVC will resize from 10Gi to 20Gi");
    assert_eq!(preview.involved_objects[0].uid, "pvc-1");
}
