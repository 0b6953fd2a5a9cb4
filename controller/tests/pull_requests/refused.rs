//! A forge that says no to some of what it is asked: it is said, it decides nothing, and it passes.

use autopilot_controller::pull_requests::{ForgeError, PullRequestSettings};
use jiff::SignedDuration;

use crate::crash::{SCENARIOS, check_once, decorated, tell};
use crate::fake_forge::Refusal;
use crate::scene::{ForgeScene, key, settings};

fn standing(kind: &str, reason: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), reason.to_owned())]
}

fn refused() -> ForgeError {
    ForgeError::Refused("cannot look: 403".into())
}

/// What may be refused to a token that sees the list of pull requests: no Contents, no such branch, an empty
/// repository, a folder that is too large.
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
        let mut scene = ForgeScene::new();
        scene.forge.state().refusals = vec![Refusal::always(what, error)];
        scene.propose("a");
        scene.run(SignedDuration::from_mins(3));
        if what == "list branches" {
            assert_eq!((scene.conditions("a"), scene.forge.open_pulls().len()), (vec![], 1), "{case}");
            continue;
        }
        assert_eq!(scene.forge.pulls(), [], "{case}");
        assert_eq!(scene.conditions("a"), standing("PullRequestWaits", "Refused"), "{case}");
        // when it is over, then all that waited is done
        scene.forge.state().refusals.clear();
        scene.run(SignedDuration::from_mins(20));
        assert_eq!((scene.conditions("a"), scene.forge.open_pulls().len()), (vec![], 1), "{case}");
    }
}

#[test]
fn a_refused_look_at_what_is_left_is_said() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.state().refusals = vec![Refusal::always("read comments", refused())];
    scene.kubectl("a", "declined");
    scene.minute();
    assert_eq!(scene.conditions("a"), standing("LeftOnForge", "Refused"));
    scene.forge.state().refusals.clear();
    scene.run(SignedDuration::from_mins(10));
    assert_eq!(scene.conditions("a"), []);
    assert_eq!(scene.forge.said(1, "decided"), 1);
    scene.assert_clean();
}

#[test]
fn a_look_that_fails_resolves_nothing_that_stands() {
    for error in [refused(), ForgeError::Unavailable("503".into())] {
        // given a merge that is not synced
        let mut scene = ForgeScene::asked("a");
        scene.forge.merge(1, "alice");
        scene.run(SignedDuration::from_mins(15));
        let not_synced = standing("MergedNotSynced", "NotApplied");
        assert_eq!(scene.conditions("a"), not_synced);
        // when the folder cannot be looked at any more, then that stands
        scene.forge.state().refusals = vec![Refusal::always("list files", error.clone())];
        for _ in 0..10 {
            scene.minute();
            let now = scene.conditions("a");
            assert!(now.contains(&not_synced[0]), "{error}: {now:?}");
        }
    }
    // And for a file that was edited, after a restart.
    let mut scene = ForgeScene::asked("a");
    scene.forge.push("aut-pg1-a", |tree| {
        for text in tree.values_mut() {
            *text = text.replace("400Gi", "900Gi");
        }
    });
    scene.minute();
    assert_eq!(scene.conditions("a"), standing("PullRequestRefused", "FileEdited"));
    scene.forge.state().refusals = vec![Refusal::always("read clusters", refused())];
    scene.restart();
    scene.run(SignedDuration::from_mins(5));
    assert!(scene.conditions("a").contains(&standing("PullRequestRefused", "FileEdited")[0]));
}

/// How often a condition that stood was resolved.
fn flaps(scene: &ForgeScene, kind: &str) -> usize {
    let state = scene.cluster.state();
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
        let mut scene = ForgeScene::asked("a");
        scene.forge.state().refusals = vec![Refusal::always(what, refused())];
        scene.kubectl("a", "declined");
        scene.run(SignedDuration::from_hours(3));
        let tries = scene.forge.state().refusals[0].refused;
        assert!(tries > 5, "{what} was tried {tries} times");
        assert_eq!(scene.conditions("a"), standing("LeftOnForge", "Refused"), "{what}");
        assert_eq!(flaps(&scene, "LeftOnForge"), 0, "{what}");
        scene.forge.state().refusals.clear();
        scene.run(SignedDuration::from_hours(1));
        assert_eq!((scene.conditions("a"), flaps(&scene, "LeftOnForge")), (vec![], 1), "{what}");
        scene.assert_clean();
    }
}

#[test]
fn a_question_whose_pull_request_is_refused_says_so_without_a_break() {
    for what in ["branch ", "open "] {
        let mut scene = ForgeScene::new();
        scene.forge.state().refusals = vec![Refusal::always(what, refused())];
        scene.propose("a");
        scene.run(SignedDuration::from_hours(3));
        assert_eq!(scene.conditions("a"), standing("PullRequestWaits", "Refused"), "{what}");
        assert_eq!(flaps(&scene, "PullRequestWaits"), 0, "{what}");
    }
}

