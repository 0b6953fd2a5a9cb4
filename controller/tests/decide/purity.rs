//! Parts that decisions are made of, one at a time, and what a decision takes for granted.

use autopilot_controller::decide::{Approval, Effect, LAST_APPLIED, Precondition, Request, read};
use autopilot_controller::evaluate::reading::{Baseline, Reading, moved};
use autopilot_controller::evaluate::verdict::{ExpressionResult, Verdict, judge};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ANNOTATION_PROPOSAL, Outcome, Proposal};
use autopilot_shared::rule::Rule;
use jiff::Timestamp;
use serde_json::json;

use crate::decider::{Decider, Fate, writer};
use crate::event::Event;
use crate::external_edits::{self, MET};
use crate::table::Scene;
use crate::world::DecideScene;

/// An approval that a typed client approved: the digest is gone from the actions.
fn by_typed_client() -> (Approval, Proposal) {
    let approval = serde_json::from_value(json!({
        "metadata": {
            "name": "a", "namespace": "n", "uid": "adopted", "annotations": { ANNOTATION_PROPOSAL: "d1" },
        },
        "spec": { "approvalState": "approved", "actions": [{ "name": "resize", "params": { "maxsize": "1Ti" } }] },
    }));
    let proposal = Proposal {
        digest: "d1".to_owned(),
        action: "resize".to_owned(),
        params: Some([("maxsize".to_owned(), "1Ti".to_owned())].into()),
        ..Proposal::default()
    };
    (Approval { raw: approval.unwrap(), writers: vec![writer("torpedo", false)] }, proposal)
}

#[test]
fn a_typed_client_that_drops_the_digest_is_tolerated_under_five_conditions() {
    // given a read-modify-write of the object that the journal took: tolerated
    let (approval, proposal) = by_typed_client();
    assert_eq!(read(&approval, &proposal, Some("adopted")), Request::Decide(Outcome::Approved));
    // then each condition broken in turn makes it inert
    type Break = fn(&mut Approval);
    let broken: [(&str, &str, Break); 7] = [
        ("the annotation has another digest", "adopted", |a| {
            a.raw.metadata.annotations = Some([(ANNOTATION_PROPOSAL.to_owned(), "d0".to_owned())].into());
        }),
        ("there is no annotation", "adopted", |a| a.raw.metadata.annotations = None),
        ("the UID is not the journalled one", "another", |_| {}),
        ("managedFields show an Apply", "adopted", |a| a.writers.insert(0, writer("flux", true))),
        ("managedFields show no Update", "adopted", |a| a.writers.clear()),
        ("there is a last-applied annotation", "adopted", |a| {
            let notes = a.raw.metadata.annotations.get_or_insert_default();
            notes.insert(LAST_APPLIED.to_owned(), String::new());
        }),
        ("the actions are not otherwise equal", "adopted", |a| {
            a.raw.spec.actions.as_mut().unwrap()[0].params = None;
        }),
    ];
    for (what, uid, change) in broken {
        let (mut approval, proposal) = by_typed_client();
        change(&mut approval);
        let request = read(&approval, &proposal, Some(uid));
        assert!(matches!(request, Request::Stale(_)), "{what}: {request:?}");
    }
    // and so does no UID at all: it was never seen pending
    let (approval, proposal) = by_typed_client();
    assert!(matches!(read(&approval, &proposal, None), Request::Stale(_)));
}

#[test]
fn a_digest_from_outside_is_cut_before_it_is_shown() {
    let (mut approval, proposal) = by_typed_client();
    let long = format!("\u{1b}[31m{}", "x".repeat(1 << 20));
    approval.raw.spec.actions.as_mut().unwrap()[0].proposal = Some(long);
    let Request::Stale(why) = read(&approval, &proposal, Some("adopted")) else { panic!("it counts") };
    let why = why.to_string();
    assert!(why.len() < 200 && !why.contains('\u{1b}'), "{}", why.len());
}

#[test]
fn words_of_people_and_servers_are_cut_before_they_are_journalled() {
    // given annotations as long as the API takes them, and a refusal that is longer
    const LONG: &str = "n\u{1b}o ";
    let long: &'static str = Box::leak(LONG.repeat(20_000).into_boxed_str());
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    scene.world.refuses = Some(long.to_owned());
    for event in [MET, Event::After(30), Event::Console("approved", long, long), Event::Restart] {
        scene.play(event);
    }
    // then all of it together stays small
    let journal = serde_json::to_string(scene.world.status().unwrap()).unwrap();
    let approval = serde_json::to_string(&scene.world.approval().unwrap().raw.status).unwrap();
    assert!(journal.len() < 20_000 && approval.len() < 10_000, "{} {}", journal.len(), approval.len());
    assert!(!journal.contains("\\u001b") && journal.contains("refused: n o n o"));
}

