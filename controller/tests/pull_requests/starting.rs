//! What a controller that starts finds again, whatever happened while nobody was there.

use autopilot_controller::pull_requests::Settings;
use autopilot_shared::api::PullRequestState;
use jiff::SignedDuration;

use crate::fake_forge::{BOT, REPOSITORY};
use crate::scene::{World, key, settings};

/// Nobody is there when an approval goes, whose finalizer was taken away.
fn goes_unseen(world: &mut World, name: &str) {
    world.controllers.clear();
    world.cube.state().edit(&key(name), |a| a.raw.metadata.finalizers = None);
    world.delete(name);
}

/// So many pull requests of other people, changed after ours.
fn busy(world: &World, count: u64) {
    let twin = world.hub.last();
    for _ in 0..count {
        world.hub.state().now += SignedDuration::from_secs(1);
        let number = world.hub.look_alike(&twin, "renovate", REPOSITORY);
        world.hub.edit(number, |pull| pull.branch = format!("renovate/{number}"));
    }
}

#[test]
fn pull_requests_of_nobody_are_found_in_a_busy_repository() {
    let mut world = World::asked("a");
    world.propose("b");
    world.minute();
    goes_unseen(&mut world, "a");
    world.hub.state().now += SignedDuration::from_hours(1);
    busy(&world, 250);
    world.hub.edit(2, |pull| pull.title.push('!'));
    let before = world.hub.state().counts.clone();
    world.start();
    world.minute();
    assert_eq!(world.hub.said(1, "orphaned"), 1);
    let ours: Vec<u64> =
        world.hub.open_pulls().iter().filter(|p| p.author == BOT).map(|p| p.number).collect();
    assert_eq!((ours, world.hub.branches()), (vec![2], vec!["aut-pg1-b".to_owned()]));
    let after = world.hub.state().counts.clone();
    assert!(after.lists - before.lists < 3, "it is no matter of more pages: {before:?} {after:?}");
}

#[test]
fn branches_of_nobody_go_and_those_of_other_clusters_and_people_stay() {
    let mut world = World::asked("a");
    world.propose("b");
    world.minute();
    // given a branch of ours whose pull request has ended, one of another cluster, and one of a person
    world.controllers.clear();
    world.hub.edit(2, |pull| pull.body = pull.body.replace("cluster-uid", "another-uid"));
    world.hub.push("aut-mine", |tree| drop(tree.insert("x".to_owned(), "y".to_owned())));
    world.start();
    goes_unseen(&mut world, "a");
    goes_unseen(&mut world, "b");
    world.hub.close_by(1, "bob");
    world.start();
    world.minute();
    assert_eq!(world.hub.branches(), ["aut-mine", "aut-pg1-b"]);
    // then it comes to rest
    world.minute();
    let before = world.hub.state().counts.reads;
    world.run(SignedDuration::from_hours(1));
    assert_eq!(world.hub.state().counts.reads, before);
}

#[test]
fn hundreds_of_branches_of_another_cluster_are_looked_at_one_per_poll() {
    let world = World::asked("a");
    let twin = world.hub.last();
    for n in 0..200 {
        let name = format!("aut-theirs-{n:03}");
        world.hub.push(&name, |tree| drop(tree.insert(name.clone(), String::new())));
        let number = world.hub.look_alike(&twin, "another-bot", REPOSITORY);
        world.hub.edit(number, |pull| {
            pull.branch.clone_from(&name);
            pull.state = autopilot_controller::pull_requests::PullState::Closed;
        });
    }
    let mut world = world;
    world.restart();
    world.minute();
    let before = world.hub.state().counts.reads;
    world.run(SignedDuration::from_hours(1));
    let spent = world.hub.state().counts.reads - before;
    assert!((100..=121).contains(&spent), "{spent}");
    // A question does not wait for it.
    world.propose("b");
    world.minute();
    assert_eq!(world.conditions("b"), []);
    assert!(world.get("b").unwrap().raw.status.unwrap().pull_request.is_some());
}

#[test]
fn a_branch_of_nobody_that_somebody_elses_open_pull_request_needs_stays() {
    let mut world = World::asked("a");
    let twin = world.hub.last();
    // given a branch that its approval left behind because it might not go, and that somebody asks to merge elsewhere
    world.hub.state().kept.insert("aut-pg1-a".to_owned());
    world.cube.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    world.delete("a");
    world.run(SignedDuration::from_mins(5));
    assert_eq!(world.hub.open_pulls(), []);
    world.hub.state().kept.clear();
    let theirs = world.hub.look_alike(&twin, "alice", REPOSITORY);
    world.hub.edit(theirs, |pull| {
        pull.body.clear();
        pull.base = "develop".to_owned();
    });
    // And a pull request of a fork needs no branch of ours.
    let fork = world.hub.look_alike(&twin, "mallory", "mallory/fleet");
    world.run(SignedDuration::from_hours(30));
    assert_eq!(world.hub.branches(), ["aut-pg1-a"]);
    assert_eq!(world.hub.open_pulls().len(), 2);
    // when that is over, then it goes
    world.hub.close_by(theirs, "alice");
    world.run(SignedDuration::from_mins(10));
    assert_eq!(world.hub.branches(), Vec::<String>::new());
    assert_eq!(world.hub.open_pulls().iter().map(|p| p.number).collect::<Vec<_>>(), [fork]);
}

#[test]
fn a_comment_of_the_account_that_had_the_token_before_or_has_it_now_is_ours() {
    let mut world = World::asked("a");
    world.hub.merge(1, "alice");
    world.minute();
    world.hub.state().bot = "another-bot".to_owned();
    world.run(SignedDuration::from_mins(15));
    assert_eq!(world.hub.said(1, "not-synced"), 1);
    for _ in 0..3 {
        world.restart();
        world.run(SignedDuration::from_mins(5));
    }
    assert_eq!(world.hub.said(1, "not-synced"), 1, "{:?}", world.hub.state().comments);
}

#[test]
fn what_we_close_is_recorded_as_closed_by_us_and_then() {
    let mut world = World::asked("a");
    world.run(SignedDuration::from_hours(5));
    world.kubectl("a", "declined");
    let then = world.now();
    world.minute();
    let noted = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Closed, BOT));
    let at = noted.at.unwrap().0;
    assert!(at >= then && at <= world.now(), "{at} is not when it was closed, which is after {then}");
    // Opened again and merged by somebody before we look, it is merged by somebody.
    world.hub.reopen(1);
    world.hub.merge(1, "alice");
    world.minute();
    let noted = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Merged, "alice"));
}

#[test]
fn another_address_of_the_author_does_not_make_our_branch_somebody_elses() {
    let mut world = World::new();
    world.propose("a");
    // given a branch that was pushed, and no pull request yet
    while world.hub.branches().is_empty() {
        if let autopilot_controller::pull_requests::worker::Turned::Idle(until) = world.turn(0) {
            let now = world.now();
            world.hub.state().now = until.unwrap_or(now + SignedDuration::from_secs(1)).max(now);
        }
    }
    assert_eq!(world.hub.pulls(), []);
    let mut other = settings();
    other.author.email = "other@example.com".to_owned();
    world.settings = Settings { ..other };
    world.restart();
    world.minute();
    assert_eq!(world.conditions("a"), []);
    assert_eq!(world.hub.open_pulls().len(), 1);
}
