//! What changes while it runs: token, account, branch to merge into, settings, clock.

use autopilot_controller::pull_requests::{ForgeError, PullState};
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;

use crate::fake_forge::Fault;
use crate::scene::{ForgeScene, key, settings};

#[test]
fn a_token_of_another_account_goes_on_with_what_is_open_and_new() {
    let mut scene = ForgeScene::asked("a");
    // given a token of another account in the middle of everything
    scene.forge.state().bot = "another-bot".to_owned();
    scene.propose("b");
    scene.minute();
    let pulls = scene.forge.open_pulls();
    assert_eq!(pulls.iter().map(|p| p.author.as_str()).collect::<Vec<_>>(), ["bot", "another-bot"]);
    assert_eq!(scene.conditions("b"), []);
    // when both are closed, then both are declined, and nothing is opened again
    for pull in pulls {
        scene.forge.close_by(pull.number, "bob");
    }
    scene.minute();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
    assert_eq!(scene.decision("b").unwrap().outcome, Outcome::Declined);
    assert_eq!(scene.forge.pulls().len(), 2);
    scene.assert_clean();
}

#[test]
fn an_account_that_is_renamed_is_still_ours() {
    let mut scene = ForgeScene::asked("a");
    {
        let mut state = scene.forge.state();
        state.bot = "renamed".to_owned();
        // The token is the same: nothing says so but the author of the next pull request.
        state.known = "renamed".to_owned();
    }
    scene.propose("b");
    scene.minute();
    let last = scene.forge.last();
    assert_eq!((last.author.as_str(), last.state), ("renamed", PullState::Open));
    scene.forge.close_by(last.number, "bob");
    scene.minute();
    assert_eq!(scene.decision("b").unwrap().outcome, Outcome::Declined);
    assert_eq!(scene.forge.pulls().len(), 2);
}

#[test]
fn a_default_branch_that_is_renamed_is_followed() {
    let mut scene = ForgeScene::asked("a");
    {
        // As GitHub does it: open pull requests turn with it.
        let mut state = scene.forge.state();
        let head = state.refs.remove("main").unwrap();
        state.refs.insert("trunk".to_owned(), head);
        state.default = "trunk".to_owned();
    }
    scene.forge.edit(1, |pull| pull.base = "trunk".to_owned());
    scene.minute();
    assert_eq!(scene.conditions("a"), []);
    scene.propose("b");
    scene.minute();
    assert_eq!(scene.forge.last().base, "trunk");
    scene.forge.close_by(1, "bob");
    scene.minute();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
}

#[test]
fn an_old_file_that_is_put_back_beside_a_merge_goes() {
    let mut scene = ForgeScene::asked("a");
    let old = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap().path;
    let text = scene.forge.file("aut-pg1-a", &old).unwrap();
    scene.propose_at("a", "70");
    scene.minute();
    let open = scene.forge.open_pulls();
    assert_eq!(open.len(), 1);
    // when it comes back in the same moment in which the new one is merged
    scene.forge.push("main", |tree| drop(tree.insert(old.clone(), text)));
    scene.forge.merge(open[0].number, "alice");
    scene.minute();
    // then there are never two files of one object for long: a Kustomization cannot be built with them
    let files: Vec<String> = scene.forge.base_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, [scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap().path]);
    assert_ne!(files, [old]);
}

#[test]
fn what_is_merged_after_its_approval_has_gone_is_removed() {
    let mut scene = ForgeScene::asked("a");
    // given a deletion that was given up while the forge was away
    scene.forge.state().down = Some(ForgeError::Unavailable("no route".into()));
    scene.delete("a");
    scene.run(SignedDuration::from_mins(4));
    assert!(scene.get("a").is_none());
    // when somebody merges before we are back
    scene.forge.state().down = None;
    scene.forge.merge(1, "alice");
    scene.run(SignedDuration::from_mins(10));
    // then nobody waits for its file
    assert_eq!(scene.forge.base_files(), []);
}

#[test]
fn raising_max_open_opens_what_waits() {
    let mut few = settings();
    few.max_open = 1;
    let mut scene = ForgeScene::with(few.clone());
    for name in ["a", "b", "c"] {
        scene.propose(name);
    }
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1);
    few.max_open = 3;
    scene.controllers[0].worker.tracker.configure(few);
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 3);
}

