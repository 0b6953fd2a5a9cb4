//! What changes while it runs: token, account, branch to merge into, settings, clock.

use autopilot_controller::pull_requests::{ForgeError, PullState};
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;

use crate::fake_forge::Fault;
use crate::scene::{World, key, settings};

#[test]
fn a_token_of_another_account_goes_on_with_what_is_open_and_new() {
    let mut world = World::asked("a");
    // given a token of another account in the middle of everything
    world.hub.state().bot = "another-bot".to_owned();
    world.propose("b");
    world.minute();
    let pulls = world.hub.open_pulls();
    assert_eq!(pulls.iter().map(|p| p.author.as_str()).collect::<Vec<_>>(), ["bot", "another-bot"]);
    assert_eq!(world.conditions("b"), []);
    // when both are closed, then both are declined, and nothing is opened again
    for pull in pulls {
        world.hub.close_by(pull.number, "bob");
    }
    world.minute();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
    assert_eq!(world.decision("b").unwrap().outcome, Outcome::Declined);
    assert_eq!(world.hub.pulls().len(), 2);
    world.assert_clean();
}

#[test]
fn an_account_that_is_renamed_is_still_ours() {
    let mut world = World::asked("a");
    {
        let mut state = world.hub.state();
        state.bot = "renamed".to_owned();
        // The token is the same: nothing says so but the author of the next pull request.
        state.known = "renamed".to_owned();
    }
    world.propose("b");
    world.minute();
    let last = world.hub.last();
    assert_eq!((last.author.as_str(), last.state), ("renamed", PullState::Open));
    world.hub.close_by(last.number, "bob");
    world.minute();
    assert_eq!(world.decision("b").unwrap().outcome, Outcome::Declined);
    assert_eq!(world.hub.pulls().len(), 2);
}

#[test]
fn a_default_branch_that_is_renamed_is_followed() {
    let mut world = World::asked("a");
    {
        // As GitHub does it: open pull requests turn with it.
        let mut state = world.hub.state();
        let head = state.refs.remove("main").unwrap();
        state.refs.insert("trunk".to_owned(), head);
        state.default = "trunk".to_owned();
    }
    world.hub.edit(1, |pull| pull.base = "trunk".to_owned());
    world.minute();
    assert_eq!(world.conditions("a"), []);
    world.propose("b");
    world.minute();
    assert_eq!(world.hub.last().base, "trunk");
    world.hub.close_by(1, "bob");
    world.minute();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
}

#[test]
fn an_old_file_that_is_put_back_beside_a_merge_goes() {
    let mut world = World::asked("a");
    let old = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap().path;
    let text = world.hub.file("aut-pg1-a", &old).unwrap();
    world.propose_at("a", "70");
    world.minute();
    let open = world.hub.open_pulls();
    assert_eq!(open.len(), 1);
    // when it comes back in the same moment in which the new one is merged
    world.hub.push("main", |tree| drop(tree.insert(old.clone(), text)));
    world.hub.merge(open[0].number, "alice");
    world.minute();
    // then there are never two files of one object for long: a Kustomization cannot be built with them
    let files: Vec<String> = world.hub.base_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, [world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap().path]);
    assert_ne!(files, [old]);
}

#[test]
fn what_is_merged_after_its_approval_has_gone_is_removed() {
    let mut world = World::asked("a");
    // given a deletion that was given up while the forge was away
    world.hub.state().down = Some(ForgeError::Unavailable("no route".into()));
    world.delete("a");
    world.run(SignedDuration::from_mins(4));
    assert!(world.get("a").is_none());
    // when somebody merges before we are back
    world.hub.state().down = None;
    world.hub.merge(1, "alice");
    world.run(SignedDuration::from_mins(10));
    // then nobody waits for its file
    assert_eq!(world.hub.base_files(), []);
}

#[test]
fn raising_max_open_opens_what_waits() {
    let mut few = settings();
    few.max_open = 1;
    let mut world = World::with(few.clone());
    for name in ["a", "b", "c"] {
        world.propose(name);
    }
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1);
    few.max_open = 3;
    world.controllers[0].desk.books.configure(few);
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 3);
}

