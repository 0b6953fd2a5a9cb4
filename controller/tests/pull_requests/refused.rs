//! A forge that says no to some of what it is asked: it is said, it decides nothing, and it passes.

use autopilot_controller::pull_requests::{ForgeError, Settings};
use jiff::SignedDuration;

use crate::crash::{STORIES, check_once, decorated, tell};
use crate::fake_forge::Refusal;
use crate::scene::{World, key, settings};

fn standing(kind: &str, reason: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), reason.to_owned())]
}

fn refused() -> ForgeError {
    ForgeError::Refused("cannot look: 403".into())
}

/// What may be refused to a token that sees the list of pull requests: no Contents, no such branch, an empty repository, a
/// folder that is too large.
#[test]
fn a_question_that_cannot_be_asked_for_a_refused_look_says_so() {
    let cases = [
        ("search", ForgeError::NotFound("404".into())),
        ("look at aut-", refused()),
        ("look at main", refused()),
        ("look at main", ForgeError::NotFound("branch main".into())),
        ("list files", refused()),
        ("list branches", refused()),
    ];
    for (what, error) in cases {
        let case = format!("{what}: {error}");
        let mut world = World::new();
        world.hub.state().refusals = vec![Refusal::always(what, error)];
        world.propose("a");
        world.run(SignedDuration::from_mins(3));
        if what == "list branches" {
            assert_eq!((world.conditions("a"), world.hub.open_pulls().len()), (vec![], 1), "{case}");
            continue;
        }
        assert_eq!(world.hub.pulls(), [], "{case}");
        assert_eq!(world.conditions("a"), standing("PullRequestWaits", "Refused"), "{case}");
        // when it is over, then all that waited is done
        world.hub.state().refusals.clear();
        world.run(SignedDuration::from_mins(20));
        assert_eq!((world.conditions("a"), world.hub.open_pulls().len()), (vec![], 1), "{case}");
    }
}

#[test]
fn a_refused_look_at_what_is_left_is_said() {
    let mut world = World::asked("a");
    world.hub.state().refusals = vec![Refusal::always("read comments", refused())];
    world.kubectl("a", "declined");
    world.minute();
    assert_eq!(world.conditions("a"), standing("LeftOnForge", "Refused"));
    world.hub.state().refusals.clear();
    world.run(SignedDuration::from_mins(10));
    assert_eq!(world.conditions("a"), []);
    assert_eq!(world.hub.said(1, "decided"), 1);
    world.assert_clean();
}

#[test]
fn a_look_that_fails_resolves_nothing_that_stands() {
    for error in [refused(), ForgeError::Unavailable("503".into())] {
        // given a merge that is not synced
        let mut world = World::asked("a");
        world.hub.merge(1, "alice");
        world.run(SignedDuration::from_mins(15));
        let not_synced = standing("MergedNotSynced", "NotApplied");
        assert_eq!(world.conditions("a"), not_synced);
        // when the folder cannot be looked at any more, then that stands
        world.hub.state().refusals = vec![Refusal::always("list files", error.clone())];
        for _ in 0..10 {
            world.minute();
            let now = world.conditions("a");
            assert!(now.contains(&not_synced[0]), "{error}: {now:?}");
        }
    }
    // And for a file that was edited, after a restart.
    let mut world = World::asked("a");
    world.hub.push("aut-pg1-a", |tree| {
        for text in tree.values_mut() {
            *text = text.replace("400Gi", "900Gi");
        }
    });
    world.minute();
    assert_eq!(world.conditions("a"), standing("PullRequestRefused", "FileEdited"));
    world.hub.state().refusals = vec![Refusal::always("read clusters", refused())];
    world.restart();
    world.run(SignedDuration::from_mins(5));
    assert!(world.conditions("a").contains(&standing("PullRequestRefused", "FileEdited")[0]));
}