#[test]
fn an_approval_that_cannot_be_written_does_not_keep_the_others_waiting() {
    let mut scene = ForgeScene::new();
    scene.cluster.state().refuses.insert(key("a"));
    scene.propose_at("a", "90");
    scene.propose("b");
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1, "the less urgent one has its turn");
    scene.cluster.state().refuses.clear();
    scene.run(SignedDuration::from_mins(10));
    assert_eq!(scene.forge.open_pulls().len(), 2);
}

#[test]
fn the_bound_of_a_deletion_holds_whatever_keeps_the_forge_busy() {
    let mut scene = ForgeScene::new();
    for i in 0..60 {
        scene.propose(&format!("a{i:02}"));
    }
    scene.run(SignedDuration::from_mins(90));
    assert_eq!(scene.forge.open_pulls().len(), 50);
    // when more go at once than can be tidied up within the bound
    for i in 0..60 {
        scene.delete(&format!("a{i:02}"));
    }
    scene.run(SignedDuration::from_mins(3));
    assert!((0..60).all(|i| scene.get(&format!("a{i:02}")).is_none()));
    // then what is left is found as nobody's
    scene.run(SignedDuration::from_mins(60));
    scene.assert_clean();
    assert_eq!(scene.forge.state().counts.limited, 0);
}

#[test]
fn a_pull_request_of_nobody_whose_branch_may_not_go_is_closed() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.state().kept.insert("aut-pg1-a".to_owned());
    scene.cluster.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    scene.delete("a");
    scene.run(SignedDuration::from_mins(5));
    assert_eq!(scene.forge.open_pulls(), []);
    assert_eq!(scene.forge.branches(), ["aut-pg1-a"]);
}

#[test]
fn a_pull_request_of_nobody_that_gives_trouble_holds_nothing_up() {
    let mut scene = ForgeScene::asked("a");
    scene.cluster.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    scene.delete("a");
    let writes = scene.forge.state().counts.writes;
    for n in 1..=3 {
        scene.forge.state().faults.insert(writes + n, Fault::Before);
    }
    scene.propose("b");
    scene.run(SignedDuration::from_mins(10));
    assert_eq!(scene.forge.open_pulls().len(), 1);
    assert!(scene.get("b").unwrap().raw.status.unwrap().pull_request.is_some());
}

#[test]
fn what_others_say_is_not_taken_for_ours() {
    let mut scene = ForgeScene::asked("a");
    let digest = scene.get("a").unwrap().raw.status.unwrap().proposal.unwrap().digest;
    let text = format!("<!-- autopilot-said declined {digest} -->");
    scene.forge.state().comments.entry(1).or_default().push(("mallory".to_owned(), text));
    scene.forge.close_by(1, "bob");
    scene.minute();
    assert_eq!(scene.forge.said(1, "declined"), 2, "theirs, and ours");
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut scene = ForgeScene::asked("a");
    let now = scene.now();
    scene.forge.set_back(SignedDuration::from_hours(1));
    scene.forge.close_by(1, "bob");
    scene.forge.edit(1, |pull| pull.updated = now + SignedDuration::from_secs(1));
    scene.minute();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
    scene.propose("b");
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1);
}

#[test]
fn a_branch_that_its_approval_left_behind_goes() {
    // Given up after the pull request was closed, and before it was opened: nothing open tells of the branch.
    for closed in [true, false] {
        let mut scene = if closed { ForgeScene::asked("a") } else { ForgeScene::new() };
        if closed {
            scene.forge.state().kept.insert("aut-pg1-a".to_owned());
        } else {
            scene.propose("a");
            let writes = scene.forge.state().counts.writes;
            scene.forge.state().faults.extend((3..9).map(|n| (writes + n, Fault::Before)));
            scene.run(SignedDuration::from_secs(10));
            assert_eq!(scene.forge.branches(), ["aut-pg1-a"]);
            assert_eq!(scene.forge.pulls(), []);
            scene.forge.state().down = Some(ForgeError::Unavailable("no route".into()));
        }
        scene.delete("a");
        scene.run(SignedDuration::from_secs(130));
        assert!(scene.get("a").is_none());
        assert_eq!(scene.forge.branches(), ["aut-pg1-a"]);
        scene.forge.state().kept.clear();
        scene.forge.state().down = None;
        scene.run(SignedDuration::from_mins(70));
        scene.assert_clean();
    }
}
