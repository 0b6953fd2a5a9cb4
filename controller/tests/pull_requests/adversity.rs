//! What other people and a broken forge do.

use autopilot_controller::pull_requests::plan::Finding;
use autopilot_controller::pull_requests::worker::Turned;
use autopilot_controller::pull_requests::{ForgeError, PullState};
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::{BOT, REPOSITORY};
use crate::scene::{World, key, settings, writer};

fn standing(kind: &str, reason: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), reason.to_owned())]
}

#[test]
fn a_look_alike_never_counts() {
    for (author, repository) in
        [("mallory", "mallory/fleet"), (BOT, "mallory/fleet"), ("mallory", REPOSITORY)]
    {
        let mut world = World::asked("a");
        let mut twin = world.hub.last();
        twin.base = "main".to_owned();
        let number = world.hub.look_alike(&twin, author, repository);
        world.minute();
        assert_eq!(world.conditions("a"), standing("PullRequestRefused", "LookAlike"));
        world.hub.close_by(number, "mallory");
        world.minute();
        assert!(world.decision("a").is_none());
        assert_eq!(world.conditions("a"), []);
        world.hub.close_by(1, "bob");
        world.minute();
        assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
        assert_eq!(world.hub.state().comments.get(&number), None, "we say nothing there");
    }
}

#[test]
fn a_look_alike_from_a_fork_does_not_keep_the_pull_request_away() {
    let mut world = World::asked("a");
    let twin = world.hub.last();
    world.hub.look_alike(&twin, "mallory", "mallory/fleet");
    world.delete("a");
    world.minute();
    world.propose("a");
    world.minute();
    let own: Vec<u64> = world.hub.open_pulls().iter().filter(|p| p.author == BOT).map(|p| p.number).collect();
    assert_eq!(own, [3]);
    assert_eq!(world.hub.pulls()[1].state, PullState::Open, "theirs is theirs");
}

#[test]
fn a_foreign_branch_is_left_alone_and_reported() {
    let mut world = World::new();
    world.hub.push("aut-pg1-a", |tree| drop(tree.insert("x".to_owned(), "y".to_owned())));
    world.propose("a");
    world.minute();
    assert_eq!(world.conditions("a"), standing("PullRequestWaits", "ForeignBranch"));
    assert_eq!(world.hub.pulls(), []);
    world.hub.delete_by("aut-pg1-a", "mallory");
    world.run(SignedDuration::from_mins(6));
    assert_eq!(world.hub.open_pulls().len(), 1);
    assert_eq!(world.conditions("a"), []);
}

#[test]
fn another_cluster_with_the_same_names_is_left_alone() {
    let mut world = World::asked("a");
    let number = world.hub.last().number;
    world.hub.edit(number, |pull| pull.body = pull.body.replace("cluster-uid", "another-uid"));
    let branches = world.hub.branches();
    world.cube.state().approvals.clear();
    world.restart();
    world.propose("a");
    world.minute();
    assert_eq!(world.conditions("a").len(), 2, "{:?}", world.conditions("a"));
    assert!(world.conditions("a").contains(&("PullRequestWaits".to_owned(), "BranchTaken".to_owned())));
    assert_eq!(world.hub.branches(), branches);
    assert_eq!(world.hub.last().state, PullState::Open);
}

#[test]
fn a_folder_with_its_own_list_is_reported_at_once() {
    let mut world = World::new();
    world.hub.push("main", |tree| {
        drop(tree.insert("clusters/prod/kustomization.yaml".into(), "resources: []".into()))
    });
    world.propose("a");
    world.minute();
    assert_eq!(world.conditions("a"), standing("FolderNotSynced", "OwnKustomization"));
    world.hub.merge(1, "alice");
    world.run(SignedDuration::from_mins(12));
    assert!(world.conditions("a").contains(&("MergedNotSynced".to_owned(), "OwnKustomization".to_owned())));
}

#[test]
fn a_protected_base_branch_is_reported_and_nothing_else_is_held_up() {
    let mut world = World::asked("a");
    world.hub.merge(1, "alice");
    world.hub.state().protected.insert("main".to_owned());
    world.flux();
    world.minute();
    world.execute("a", "done");
    world.minute();
    assert_eq!(world.conditions("a"), standing("LeftOnForge", "Refused"));
    assert_eq!(world.hub.said(1, "done"), 1);
    assert_eq!(world.hub.branches(), Vec::<String>::new());
    // Deleting the approval is not held up for ever.
    world.delete("a");
    world.run(SignedDuration::from_mins(3));
    assert!(world.get("a").is_none());
    let events = world.cube.state().events.clone();
    assert!(events[0].message.contains("https://forge.test/acme/fleet/pull/1"), "{}", events[0].message);
    assert!(events[0].warning);
}