/// How often a condition that stood was resolved.
fn flaps(world: &World, kind: &str) -> usize {
    let state = world.cube.state();
    let own = state.changes.iter().flatten().filter(|a| a.raw.metadata.name.as_deref() == Some("a"));
    let all = own.map(|a| {
        let conditions = a.raw.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == kind && c.status == "True")
    });
    let all: Vec<bool> = all.collect();
    all.windows(2).filter(|two| two[0] && !two[1]).count()
}

#[test]
fn what_is_left_on_the_forge_is_said_once_and_stands_while_it_is_tried_again() {
    for what in ["read comments", "comment ", "delete branch "] {
        let mut world = World::asked("a");
        world.hub.state().refusals = vec![Refusal::always(what, refused())];
        world.kubectl("a", "declined");
        world.run(SignedDuration::from_hours(3));
        let tries = world.hub.state().refusals[0].said;
        assert!(tries > 5, "{what} was tried {tries} times");
        assert_eq!(world.conditions("a"), standing("LeftOnForge", "Refused"), "{what}");
        assert_eq!(flaps(&world, "LeftOnForge"), 0, "{what}");
        world.hub.state().refusals.clear();
        world.run(SignedDuration::from_hours(1));
        assert_eq!((world.conditions("a"), flaps(&world, "LeftOnForge")), (vec![], 1), "{what}");
        world.assert_clean();
    }
}

#[test]
fn a_question_whose_pull_request_is_refused_says_so_without_a_break() {
    for what in ["branch ", "open "] {
        let mut world = World::new();
        world.hub.state().refusals = vec![Refusal::always(what, refused())];
        world.propose("a");
        world.run(SignedDuration::from_hours(3));
        assert_eq!(world.conditions("a"), standing("PullRequestWaits", "Refused"), "{what}");
        assert_eq!(flaps(&world, "PullRequestWaits"), 0, "{what}");
    }
}

#[test]
fn a_folder_that_is_merely_unknown_resolves_nothing_that_was_said_of_it() {
    let mut world = World::new();
    world
        .hub
        .push("main", |tree| drop(tree.insert("clusters/prod/kustomization.yaml".to_owned(), String::new())));
    world.propose("a");
    world.minute();
    let told = standing("FolderNotSynced", "OwnKustomization");
    assert_eq!(world.conditions("a"), told);
    // when the folder is not known any more, after a merge and a restart, and may not be looked at
    world.propose("b");
    world.minute();
    world.hub.state().refusals = vec![Refusal::always("list files", refused())];
    world.hub.merge(2, "alice");
    world.run(SignedDuration::from_mins(5));
    world.restart();
    world.run(SignedDuration::from_mins(5));
    assert_eq!((world.conditions("a"), flaps(&world, "FolderNotSynced")), (told, 0));
    // when it can be, and has none
    world.hub.push("main", |tree| drop(tree.remove("clusters/prod/kustomization.yaml")));
    world.hub.state().refusals.clear();
    world.restart();
    world.minute();
    assert_eq!(world.conditions("a"), []);
}

#[test]
fn a_look_at_the_folder_that_is_refused_for_ever_becomes_seldom() {
    let mut world = World::new();
    world.hub.state().refusals = vec![Refusal::always("look at main", ForgeError::NotFound("main".into()))];
    world.run(SignedDuration::from_hours(2));
    let before = world.hub.state().refusals[0].said;
    world.run(SignedDuration::from_hours(10));
    let asked = world.hub.state().refusals[0].said - before;
    assert!((10..=21).contains(&asked), "{asked}");
    // when there is another token, then it is asked at once
    let before = world.hub.state().refusals[0].said;
    world.hub.state().bot = "another-bot".to_owned();
    world.minute();
    assert!(world.hub.state().refusals[0].said > before);
}

#[test]
fn another_token_is_not_refused_what_the_old_one_was() {
    // given a token that may not look at branches, refused so often that the pauses are long
    let mut world = World::new();
    world.hub.state().refusals = vec![Refusal::always("look at aut-", refused())];
    world.propose("a");
    world.run(SignedDuration::from_hours(3));
    assert_eq!(world.hub.pulls(), []);
    // when there is another one that may, then nobody waits for the end of a pause
    world.hub.state().refusals.clear();
    world.hub.state().bot = "another-bot".to_owned();
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1);
    assert_eq!(world.conditions("a"), []);
}