#[test]
fn no_data_is_never_not_met() {
    let rule = |required: i64, operators: &[&str]| {
        let expressions: Vec<_> = operators
            .iter()
            .map(|o| json!({ "key": "k", "operator": o, "values": if *o == "Gt" { json!(["1"]) } else { json!([]) } }))
            .collect();
        let mut raw = external_edits::rule(false);
        raw.spec.conditions =
            serde_json::from_value(json!({ "requiredMatches": required, "expressions": expressions }))
                .unwrap();
        Rule::parse(&raw).unwrap()
    };
    let hit = || ExpressionResult::Hit(2.0, "2".into());
    let (all, one) = (rule(0, &["Gt", "Gt"]), rule(1, &["Gt", "Gt"]));
    let absent = rule(0, &["DoesNotExist"]);
    let cases = [
        (&all, vec![hit(), hit()], Verdict::Met),
        (&all, vec![hit(), ExpressionResult::Miss], Verdict::NotMet),
        (&all, vec![hit(), ExpressionResult::Unknown], Verdict::NoData),
        (&all, vec![ExpressionResult::Miss, ExpressionResult::Unknown], Verdict::NotMet),
        (&all, vec![ExpressionResult::Unknown, ExpressionResult::Unknown], Verdict::NoData),
        (&one, vec![hit(), ExpressionResult::Unknown], Verdict::Met),
        (&one, vec![ExpressionResult::Miss, ExpressionResult::Unknown], Verdict::NoData),
        (&one, vec![ExpressionResult::Miss, ExpressionResult::Miss], Verdict::NotMet),
        // DoesNotExist alone never triggers.
        (&absent, vec![ExpressionResult::Absent], Verdict::NoData),
        (&rule(0, &["DoesNotExist", "Gt"]), vec![ExpressionResult::Absent, hit()], Verdict::Met),
        (
            &rule(0, &["DoesNotExist", "Gt"]),
            vec![ExpressionResult::Absent, ExpressionResult::Unknown],
            Verdict::NoData,
        ),
    ];
    for (rule, seen, verdict) in cases {
        assert_eq!(judge(rule, &seen), verdict, "{} of {seen:?}", rule.required);
    }
}

#[test]
fn not_met_is_counted_from_the_last_met_and_survives_no_data() {
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let mut reading = Reading::default();
    for (verdict, seconds, since) in [
        (Verdict::NoData, 10, None),
        (Verdict::NotMet, 20, Some(20)),
        (Verdict::NoData, 30, Some(20)),
        (Verdict::NotMet, 40, Some(20)),
        (Verdict::Met, 50, None),
        (Verdict::NotMet, 60, Some(60)),
        // The clock was set back: what was noted is in the future, and counts from now.
        (Verdict::NotMet, 5, Some(5)),
    ] {
        reading.take(verdict, at(seconds), Vec::new());
        assert_eq!(reading.cleared_since, since.map(at), "{verdict:?} at {seconds}");
    }
}

#[test]
fn a_value_has_moved_when_it_changed_by_half_of_what_the_resize_would_do() {
    let baseline = |values: Vec<Option<f64>>, ratio| Baseline { at: Timestamp::UNIX_EPOCH, values, ratio };
    // (values then, old size / new size, values now, moved)
    let cases = [
        (vec![Some(60.0)], 0.5, vec![Some(60.0)], false),
        (vec![Some(60.0)], 0.5, vec![Some(62.0)], false),
        (vec![Some(60.0)], 0.5, vec![Some(45.0)], true),
        (vec![Some(60.0)], 0.5, vec![Some(30.0)], true),
        (vec![Some(5.3)], 0.5, vec![Some(10.7)], true),
        (vec![Some(10.7)], 10.0 / 12.0, vec![Some(12.9)], true),
        (vec![Some(10.7)], 10.0 / 12.0, vec![Some(11.0)], false),
        (vec![None], 0.5, vec![Some(30.0)], false),
        (vec![Some(60.0)], 0.5, vec![None], false),
        // One that has to do with the size is enough; places are those of the expressions.
        (vec![Some(7.0), Some(60.0)], 0.5, vec![Some(7.0), Some(30.0)], true),
        (vec![None, Some(60.0)], 0.5, vec![Some(30.0), Some(60.0)], false),
    ];
    for (then, ratio, now, expected) in cases {
        let case = format!("{then:?} at {ratio}, {now:?}");
        assert_eq!(moved(&baseline(then, ratio), &now), expected, "{case}");
    }
}

/// A question that is open, and a second controller that started while it was.
fn open_question() -> (Scene, Decider) {
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    scene.play(MET);
    let second = Decider::start(&scene.world);
    scene.play(Event::After(30));
    (scene, second)
}