#[test]
fn the_base_branch_moves_all_the_time() {
    let mut world = World::asked("a");
    world.hub.merge(1, "alice");
    world.minute();
    world.flux();
    for round in 0..20 {
        world.hub.push("main", |tree| drop(tree.insert(format!("file-{round}"), String::new())));
        world.run(SignedDuration::from_secs(3));
    }
    world.minute();
    assert_eq!(world.hub.base_files(), Vec::new());
}

#[test]
fn a_decline_is_not_written_over_what_a_gitops_tool_applies() {
    let mut world = World::asked("a");
    world.cube.state().edit(&key("a"), |a| a.writers = vec![writer("kustomize-controller", true)]);
    world.hub.close_by(1, "bob");
    world.minute();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
    assert_eq!(world.get("a").unwrap().raw.spec.approval_state.as_deref(), Some("pending"));
    assert_eq!(world.conditions("a"), standing("DeclineNotMirrored", "OwnedByApply"));
    world.assert_clean();
}

#[test]
fn no_error_decides_anything_and_all_of_them_pass() {
    let errors = [
        ForgeError::Unauthorized("revoked".into()),
        ForgeError::Refused("no".into()),
        ForgeError::NotFound("what".into()),
        ForgeError::Unavailable("503".into()),
        ForgeError::Limited { until: "2026-11-22T10:20:00Z".parse().unwrap(), why: "secondary".into() },
    ];
    for error in errors {
        let mut world = World::asked("a");
        world.propose("b");
        world.hub.state().down = Some(error.clone());
        world.run(SignedDuration::from_mins(10));
        assert!(world.decision("a").is_none() && world.decision("b").is_none(), "{error}");
        let word = world.conditions("b");
        assert_eq!(word.len(), 1, "{error}: {word:?}");
        assert_eq!(word[0].0, "PullRequestWaits");
        // kubectl still works.
        world.kubectl("a", "approved");
        assert_eq!(world.decision("a").unwrap().outcome, Outcome::Approved);
        world.hub.state().down = None;
        world.run(SignedDuration::from_mins(15));
        assert_eq!(world.hub.said(1, "decided"), 1, "{error}");
        assert_eq!(world.hub.open_pulls().len(), 1, "{error}");
        assert_eq!(world.conditions("b"), [], "{error}");
        assert_eq!(world.hub.state().counts.limited, 0);
    }
}

#[test]
fn an_hour_without_a_forge_holds_no_deletion_up_and_ends_without_a_burst() {
    let mut world = World::new();
    for i in 0..20 {
        world.propose(&format!("a{i:02}"));
    }
    world.run(SignedDuration::from_mins(5));
    assert_eq!(world.hub.open_pulls().len(), 20);
    world.hub.state().down = Some(ForgeError::Unavailable("no route".into()));
    world.minute();
    for i in 0..10 {
        world.delete(&format!("a{i:02}"));
    }
    world.run(SignedDuration::from_secs(100));
    assert!(world.get("a00").is_some(), "not before the bound");
    world.run(SignedDuration::from_mins(1));
    assert!((0..10).all(|i| world.get(&format!("a{i:02}")).is_none()));
    assert_eq!(world.cube.state().events.len(), 10);
    assert!(world.cube.state().events[0].message.contains("branch aut-pg1-a00"));
    world.run(SignedDuration::from_mins(55));
    world.hub.state().down = None;
    world.run(SignedDuration::from_mins(15));
    assert_eq!(world.hub.open_pulls().len(), 10);
    assert_eq!(world.hub.branches().len(), 10);
    assert_eq!(world.hub.state().counts.limited, 0);
}

#[test]
fn a_finalizer_that_somebody_else_left_is_released() {
    let mut world = World::new();
    world.propose("a");
    world.cube.state().edit(&key("a"), |a| {
        a.raw.status = None;
        a.raw.metadata.finalizers = Some(vec![autopilot_shared::api::FINALIZER.to_owned()]);
    });
    world.delete("a");
    world.minute();
    assert!(world.get("a").is_none());
    assert_eq!(world.hub.state().counts.writes, 0);
}

#[test]
fn no_finalizer_before_something_is_about_to_be_written() {
    let mut settings = settings();
    settings.max_open = 1;
    let mut world = World::with(settings);
    world.propose("a");
    world.minute();
    world.propose("b");
    world.minute();
    assert_eq!(world.get("b").unwrap().raw.finalizers(), Vec::<String>::new());
    assert_eq!(world.conditions("b"), standing("PullRequestWaits", "MaxOpen"));
    world.hub.close_by(1, "bob");
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1);
    assert_eq!(world.conditions("b"), []);
}

