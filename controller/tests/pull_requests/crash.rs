//! A controller dies before or after any write, or loses the answer; two work at once with late watches. One pull
//! request per proposal, nothing decided that nobody decided, each outcome told once, nothing left behind.

use std::collections::BTreeMap;

use autopilot_controller::pull_requests::PullRequestSettings;
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::Fault;
use crate::scene::{ForgeScene, settings};

/// A whole life, with a pause after each step in which everybody works.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scenario {
    MergedAndDone,
    Closed,
    Deleted,
    ApprovedInCluster,
    Canceled,
    ProposedAnew,
    MergedThenDeleted,
    Orphaned,
}

pub(crate) const SCENARIOS: [Scenario; 8] = [
    Scenario::MergedAndDone,
    Scenario::Closed,
    Scenario::Deleted,
    Scenario::ApprovedInCluster,
    Scenario::Canceled,
    Scenario::ProposedAnew,
    Scenario::MergedThenDeleted,
    Scenario::Orphaned,
];

/// A pause that is long enough for what was refused to be tried again.
fn pause(scene: &mut ForgeScene) {
    scene.run(SignedDuration::from_mins(4));
}

/// Tells the scenario; gives what must be: pull requests, decision, comments.
pub(crate) fn tell(
    scene: &mut ForgeScene,
    scenario: Scenario,
) -> (usize, Option<Outcome>, &'static [&'static str]) {
    scene.propose("a");
    pause(scene);
    let expected: (usize, Option<Outcome>, &'static [&'static str]) = match scenario {
        Scenario::MergedAndDone => {
            scene.forge.merge(1, "alice");
            pause(scene);
            scene.flux();
            pause(scene);
            scene.execute("a", "done");
            (1, Some(Outcome::Approved), &["done"])
        }
        Scenario::Closed => {
            scene.forge.close_by(1, "bob");
            (1, Some(Outcome::Declined), &["declined"])
        }
        Scenario::Deleted => {
            scene.delete("a");
            (1, None, &["deleted"])
        }
        Scenario::ApprovedInCluster => {
            scene.kubectl("a", "approved");
            pause(scene);
            scene.execute("a", "done");
            (1, Some(Outcome::Approved), &["decided", "done"])
        }
        Scenario::Canceled => {
            scene.cancel("a", "why not");
            (1, Some(Outcome::Canceled), &["canceled"])
        }
        Scenario::ProposedAnew => {
            scene.propose("a");
            pause(scene);
            scene.forge.close_by(2, "bob");
            (2, Some(Outcome::Declined), &["replaced", "declined"])
        }
        Scenario::MergedThenDeleted => {
            scene.forge.merge(1, "alice");
            pause(scene);
            scene.delete("a");
            (1, None, &["deleted"])
        }
        Scenario::Orphaned => {
            scene.cluster.state().edit(&crate::scene::key("a"), |a| a.raw.metadata.finalizers = None);
            scene.delete("a");
            (1, None, &["orphaned"])
        }
    };
    pause(scene);
    expected
}

/// With everything that can be written to a pull request.
pub(crate) fn decorated() -> PullRequestSettings {
    PullRequestSettings {
        labels: vec!["storage".to_owned()],
        reviewers: vec!["alice".to_owned()],
        ..settings()
    }
}

fn check(scene: &mut ForgeScene, expected: (usize, Option<Outcome>, &'static [&'static str]), case: &str) {
    for pull in scene.forge.pulls() {
        assert!(pull.labels.contains(&"storage".to_owned()), "{case}: {pull:?}");
        assert!(pull.reviewers.contains(&"alice".to_owned()), "{case}: {pull:?}");
    }
    check_once(scene, expected, case);
}

/// Everything happened, and once.
pub(crate) fn check_once(
    scene: &mut ForgeScene,
    expected: (usize, Option<Outcome>, &'static [&'static str]),
    case: &str,
) {
    let (pulls, decision, said) = expected;
    assert_eq!(scene.forge.pulls().len(), pulls, "{case}");
    assert_eq!(scene.decision("a").map(|d| d.outcome), decision, "{case}");
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in scene.forge.state().comments.values().flatten() {
        for outcome in autopilot_controller::pull_requests::text::marker::outcomes(text) {
            *counted.entry(outcome.to_owned()).or_default() += 1;
        }
    }
    for word in said {
        let times: Vec<usize> = counted
            .iter()
            .filter(|(outcome, _)| outcome.starts_with(&format!("{word} ")))
            .map(|(_, times)| *times)
            .collect();
        assert_eq!(times, [1], "{case}: {word} in {counted:?}");
    }
    assert_eq!(counted.len(), said.len(), "{case}: {counted:?}");
    scene.assert_clean();
}