#[test]
fn a_folder_that_is_merely_unknown_resolves_nothing_that_was_said_of_it() {
    let mut scene = ForgeScene::new();
    scene
        .forge
        .push("main", |tree| drop(tree.insert("clusters/prod/kustomization.yaml".to_owned(), String::new())));
    scene.propose("a");
    scene.minute();
    let told = standing("FolderNotSynced", "OwnKustomization");
    assert_eq!(scene.conditions("a"), told);
    // when the folder is not known any more, after a merge and a restart, and may not be looked at
    scene.propose("b");
    scene.minute();
    scene.forge.state().refusals = vec![Refusal::always("list files", refused())];
    scene.forge.merge(2, "alice");
    scene.run(SignedDuration::from_mins(5));
    scene.restart();
    scene.run(SignedDuration::from_mins(5));
    assert_eq!((scene.conditions("a"), flaps(&scene, "FolderNotSynced")), (told, 0));
    // when it can be, and has none
    scene.forge.push("main", |tree| drop(tree.remove("clusters/prod/kustomization.yaml")));
    scene.forge.state().refusals.clear();
    scene.restart();
    scene.minute();
    assert_eq!(scene.conditions("a"), []);
}

#[test]
fn a_look_at_the_folder_that_is_refused_for_ever_becomes_seldom() {
    let mut scene = ForgeScene::new();
    scene.forge.state().refusals = vec![Refusal::always("look at main", ForgeError::NotFound("main".into()))];
    scene.run(SignedDuration::from_hours(2));
    let before = scene.forge.state().refusals[0].refused;
    scene.run(SignedDuration::from_hours(10));
    let asked = scene.forge.state().refusals[0].refused - before;
    assert!((10..=21).contains(&asked), "{asked}");
    // when there is another token, then it is asked at once
    let before = scene.forge.state().refusals[0].refused;
    scene.forge.state().bot = "another-bot".to_owned();
    scene.minute();
    assert!(scene.forge.state().refusals[0].refused > before);
}

#[test]
fn another_token_is_not_refused_what_the_old_one_was() {
    // given a token that may not look at branches, refused so often that the pauses are long
    let mut scene = ForgeScene::new();
    scene.forge.state().refusals = vec![Refusal::always("look at aut-", refused())];
    scene.propose("a");
    scene.run(SignedDuration::from_hours(3));
    assert_eq!(scene.forge.pulls(), []);
    // when there is another one that may, then nobody waits for the end of a pause
    scene.forge.state().refusals.clear();
    scene.forge.state().bot = "another-bot".to_owned();
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1);
    assert_eq!(scene.conditions("a"), []);
}

#[test]
fn a_branch_without_approval_that_may_not_go_is_not_forgotten() {
    // Whether its approval goes before our eyes or while nobody is there; and another token may at once.
    for (unseen, new_token) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut scene = ForgeScene::asked("a");
        scene.forge.state().kept.insert("aut-pg1-a".to_owned());
        if unseen {
            scene.controllers.clear();
        }
        scene.cluster.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
        scene.delete("a");
        if unseen {
            scene.start();
        }
        scene.run(SignedDuration::from_hours(10));
        assert_eq!(scene.forge.branches(), ["aut-pg1-a"]);
        let before = scene.forge.state().counts.clone();
        scene.run(SignedDuration::from_hours(24));
        let after = scene.forge.state().counts.clone();
        assert!(after.reads - before.reads < 10, "it costs next to nothing: {before:?} {after:?}");
        scene.forge.state().kept.clear();
        if new_token {
            scene.forge.state().bot = "another-bot".to_owned();
            scene.minute();
        } else {
            scene.run(SignedDuration::from_hours(25));
        }
        assert_eq!(scene.forge.branches(), Vec::<String>::new(), "unseen: {unseen}, new token: {new_token}");
        scene.assert_clean();
    }
}

#[test]
fn a_reviewer_whom_the_forge_does_not_take_is_named_and_keeps_nobody_else_away() {
    let reviewers = ["alice", "stranger", "bob"].map(str::to_owned).to_vec();
    let mut scene = ForgeScene::with(PullRequestSettings { reviewers, ..settings() });
    scene.forge.state().strangers.insert("stranger".to_owned());
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.forge.last().reviewers, ["alice", "bob"]);
    assert_eq!(scene.conditions("a"), standing("ReviewersNotAsked", "Refused"));
    let said = |scene: &ForgeScene| {
        let all = scene.get("a").unwrap().raw.status.unwrap().conditions.unwrap();
        all.into_iter().find(|c| c.status == "True").map(|c| c.message)
    };
    assert!(said(&scene).unwrap().contains("does not take stranger as"), "{:?}", said(&scene));
    // A restart neither asks again nor forgets; another pull request is another matter.
    let writes = scene.forge.state().counts.writes;
    scene.restart();
    scene.minute();
    assert_eq!(scene.forge.state().counts.writes, writes);
    assert_eq!(scene.conditions("a"), standing("ReviewersNotAsked", "Refused"));
    scene.forge.state().strangers.clear();
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.forge.last().reviewers, ["alice", "stranger", "bob"]);
    assert_eq!(scene.conditions("a"), []);
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
        for error in errors(ForgeScene::new().now()) {
            let mut met = 0;
            for scenario in SCENARIOS {
                let case = format!("{scenario:?}, {what}, {error}");
                let mut scene = ForgeScene::with(decorated());
                scene.forge.state().refusals =
                    vec![Refusal { times: 2, ..Refusal::always(what, error.clone()) }];
                let expected = tell(&mut scene, scenario);
                // What an approval left behind may be tried again later than everything else.
                scene.run(SignedDuration::from_mins(40));
                met += scene.forge.state().refusals[0].refused;
                check_once(&mut scene, expected, &case);
            }
            assert!(met > 0, "{what} was not refused with {error}");
        }
    }
}
