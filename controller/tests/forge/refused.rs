//! A forge that says no to some of what it is asked: it is said, it decides nothing, and it passes.

use autopilot_controller::forge::{ForgeError, Settings};
use jiff::SignedDuration;

use crate::crash::{STORIES, check_once, decorated, tell};
use crate::hub::Refusal;
use crate::world::{World, key, settings};

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