#[test]
fn every_write_to_the_forge_may_fail_or_lose_its_answer() {
    let mut cases = 0;
    for scenario in SCENARIOS {
        let mut quiet = ForgeScene::with(decorated());
        tell(&mut quiet, scenario);
        let writes = quiet.forge.state().counts.writes;
        for number in 1..=writes {
            for fault in [Fault::Before, Fault::After] {
                for mortal in [false, true] {
                    let mut scene = ForgeScene::with(decorated());
                    scene.mortal = mortal;
                    scene.forge.state().faults.insert(number, fault);
                    let expected = tell(&mut scene, scenario);
                    let case = format!("{scenario:?}, write {number} of {writes}, {fault:?}, dies: {mortal}");
                    check(&mut scene, expected, &case);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 200, "{cases}");
}

#[test]
fn every_write_to_the_cluster_may_fail_or_lose_its_answer() {
    for scenario in SCENARIOS {
        let mut quiet = ForgeScene::with(decorated());
        tell(&mut quiet, scenario);
        let writes = quiet.cluster.state().writes;
        for number in 1..=writes {
            for happens in [false, true] {
                let mut scene = ForgeScene::with(decorated());
                scene.cluster.state().lose.insert(number, happens);
                let expected = tell(&mut scene, scenario);
                check(&mut scene, expected, &format!("{scenario:?}, write {number}, happened: {happens}"));
            }
        }
    }
}

/// The second controller knows the first proposal only, and sees the pull request of the second.
#[test]
fn a_late_watch_closes_nothing_that_is_asked() {
    let mut scene = ForgeScene::asked("a");
    scene.start();
    scene.propose("a");
    // Only the first one learns of it; the second is left behind.
    let second = scene.controllers.pop().unwrap();
    scene.minute();
    assert_eq!(scene.forge.open_pulls().iter().map(|p| p.number).collect::<Vec<_>>(), [2]);
    scene.controllers.push(second);
    scene.run_late(1, SignedDuration::from_mins(5));
    assert_eq!(scene.forge.open_pulls().len(), 1);
    scene.minute();
    assert!(scene.decision("a").is_none());
    assert_eq!(scene.forge.said(2, "replaced"), 0);
}

/// The second controller does not know that it was decided, or that the approval is another one by now.
#[test]
fn a_late_watch_opens_nothing_that_is_decided_or_gone() {
    for deleted in [false, true] {
        let mut scene = ForgeScene::new();
        scene.propose("a");
        // The first one dies when it is about to push.
        while scene.get("a").unwrap().raw.finalizers().is_empty() {
            scene.work_once(0);
        }
        scene.restart();
        if deleted {
            scene.delete("a");
        } else {
            scene.kubectl("a", "approved");
        }
        scene.run_late(0, SignedDuration::from_mins(5));
        assert_eq!(scene.forge.pulls(), []);
        assert_eq!(scene.forge.branches(), Vec::<String>::new());
    }
}

/// A small generator of numbers; the same seed, the same scenario.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Two controllers take turns at random, with watches that are late at random, die at random, and people do things in
/// between.
#[test]
fn two_controllers_at_once_are_wasteful_and_never_wrong() {
    for seed in 0..400_u64 {
        let mut dice = Dice(seed);
        let mut scene = ForgeScene::with(settings());
        scene.start();
        let mut proposals = 1;
        scene.propose("a");
        let mut acted = false;
        for _ in 0..400 {
            match dice.roll(24) {
                0 => {
                    let index = dice.roll(2) as usize;
                    scene.controllers.remove(index);
                    scene.start();
                }
                1 if !acted && dice.roll(4) == 0 && scene.get("a").is_some() => {
                    if scene.decision("a").is_none() {
                        scene.propose("a");
                        proposals += 1;
                    }
                }
                2 | 3 => {
                    let step = SignedDuration::from_secs(1 + dice.roll(20) as i64);
                    scene.forge.state().now += step;
                }
                4 if !acted && dice.roll(3) == 0 => {
                    if let Some(pull) = scene.forge.open_pulls().last().cloned() {
                        acted = true;
                        match dice.roll(3) {
                            0 => scene.forge.close_by(pull.number, "bob"),
                            1 => scene.forge.merge(pull.number, "alice"),
                            _ => scene.kubectl("a", "approved"),
                        }
                    }
                }
                5 => {
                    let at = scene.forge.state().counts.writes + 1;
                    let fault = if dice.roll(2) == 0 { Fault::Before } else { Fault::After };
                    scene.forge.state().faults.insert(at, fault);
                }
                other => {
                    let index = dice.roll(2) as usize;
                    if other % 2 == 0 {
                        scene.work_once(index);
                    } else {
                        scene.work_late(index);
                    }
                }
            }
            if !acted {
                assert!(scene.decision("a").is_none(), "seed {seed}: nobody decided");
            }
        }
        scene.forge.state().faults.clear();
        scene.run(SignedDuration::from_mins(40));
        let case = format!("seed {seed}, {proposals} proposals, {:#?}", scene.forge.state().log);
        assert!(scene.forge.pulls().len() <= proposals, "{case}");
        let digest = scene.get("a").and_then(|a| a.raw.status?.proposal).map(|p| p.digest).unwrap();
        let current = scene.forge.pulls().iter().filter(|p| p.body.contains(&digest)).count();
        assert!(current <= 1, "{case}");
        if !acted {
            assert!(scene.decision("a").is_none(), "{case}");
            assert_eq!((current, scene.forge.open_pulls().len()), (1, 1), "{case}");
        }
        scene.flux();
        scene.run(SignedDuration::from_mins(5));
        if scene.decision("a").is_some() {
            scene.execute("a", "done");
            scene.run(SignedDuration::from_mins(40));
            scene.assert_clean();
        }
    }
}