#[test]
fn an_approval_that_only_an_old_journal_does_not_know_is_not_taken_back() {
    // given a controller that sees the question, and a journal from before it was asked
    let (mut scene, mut second) = open_question();
    second.see_approvals(&scene.world);
    // then it wants to take it back, and must read the journal first
    let (decision, expected) = second.look(&scene.world);
    assert!(matches!(decision.effect, Some(Effect::WriteApprovalStatus { .. })), "{decision:?}");
    assert!(matches!(expected, Some(Precondition::JournalIs { .. })), "{expected:?}");
    // and knows better after it
    second.step(&mut scene.world, Fate::Fine);
    second.run(&mut scene.world);
    assert!(scene.world.latched.is_empty());
}

#[test]
fn an_object_that_another_controller_announced_to_be_normal_is_initializing_for_nobody() {
    // given a controller that has not seen yet that the rule's status says so
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    scene.world.announced = true;
    scene.world.happens(MET);
    scene.decider.pass(&scene.world);
    scene.decider.step(&mut scene.world, Fate::Fine);
    // then it wants to begin the journal with it, and must read the rule first
    let (decision, expected) = scene.decider.look(&scene.world);
    assert!(matches!(decision.effect, Some(Effect::WriteJournal { .. })), "{decision:?}");
    assert!(matches!(expected, Some(Precondition::Unannounced { .. })), "{expected:?}");
    // and the journal goes on from there
    scene.decider.run(&mut scene.world);
    let first = &scene.world.status().unwrap().items[0].message;
    assert!(first.ends_with("transition from Normal => Triggered"), "{first}");
}

#[test]
fn an_answer_is_not_lost_because_a_cache_has_not_seen_the_approval() {
    // given a person's answer, and a controller that sees the journal and no approval yet
    let (mut scene, mut second) = open_question();
    scene.play(Event::Patch("declined"));
    second.see_journal(&scene.world);
    // then it takes the approval for deleted, and must look first
    let (decision, expected) = second.look(&scene.world);
    assert!(matches!(decision.effect, Some(Effect::WriteJournal { .. })), "{decision:?}");
    assert!(matches!(expected, Some(Precondition::ApprovalGone(_))), "{expected:?}");
    // and the answer stands
    second.step(&mut scene.world, Fate::Fine);
    second.run(&mut scene.world);
    assert_eq!(scene.world.path.last(), Some(&RuleState::ActionsDeclined));
    assert_eq!(scene.world.declined.len(), 1);
}

#[test]
fn a_question_is_not_taken_back_because_a_cache_shows_an_old_size() {
    // given a PVC that was resized by hand, a question about its new size, and a controller that sees the old one
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    let mut second = Decider::start(&scene.world);
    scene.world.happens(Event::HandResize("15Gi"));
    scene.decider = Decider::start(&scene.world);
    scene.play(MET);
    second.pass(&scene.world);
    scene.play(Event::After(30));
    second.see_journal(&scene.world);
    second.see_approvals(&scene.world);
    // then it wants to take it back, and must look at the PVC first
    let (decision, expected) = second.look(&scene.world);
    assert!(matches!(decision.effect, Some(Effect::WriteApprovalStatus { .. })), "{decision:?}");
    assert!(matches!(expected, Some(Precondition::PvcIs { .. })), "{expected:?}");
    // and the question stands
    second.step(&mut scene.world, Fate::Fine);
    second.run(&mut scene.world);
    assert!(scene.world.latched.is_empty());
}

#[test]
fn an_approved_action_is_not_given_up_because_a_cache_shows_an_old_size() {
    // given an action that is under way on a PVC that was resized by hand before it was proposed
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    let mut second = Decider::start(&scene.world);
    scene.world.happens(Event::HandResize("15Gi"));
    scene.decider = Decider::start(&scene.world);
    scene.play(MET);
    second.pass(&scene.world);
    scene.play(Event::After(30));
    scene.world.refuses = Some("exceeded quota: storage".to_owned());
    scene.play(Event::Patch("approved"));
    assert_eq!(scene.world.status().and_then(|s| s.state), Some(RuleState::ActiveActionsPending));
    second.see_journal(&scene.world);
    second.see_approvals(&scene.world);
    // when it goes on with what it sees
    for _ in 0..5 {
        second.step(&mut scene.world, Fate::Fine);
    }
    // then the proposal is still there
    assert!(scene.world.status().is_some_and(|s| s.proposal.is_some()), "{:?}", scene.world.path);
}

#[test]
fn usual_writes_find_what_they_expect() {
    let mut scene = Scene::new(DecideScene::new(external_edits::rule(true)));
    let events = [MET, Event::After(30), Event::Patch("approved"), Event::After(100)];
    for event in events {
        scene.play(event);
    }
    assert!(!scene.world.writes.iter().any(|w| w.starts_with("unexpected")), "{:#?}", scene.world.writes);
}
