//! A controller dies before or after any write, or loses the answer; two work at once with late watches. One pull
//! request per proposal, nothing decided that nobody decided, each outcome told once, nothing left behind.

use std::collections::BTreeMap;

use autopilot_controller::pull_requests::Settings;
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::Fault;
use crate::scene::{World, settings};

/// A whole life, with a pause after each step in which everybody works.
#[derive(Clone, Copy, Debug)]
pub enum Story {
    MergedAndDone,
    Closed,
    Deleted,
    ApprovedInCluster,
    Canceled,
    ProposedAnew,
    MergedThenDeleted,
    Orphaned,
}

pub const STORIES: [Story; 8] = [
    Story::MergedAndDone,
    Story::Closed,
    Story::Deleted,
    Story::ApprovedInCluster,
    Story::Canceled,
    Story::ProposedAnew,
    Story::MergedThenDeleted,
    Story::Orphaned,
];

/// A pause that is long enough for what was refused to be tried again.
fn pause(world: &mut World) {
    world.run(SignedDuration::from_mins(4));
}

/// Tells the story; gives what must be: pull requests, decision, comments.
pub fn tell(world: &mut World, story: Story) -> (usize, Option<Outcome>, &'static [&'static str]) {
    world.propose("a");
    pause(world);
    let expected: (usize, Option<Outcome>, &'static [&'static str]) = match story {
        Story::MergedAndDone => {
            world.hub.merge(1, "alice");
            pause(world);
            world.flux();
            pause(world);
            world.execute("a", "done");
            (1, Some(Outcome::Approved), &["done"])
        }
        Story::Closed => {
            world.hub.close_by(1, "bob");
            (1, Some(Outcome::Declined), &["declined"])
        }
        Story::Deleted => {
            world.delete("a");
            (1, None, &["deleted"])
        }
        Story::ApprovedInCluster => {
            world.kubectl("a", "approved");
            pause(world);
            world.execute("a", "done");
            (1, Some(Outcome::Approved), &["decided", "done"])
        }
        Story::Canceled => {
            world.cancel("a", "why not");
            (1, Some(Outcome::Canceled), &["canceled"])
        }
        Story::ProposedAnew => {
            world.propose("a");
            pause(world);
            world.hub.close_by(2, "bob");
            (2, Some(Outcome::Declined), &["replaced", "declined"])
        }
        Story::MergedThenDeleted => {
            world.hub.merge(1, "alice");
            pause(world);
            world.delete("a");
            (1, None, &["deleted"])
        }
        Story::Orphaned => {
            world.cube.state().edit(&crate::scene::key("a"), |a| a.raw.metadata.finalizers = None);
            world.delete("a");
            (1, None, &["orphaned"])
        }
    };
    pause(world);
    expected
}

/// With everything that can be written to a pull request.
pub fn decorated() -> Settings {
    Settings { labels: vec!["storage".to_owned()], reviewers: vec!["alice".to_owned()], ..settings() }
}

fn check(world: &mut World, expected: (usize, Option<Outcome>, &'static [&'static str]), case: &str) {
    for pull in world.hub.pulls() {
        assert!(pull.labels.contains(&"storage".to_owned()), "{case}: {pull:?}");
        assert!(pull.reviewers.contains(&"alice".to_owned()), "{case}: {pull:?}");
    }
    check_once(world, expected, case);
}

