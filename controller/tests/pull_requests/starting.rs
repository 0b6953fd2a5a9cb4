//! What a controller that starts finds again, whatever happened while nobody was there.

use autopilot_controller::pull_requests::PullRequestSettings;
use autopilot_shared::api::PullRequestState;
use jiff::SignedDuration;

use crate::fake_forge::{BOT, REPOSITORY};
use crate::scene::{ForgeScene, key, settings};

/// Nobody is there when an approval goes, whose finalizer was taken away.
fn goes_unseen(scene: &mut ForgeScene, name: &str) {
    scene.controllers.clear();
    scene.cluster.state().edit(&key(name), |a| a.raw.metadata.finalizers = None);
    scene.delete(name);
}

/// So many pull requests of other people, changed after ours.
fn busy(scene: &ForgeScene, count: u64) {
    let twin = scene.forge.last();
    for _ in 0..count {
        scene.forge.state().now += SignedDuration::from_secs(1);
        let number = scene.forge.look_alike(&twin, "renovate", REPOSITORY);
        scene.forge.edit(number, |pull| pull.branch = format!("renovate/{number}"));
    }
}

#[test]
fn pull_requests_of_nobody_are_found_in_a_busy_repository() {
    let mut scene = ForgeScene::asked("a");
    scene.propose("b");
    scene.minute();
    goes_unseen(&mut scene, "a");
    scene.forge.state().now += SignedDuration::from_hours(1);
    busy(&scene, 250);
    scene.forge.edit(2, |pull| pull.title.push('!'));
    let before = scene.forge.state().counts.clone();
    scene.start();
    scene.minute();
    assert_eq!(scene.forge.said(1, "orphaned"), 1);
    let ours: Vec<u64> =
        scene.forge.open_pulls().iter().filter(|p| p.author == BOT).map(|p| p.number).collect();
    assert_eq!((ours, scene.forge.branches()), (vec![2], vec!["aut-pg1-b".to_owned()]));
    let after = scene.forge.state().counts.clone();
    assert!(after.lists - before.lists < 3, "it is no matter of more pages: {before:?} {after:?}");
}

#[test]
fn branches_of_nobody_go_and_those_of_other_clusters_and_people_stay() {
    let mut scene = ForgeScene::asked("a");
    scene.propose("b");
    scene.minute();
    // given a branch of ours whose pull request has ended, one of another cluster, and one of a person
    scene.controllers.clear();
    scene.forge.edit(2, |pull| pull.body = pull.body.replace("cluster-uid", "another-uid"));
    scene.forge.push("aut-mine", |tree| drop(tree.insert("x".to_owned(), "y".to_owned())));
    scene.start();
    goes_unseen(&mut scene, "a");
    goes_unseen(&mut scene, "b");
    scene.forge.close_by(1, "bob");
    scene.start();
    scene.minute();
    assert_eq!(scene.forge.branches(), ["aut-mine", "aut-pg1-b"]);
    // then it comes to rest
    scene.minute();
    let before = scene.forge.state().counts.reads;
    scene.run(SignedDuration::from_hours(1));
    assert_eq!(scene.forge.state().counts.reads, before);
}

#[test]
fn hundreds_of_branches_of_another_cluster_are_looked_at_one_per_poll() {
    let scene = ForgeScene::asked("a");
    let twin = scene.forge.last();
    for n in 0..200 {
        let name = format!("aut-theirs-{n:03}");
        scene.forge.push(&name, |tree| drop(tree.insert(name.clone(), String::new())));
        let number = scene.forge.look_alike(&twin, "another-bot", REPOSITORY);
        scene.forge.edit(number, |pull| {
            pull.branch.clone_from(&name);
            pull.state = autopilot_controller::pull_requests::PullState::Closed;
        });
    }
    let mut scene = scene;
    scene.restart();
    scene.minute();
    let before = scene.forge.state().counts.reads;
    scene.run(SignedDuration::from_hours(1));
    let spent = scene.forge.state().counts.reads - before;
    assert!((100..=121).contains(&spent), "{spent}");
    // A question does not wait for it.
    scene.propose("b");
    scene.minute();
    assert_eq!(scene.conditions("b"), []);
    assert!(scene.get("b").unwrap().raw.status.unwrap().pull_request.is_some());
}