#[test]
fn an_approval_that_cannot_be_written_does_not_keep_the_others_waiting() {
    let mut world = World::new();
    world.cube.state().refuses.insert(key("a"));
    world.propose_at("a", "90");
    world.propose("b");
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1, "the less urgent one has its turn");
    world.cube.state().refuses.clear();
    world.run(SignedDuration::from_mins(10));
    assert_eq!(world.hub.open_pulls().len(), 2);
}

#[test]
fn the_bound_of_a_deletion_holds_whatever_keeps_the_forge_busy() {
    let mut world = World::new();
    for i in 0..60 {
        world.propose(&format!("a{i:02}"));
    }
    world.run(SignedDuration::from_mins(90));
    assert_eq!(world.hub.open_pulls().len(), 50);
    // when more go at once than can be tidied up within the bound
    for i in 0..60 {
        world.delete(&format!("a{i:02}"));
    }
    world.run(SignedDuration::from_mins(3));
    assert!((0..60).all(|i| world.get(&format!("a{i:02}")).is_none()));
    // then what is left is found as nobody's
    world.run(SignedDuration::from_mins(60));
    world.assert_clean();
    assert_eq!(world.hub.state().counts.limited, 0);
}

#[test]
fn a_pull_request_of_nobody_whose_branch_may_not_go_is_closed() {
    let mut world = World::asked("a");
    world.hub.state().kept.insert("aut-pg1-a".to_owned());
    world.cube.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    world.delete("a");
    world.run(SignedDuration::from_mins(5));
    assert_eq!(world.hub.open_pulls(), []);
    assert_eq!(world.hub.branches(), ["aut-pg1-a"]);
}

#[test]
fn a_pull_request_of_nobody_that_gives_trouble_holds_nothing_up() {
    let mut world = World::asked("a");
    world.cube.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    world.delete("a");
    let writes = world.hub.state().counts.writes;
    for n in 1..=3 {
        world.hub.state().faults.insert(writes + n, Fault::Before);
    }
    world.propose("b");
    world.run(SignedDuration::from_mins(10));
    assert_eq!(world.hub.open_pulls().len(), 1);
    assert!(world.get("b").unwrap().raw.status.unwrap().pull_request.is_some());
}

#[test]
fn what_others_say_is_not_taken_for_ours() {
    let mut world = World::asked("a");
    let digest = world.get("a").unwrap().raw.status.unwrap().proposal.unwrap().digest;
    let text = format!("<!-- autopilot-said declined {digest} -->");
    world.hub.state().comments.entry(1).or_default().push(("mallory".to_owned(), text));
    world.hub.close_by(1, "bob");
    world.minute();
    assert_eq!(world.hub.said(1, "declined"), 2, "theirs, and ours");
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut world = World::asked("a");
    let now = world.now();
    world.hub.set_back(SignedDuration::from_hours(1));
    world.hub.close_by(1, "bob");
    world.hub.edit(1, |pull| pull.updated = now + SignedDuration::from_secs(1));
    world.minute();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
    world.propose("b");
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1);
}

#[test]
fn a_branch_that_its_approval_left_behind_goes() {
    // Given up after the pull request was closed, and before it was opened: nothing open tells of the branch.
    for closed in [true, false] {
        let mut world = if closed { World::asked("a") } else { World::new() };
        if closed {
            world.hub.state().kept.insert("aut-pg1-a".to_owned());
        } else {
            world.propose("a");
            let writes = world.hub.state().counts.writes;
            world.hub.state().faults.extend((3..9).map(|n| (writes + n, Fault::Before)));
            world.run(SignedDuration::from_secs(10));
            assert_eq!(world.hub.branches(), ["aut-pg1-a"]);
            assert_eq!(world.hub.pulls(), []);
            world.hub.state().down = Some(ForgeError::Unavailable("no route".into()));
        }
        world.delete("a");
        world.run(SignedDuration::from_secs(130));
        assert!(world.get("a").is_none());
        assert_eq!(world.hub.branches(), ["aut-pg1-a"]);
        world.hub.state().kept.clear();
        world.hub.state().down = None;
        world.run(SignedDuration::from_mins(70));
        world.assert_clean();
    }
}