#[test]
fn a_branch_without_approval_that_may_not_go_is_not_forgotten() {
    // Whether its approval goes before our eyes or while nobody is there; and another token may at once.
    for (unseen, new_token) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut world = World::asked("a");
        world.hub.state().kept.insert("aut-pg1-a".to_owned());
        if unseen {
            world.controllers.clear();
        }
        world.cube.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
        world.delete("a");
        if unseen {
            world.start();
        }
        world.run(SignedDuration::from_hours(10));
        assert_eq!(world.hub.branches(), ["aut-pg1-a"]);
        let before = world.hub.state().counts.clone();
        world.run(SignedDuration::from_hours(24));
        let after = world.hub.state().counts.clone();
        assert!(after.reads - before.reads < 10, "it costs next to nothing: {before:?} {after:?}");
        world.hub.state().kept.clear();
        if new_token {
            world.hub.state().bot = "another-bot".to_owned();
            world.minute();
        } else {
            world.run(SignedDuration::from_hours(25));
        }
        assert_eq!(world.hub.branches(), Vec::<String>::new(), "unseen: {unseen}, new token: {new_token}");
        world.assert_clean();
    }
}

#[test]
fn a_reviewer_whom_the_forge_does_not_take_is_named_and_keeps_nobody_else_away() {
    let reviewers = ["alice", "stranger", "bob"].map(str::to_owned).to_vec();
    let mut world = World::with(Settings { reviewers, ..settings() });
    world.hub.state().strangers.insert("stranger".to_owned());
    world.propose("a");
    world.minute();
    assert_eq!(world.hub.last().reviewers, ["alice", "bob"]);
    assert_eq!(world.conditions("a"), standing("ReviewersNotAsked", "Refused"));
    let said = |world: &World| {
        let all = world.get("a").unwrap().raw.status.unwrap().conditions.unwrap();
        all.into_iter().find(|c| c.status == "True").map(|c| c.message)
    };
    assert!(said(&world).unwrap().contains("does not take stranger as"), "{:?}", said(&world));
    // A restart neither asks again nor forgets; another pull request is another matter.
    let writes = world.hub.state().counts.writes;
    world.restart();
    world.minute();
    assert_eq!(world.hub.state().counts.writes, writes);
    assert_eq!(world.conditions("a"), standing("ReviewersNotAsked", "Refused"));
    world.hub.state().strangers.clear();
    world.propose("a");
    world.minute();
    assert_eq!(world.hub.last().reviewers, ["alice", "stranger", "bob"]);
    assert_eq!(world.conditions("a"), []);
}

/// Every kind of write, and every kind of no.
#[test]
fn a_no_to_any_write_passes_and_nothing_happens_twice() {
    const WRITES: [&str; 9] = [
        "commit ",
        "branch ",
        "open ",
        "comment ",
        "close ",
        "delete branch ",
        "advance ",
        "label ",
        "review ",
    ];
    let errors = |now: jiff::Timestamp| {
        [
            ForgeError::Unauthorized("401".into()),
            ForgeError::Refused("403".into()),
            ForgeError::NotFound("404".into()),
            ForgeError::Invalid("422".into()),
            ForgeError::Limited { until: now + SignedDuration::from_secs(20), why: "429".into() },
            ForgeError::Unavailable("500".into()),
        ]
    };
    for what in WRITES {
        for error in errors(World::new().now()) {
            let mut met = 0;
            for story in STORIES {
                let case = format!("{story:?}, {what}, {error}");
                let mut world = World::with(decorated());
                world.hub.state().refusals =
                    vec![Refusal { times: 2, ..Refusal::always(what, error.clone()) }];
                let expected = tell(&mut world, story);
                // What an approval left behind may be tried again later than everything else.
                world.run(SignedDuration::from_mins(40));
                met += world.hub.state().refusals[0].said;
                check_once(&mut world, expected, &case);
            }
            assert!(met > 0, "{what} was not refused with {error}");
        }
    }
}