#[test]
fn a_branch_of_nobody_that_somebody_elses_open_pull_request_needs_stays() {
    let mut scene = ForgeScene::asked("a");
    let twin = scene.forge.last();
    // given a branch that its approval left behind because it might not go, and that somebody asks to merge elsewhere
    scene.forge.state().kept.insert("aut-pg1-a".to_owned());
    scene.cluster.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    scene.delete("a");
    scene.run(SignedDuration::from_mins(5));
    assert_eq!(scene.forge.open_pulls(), []);
    scene.forge.state().kept.clear();
    let theirs = scene.forge.look_alike(&twin, "alice", REPOSITORY);
    scene.forge.edit(theirs, |pull| {
        pull.body.clear();
        pull.base = "develop".to_owned();
    });
    // And a pull request of a fork needs no branch of ours.
    let fork = scene.forge.look_alike(&twin, "mallory", "mallory/fleet");
    scene.run(SignedDuration::from_hours(30));
    assert_eq!(scene.forge.branches(), ["aut-pg1-a"]);
    assert_eq!(scene.forge.open_pulls().len(), 2);
    // when that is over, then it goes
    scene.forge.close_by(theirs, "alice");
    scene.run(SignedDuration::from_mins(10));
    assert_eq!(scene.forge.branches(), Vec::<String>::new());
    assert_eq!(scene.forge.open_pulls().iter().map(|p| p.number).collect::<Vec<_>>(), [fork]);
}

#[test]
fn a_comment_of_the_account_that_had_the_token_before_or_has_it_now_is_ours() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.merge(1, "alice");
    scene.minute();
    scene.forge.state().bot = "another-bot".to_owned();
    scene.run(SignedDuration::from_mins(15));
    assert_eq!(scene.forge.said(1, "not-synced"), 1);
    for _ in 0..3 {
        scene.restart();
        scene.run(SignedDuration::from_mins(5));
    }
    assert_eq!(scene.forge.said(1, "not-synced"), 1, "{:?}", scene.forge.state().comments);
}

#[test]
fn what_we_close_is_recorded_as_closed_by_us_and_then() {
    let mut scene = ForgeScene::asked("a");
    scene.run(SignedDuration::from_hours(5));
    scene.kubectl("a", "declined");
    let then = scene.now();
    scene.minute();
    let noted = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Closed, BOT));
    let at = noted.at.unwrap().0;
    assert!(at >= then && at <= scene.now(), "{at} is not when it was closed, which is after {then}");
    // Opened again and merged by somebody before we look, it is merged by somebody.
    scene.forge.reopen(1);
    scene.forge.merge(1, "alice");
    scene.minute();
    let noted = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Merged, "alice"));
}

#[test]
fn another_address_of_the_author_does_not_make_our_branch_somebody_elses() {
    let mut scene = ForgeScene::new();
    scene.propose("a");
    // given a branch that was pushed, and no pull request yet
    while scene.forge.branches().is_empty() {
        if let autopilot_controller::pull_requests::worker::Worked::Idle(until) = scene.work_once(0) {
            let now = scene.now();
            scene.forge.state().now = until.unwrap_or(now + SignedDuration::from_secs(1)).max(now);
        }
    }
    assert_eq!(scene.forge.pulls(), []);
    let mut other = settings();
    other.author.email = "other@example.com".to_owned();
    scene.settings = PullRequestSettings { ..other };
    scene.restart();
    scene.minute();
    assert_eq!(scene.conditions("a"), []);
    assert_eq!(scene.forge.open_pulls().len(), 1);
}