/// Everything happened, and once.
pub fn check_once(
    world: &mut World,
    expected: (usize, Option<Outcome>, &'static [&'static str]),
    case: &str,
) {
    let (pulls, decision, said) = expected;
    assert_eq!(world.hub.pulls().len(), pulls, "{case}");
    assert_eq!(world.decision("a").map(|d| d.outcome), decision, "{case}");
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in world.hub.state().comments.values().flatten() {
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
    world.assert_clean();
}

#[test]
fn every_write_to_the_forge_may_fail_or_lose_its_answer() {
    let mut cases = 0;
    for story in STORIES {
        let mut quiet = World::with(decorated());
        tell(&mut quiet, story);
        let writes = quiet.hub.state().counts.writes;
        for number in 1..=writes {
            for fault in [Fault::Before, Fault::After] {
                for mortal in [false, true] {
                    let mut world = World::with(decorated());
                    world.mortal = mortal;
                    world.hub.state().faults.insert(number, fault);
                    let expected = tell(&mut world, story);
                    let case = format!("{story:?}, write {number} of {writes}, {fault:?}, dies: {mortal}");
                    check(&mut world, expected, &case);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 200, "{cases}");
}

#[test]
fn every_write_to_the_cluster_may_fail_or_lose_its_answer() {
    for story in STORIES {
        let mut quiet = World::with(decorated());
        tell(&mut quiet, story);
        let writes = quiet.cube.state().writes;
        for number in 1..=writes {
            for happens in [false, true] {
                let mut world = World::with(decorated());
                world.cube.state().lose.insert(number, happens);
                let expected = tell(&mut world, story);
                check(&mut world, expected, &format!("{story:?}, write {number}, happened: {happens}"));
            }
        }
    }
}

/// The second controller knows the first proposal only, and sees the pull request of the second.
#[test]
fn a_late_watch_closes_nothing_that_is_asked() {
    let mut world = World::asked("a");
    world.start();
    world.propose("a");
    // Only the first one learns of it; the second is left behind.
    let second = world.controllers.pop().unwrap();
    world.minute();
    assert_eq!(world.hub.open_pulls().iter().map(|p| p.number).collect::<Vec<_>>(), [2]);
    world.controllers.push(second);
    world.run_late(1, SignedDuration::from_mins(5));
    assert_eq!(world.hub.open_pulls().len(), 1);
    world.minute();
    assert!(world.decision("a").is_none());
    assert_eq!(world.hub.said(2, "replaced"), 0);
}

/// The second controller does not know that it was decided, or that the approval is another one by now.
#[test]
fn a_late_watch_opens_nothing_that_is_decided_or_gone() {
    for deleted in [false, true] {
        let mut world = World::new();
        world.propose("a");
        // The first one dies when it is about to push.
        while world.get("a").unwrap().raw.finalizers().is_empty() {
            world.turn(0);
        }
        world.restart();
        if deleted {
            world.delete("a");
        } else {
            world.kubectl("a", "approved");
        }
        world.run_late(0, SignedDuration::from_mins(5));
        assert_eq!(world.hub.pulls(), []);
        assert_eq!(world.hub.branches(), Vec::<String>::new());
    }
}

/// A small generator of numbers; the same seed, the same story.
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
        let mut world = World::with(settings());
        world.start();
        let mut proposals = 1;
        world.propose("a");
        let mut acted = false;
        for _ in 0..400 {
            match dice.roll(24) {
                0 => {
                    let index = dice.roll(2) as usize;
                    world.controllers.remove(index);
                    world.start();
                }
                1 if !acted && dice.roll(4) == 0 && world.get("a").is_some() => {
                    if world.decision("a").is_none() {
                        world.propose("a");
                        proposals += 1;
                    }
                }
                2 | 3 => {
                    let step = SignedDuration::from_secs(1 + dice.roll(20) as i64);
                    world.hub.state().now += step;
                }
                4 if !acted && dice.roll(3) == 0 => {
                    if let Some(pull) = world.hub.open_pulls().last().cloned() {
                        acted = true;
                        match dice.roll(3) {
                            0 => world.hub.close_by(pull.number, "bob"),
                            1 => world.hub.merge(pull.number, "alice"),
                            _ => world.kubectl("a", "approved"),
                        }
                    }
                }
                5 => {
                    let at = world.hub.state().counts.writes + 1;
                    let fault = if dice.roll(2) == 0 { Fault::Before } else { Fault::After };
                    world.hub.state().faults.insert(at, fault);
                }
                other => {
                    let index = dice.roll(2) as usize;
                    if other % 2 == 0 {
                        world.turn(index);
                    } else {
                        world.turn_late(index);
                    }
                }
            }
            if !acted {
                assert!(world.decision("a").is_none(), "seed {seed}: nobody decided");
            }
        }
        world.hub.state().faults.clear();
        world.run(SignedDuration::from_mins(40));
        let case = format!("seed {seed}, {proposals} proposals, {:#?}", world.hub.state().log);
        assert!(world.hub.pulls().len() <= proposals, "{case}");
        let digest = world.get("a").and_then(|a| a.raw.status?.proposal).map(|p| p.digest).unwrap();
        let current = world.hub.pulls().iter().filter(|p| p.body.contains(&digest)).count();
        assert!(current <= 1, "{case}");
        if !acted {
            assert!(world.decision("a").is_none(), "{case}");
            assert_eq!((current, world.hub.open_pulls().len()), (1, 1), "{case}");
        }
        world.flux();
        world.run(SignedDuration::from_mins(5));
        if world.decision("a").is_some() {
            world.execute("a", "done");
            world.run(SignedDuration::from_mins(40));
            world.assert_clean();
        }
    }
}