#[test]
fn an_object_that_a_file_made_gets_no_pull_request_and_goes_with_the_file() {
    let mut world = World::asked("a");
    let (path, text) = {
        let noted = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        (noted.path.clone(), world.hub.file("aut-pg1-a", &noted.path).unwrap())
    };
    world.delete("a");
    world.minute();
    world.hub.push("main", |tree| drop(tree.insert(path, text)));
    world.flux();
    world.minute();
    assert_eq!(world.hub.pulls().len(), 1);
    assert_eq!(world.hub.open_pulls(), []);
    assert_eq!(world.hub.base_files(), [], "nobody waits for that file");
    // No tool is known: it may be made again at once.
    world.run(SignedDuration::from_mins(10));
    assert!(world.get("a").is_none(), "nor for what was made of it");
}

#[test]
fn an_object_that_a_file_made_waits_for_the_gitops_tool_and_that_of_a_person_stays() {
    for (by_tool, behind, stays) in [(true, true, true), (true, false, false), (false, false, true)] {
        let mut world = World::asked("a");
        let noted = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        let text = world.hub.file("aut-pg1-a", &noted.path).unwrap();
        world.delete("a");
        world.minute();
        if behind {
            world.cube.state().findings = vec![Finding::Behind { object: "GitRepository x/y".to_owned() }];
        }
        if !behind {
            world.cube.state().findings =
                vec![Finding::Applied { object: "Kustomization x/y".to_owned(), path: String::new() }];
        }
        world.hub.push("main", |tree| drop(tree.insert(noted.path.clone(), text)));
        world.flux();
        if !by_tool {
            world.cube.state().edit(&key("a"), |a| a.writers = vec![writer("kubectl", false)]);
        }
        world.minute();
        assert_eq!(world.hub.base_files(), []);
        assert_eq!(world.get("a").is_some(), stays, "by a tool: {by_tool}, behind: {behind}");
    }
}

#[test]
fn files_that_nobody_waits_for_go_and_those_of_others_stay() {
    let mut world = World::asked("a");
    world.propose("b");
    world.minute();
    let noted =
        |world: &World, name: &str| world.get(name).unwrap().raw.status.unwrap().pull_request.unwrap();
    let path = noted(&world, "a").path;
    let text = world.hub.file("aut-pg1-a", &path).unwrap();
    world.hub.merge(2, "alice");
    world.minute();
    // Nobody was there when the approval went, and its file came.
    world.cube.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    world.delete("a");
    let theirs = "clusters/prod/a-0b6bd2f1-6b0c-4a0b-8d8e-6ab7e2d3a111.yaml".to_owned();
    let without = text.lines().filter(|l| !l.contains("proposal:")).collect::<Vec<_>>().join("\n");
    world.hub.push("main", |tree| {
        tree.insert(path.clone(), text);
        tree.insert(theirs.clone(), without);
    });
    world.restart();
    world.minute();
    let left: Vec<String> = world.hub.base_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        left,
        [theirs, noted(&world, "b").path],
        "what is merged and waits stays, and what we did not write"
    );
}

#[test]
fn the_gitops_tool_is_asked_to_look_where_that_is_wanted() {
    for (nudge, times) in [(false, 0), (true, 1)] {
        let mut settings = settings();
        settings.nudge = nudge;
        let mut world = World::with(settings);
        world.propose("a");
        world.minute();
        world.hub.merge(1, "alice");
        world.run(SignedDuration::from_mins(5));
        assert_eq!(world.cube.state().nudges, times);
    }
}

/// One step of the only controller, however long it waits for it.
fn step(world: &mut World) {
    if let Turned::Idle(until) = world.turn(0) {
        let now = world.now();
        world.hub.state().now = until.unwrap_or(now + SignedDuration::from_secs(1)).max(now);
    }
}

#[test]
fn work_that_is_pushed_while_its_branch_is_about_to_go_is_not_deleted() {
    let (mut pushed, mut left) = (0, 0);
    for steps in 0..12 {
        // given a question that was decided in the cluster, whose pull request is being closed
        let mut world = World::asked("a");
        let branch = world.hub.last().branch;
        world.kubectl("a", "declined");
        for _ in 0..steps {
            step(&mut world);
        }
        if !world.hub.branches().contains(&branch) {
            continue;
        }
        // when somebody pushes to its branch
        world.hub.push(&branch, |tree| {
            tree.insert("work".to_owned(), "of a week".to_owned());
        });
        let work = world.hub.state().refs[&branch].clone();
        pushed += 1;
        world.minute();
        // then it is there still: on the branch, or as what its pull request ended with, which a forge keeps
        let kept = world.hub.pulls().iter().any(|p| p.branch == branch && p.head == work);
        let there = world.hub.state().refs.get(&branch) == Some(&work);
        assert!(kept || there, "after {steps} steps");
        left += u32::from(there);
    }
    assert!(pushed > 3, "the branch went too soon to push to");
    assert!(left > 0, "no push fell between the last look and the deletion");
}
