//! What other people and a broken forge do.

use autopilot_controller::pull_requests::plan::Finding;
use autopilot_controller::pull_requests::worker::Worked;
use autopilot_controller::pull_requests::{ForgeError, PullState};
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::{BOT, REPOSITORY};
use crate::scene::{ForgeScene, key, settings, writer};

fn standing(kind: &str, reason: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), reason.to_owned())]
}

#[test]
fn a_look_alike_never_counts() {
    for (author, repository) in
        [("mallory", "mallory/fleet"), (BOT, "mallory/fleet"), ("mallory", REPOSITORY)]
    {
        let mut scene = ForgeScene::asked("a");
        let mut twin = scene.forge.last();
        twin.base = "main".to_owned();
        let number = scene.forge.look_alike(&twin, author, repository);
        scene.minute();
        assert_eq!(scene.conditions("a"), standing("PullRequestRefused", "LookAlike"));
        scene.forge.close_by(number, "mallory");
        scene.minute();
        assert!(scene.decision("a").is_none());
        assert_eq!(scene.conditions("a"), []);
        scene.forge.close_by(1, "bob");
        scene.minute();
        assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
        assert_eq!(scene.forge.state().comments.get(&number), None, "we say nothing there");
    }
}

#[test]
fn a_look_alike_from_a_fork_does_not_keep_the_pull_request_away() {
    let mut scene = ForgeScene::asked("a");
    let twin = scene.forge.last();
    scene.forge.look_alike(&twin, "mallory", "mallory/fleet");
    scene.delete("a");
    scene.minute();
    scene.propose("a");
    scene.minute();
    let own: Vec<u64> =
        scene.forge.open_pulls().iter().filter(|p| p.author == BOT).map(|p| p.number).collect();
    assert_eq!(own, [3]);
    assert_eq!(scene.forge.pulls()[1].state, PullState::Open, "theirs is theirs");
}

#[test]
fn a_foreign_branch_is_left_alone_and_reported() {
    let mut scene = ForgeScene::new();
    scene.forge.push("aut-pg1-a", |tree| drop(tree.insert("x".to_owned(), "y".to_owned())));
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.conditions("a"), standing("PullRequestWaits", "ForeignBranch"));
    assert_eq!(scene.forge.pulls(), []);
    scene.forge.delete_by("aut-pg1-a", "mallory");
    scene.run(SignedDuration::from_mins(6));
    assert_eq!(scene.forge.open_pulls().len(), 1);
    assert_eq!(scene.conditions("a"), []);
}

#[test]
fn another_cluster_with_the_same_names_is_left_alone() {
    let mut scene = ForgeScene::asked("a");
    let number = scene.forge.last().number;
    scene.forge.edit(number, |pull| pull.body = pull.body.replace("cluster-uid", "another-uid"));
    let branches = scene.forge.branches();
    scene.cluster.state().approvals.clear();
    scene.restart();
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.conditions("a").len(), 2, "{:?}", scene.conditions("a"));
    assert!(scene.conditions("a").contains(&("PullRequestWaits".to_owned(), "BranchTaken".to_owned())));
    assert_eq!(scene.forge.branches(), branches);
    assert_eq!(scene.forge.last().state, PullState::Open);
}

#[test]
fn a_folder_with_its_own_list_is_reported_at_once() {
    let mut scene = ForgeScene::new();
    scene.forge.push("main", |tree| {
        drop(tree.insert("clusters/prod/kustomization.yaml".into(), "resources: []".into()))
    });
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.conditions("a"), standing("FolderNotSynced", "OwnKustomization"));
    scene.forge.merge(1, "alice");
    scene.run(SignedDuration::from_mins(12));
    assert!(scene.conditions("a").contains(&("MergedNotSynced".to_owned(), "OwnKustomization".to_owned())));
}

#[test]
fn a_protected_base_branch_is_reported_and_nothing_else_is_held_up() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.merge(1, "alice");
    scene.forge.state().protected.insert("main".to_owned());
    scene.flux();
    scene.minute();
    scene.execute("a", "done");
    scene.minute();
    assert_eq!(scene.conditions("a"), standing("LeftOnForge", "Refused"));
    assert_eq!(scene.forge.said(1, "done"), 1);
    assert_eq!(scene.forge.branches(), Vec::<String>::new());
    // Deleting the approval is not held up for ever.
    scene.delete("a");
    scene.run(SignedDuration::from_mins(3));
    assert!(scene.get("a").is_none());
    let events = scene.cluster.state().events.clone();
    assert!(events[0].message.contains("https://forge.test/acme/fleet/pull/1"), "{}", events[0].message);
    assert!(events[0].warning);
}

#[test]
fn the_base_branch_moves_all_the_time() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.merge(1, "alice");
    scene.minute();
    scene.flux();
    for round in 0..20 {
        scene.forge.push("main", |tree| drop(tree.insert(format!("file-{round}"), String::new())));
        scene.run(SignedDuration::from_secs(3));
    }
    scene.minute();
    assert_eq!(scene.forge.base_files(), Vec::new());
}

#[test]
fn a_decline_is_not_written_over_what_a_gitops_tool_applies() {
    let mut scene = ForgeScene::asked("a");
    scene.cluster.state().edit(&key("a"), |a| a.writers = vec![writer("kustomize-controller", true)]);
    scene.forge.close_by(1, "bob");
    scene.minute();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
    assert_eq!(scene.get("a").unwrap().raw.spec.approval_state.as_deref(), Some("pending"));
    assert_eq!(scene.conditions("a"), standing("DeclineNotMirrored", "OwnedByApply"));
    scene.assert_clean();
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
        let mut scene = ForgeScene::asked("a");
        scene.propose("b");
        scene.forge.state().down = Some(error.clone());
        scene.run(SignedDuration::from_mins(10));
        assert!(scene.decision("a").is_none() && scene.decision("b").is_none(), "{error}");
        let word = scene.conditions("b");
        assert_eq!(word.len(), 1, "{error}: {word:?}");
        assert_eq!(word[0].0, "PullRequestWaits");
        // kubectl still works.
        scene.kubectl("a", "approved");
        assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Approved);
        scene.forge.state().down = None;
        scene.run(SignedDuration::from_mins(15));
        assert_eq!(scene.forge.said(1, "decided"), 1, "{error}");
        assert_eq!(scene.forge.open_pulls().len(), 1, "{error}");
        assert_eq!(scene.conditions("b"), [], "{error}");
        assert_eq!(scene.forge.state().counts.limited, 0);
    }
}

#[test]
fn an_hour_without_a_forge_holds_no_deletion_up_and_ends_without_a_burst() {
    let mut scene = ForgeScene::new();
    for i in 0..20 {
        scene.propose(&format!("a{i:02}"));
    }
    scene.run(SignedDuration::from_mins(5));
    assert_eq!(scene.forge.open_pulls().len(), 20);
    scene.forge.state().down = Some(ForgeError::Unavailable("no route".into()));
    scene.minute();
    for i in 0..10 {
        scene.delete(&format!("a{i:02}"));
    }
    scene.run(SignedDuration::from_secs(100));
    assert!(scene.get("a00").is_some(), "not before the bound");
    scene.run(SignedDuration::from_mins(1));
    assert!((0..10).all(|i| scene.get(&format!("a{i:02}")).is_none()));
    assert_eq!(scene.cluster.state().events.len(), 10);
    assert!(scene.cluster.state().events[0].message.contains("branch aut-pg1-a00"));
    scene.run(SignedDuration::from_mins(55));
    scene.forge.state().down = None;
    scene.run(SignedDuration::from_mins(15));
    assert_eq!(scene.forge.open_pulls().len(), 10);
    assert_eq!(scene.forge.branches().len(), 10);
    assert_eq!(scene.forge.state().counts.limited, 0);
}

#[test]
fn a_finalizer_that_somebody_else_left_is_released() {
    let mut scene = ForgeScene::new();
    scene.propose("a");
    scene.cluster.state().edit(&key("a"), |a| {
        a.raw.status = None;
        a.raw.metadata.finalizers = Some(vec![autopilot_shared::api::FINALIZER.to_owned()]);
    });
    scene.delete("a");
    scene.minute();
    assert!(scene.get("a").is_none());
    assert_eq!(scene.forge.state().counts.writes, 0);
}

#[test]
fn no_finalizer_before_something_is_about_to_be_written() {
    let mut settings = settings();
    settings.max_open = 1;
    let mut scene = ForgeScene::with(settings);
    scene.propose("a");
    scene.minute();
    scene.propose("b");
    scene.minute();
    assert_eq!(scene.get("b").unwrap().raw.finalizers(), Vec::<String>::new());
    assert_eq!(scene.conditions("b"), standing("PullRequestWaits", "MaxOpen"));
    scene.forge.close_by(1, "bob");
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1);
    assert_eq!(scene.conditions("b"), []);
}

#[test]
fn an_object_that_a_file_made_gets_no_pull_request_and_goes_with_the_file() {
    let mut scene = ForgeScene::asked("a");
    let (path, text) = {
        let noted = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        (noted.path.clone(), scene.forge.file("aut-pg1-a", &noted.path).unwrap())
    };
    scene.delete("a");
    scene.minute();
    scene.forge.push("main", |tree| drop(tree.insert(path, text)));
    scene.flux();
    scene.minute();
    assert_eq!(scene.forge.pulls().len(), 1);
    assert_eq!(scene.forge.open_pulls(), []);
    assert_eq!(scene.forge.base_files(), [], "nobody waits for that file");
    // No tool is known: it may be made again at once.
    scene.run(SignedDuration::from_mins(10));
    assert!(scene.get("a").is_none(), "nor for what was made of it");
}

#[test]
fn an_object_that_a_file_made_waits_for_the_gitops_tool_and_that_of_a_person_stays() {
    for (by_tool, behind, stays) in [(true, true, true), (true, false, false), (false, false, true)] {
        let mut scene = ForgeScene::asked("a");
        let noted = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        let text = scene.forge.file("aut-pg1-a", &noted.path).unwrap();
        scene.delete("a");
        scene.minute();
        if behind {
            scene.cluster.state().findings = vec![Finding::Behind { object: "GitRepository x/y".to_owned() }];
        }
        if !behind {
            scene.cluster.state().findings =
                vec![Finding::Applied { object: "Kustomization x/y".to_owned(), path: String::new() }];
        }
        scene.forge.push("main", |tree| drop(tree.insert(noted.path.clone(), text)));
        scene.flux();
        if !by_tool {
            scene.cluster.state().edit(&key("a"), |a| a.writers = vec![writer("kubectl", false)]);
        }
        scene.minute();
        assert_eq!(scene.forge.base_files(), []);
        assert_eq!(scene.get("a").is_some(), stays, "by a tool: {by_tool}, behind: {behind}");
    }
}

#[test]
fn files_that_nobody_waits_for_go_and_those_of_others_stay() {
    let mut scene = ForgeScene::asked("a");
    scene.propose("b");
    scene.minute();
    let noted =
        |scene: &ForgeScene, name: &str| scene.get(name).unwrap().raw.status.unwrap().pull_request.unwrap();
    let path = noted(&scene, "a").path;
    let text = scene.forge.file("aut-pg1-a", &path).unwrap();
    scene.forge.merge(2, "alice");
    scene.minute();
    // Nobody was there when the approval went, and its file came.
    scene.cluster.state().edit(&key("a"), |a| a.raw.metadata.finalizers = None);
    scene.delete("a");
    let theirs = "clusters/prod/a-0b6bd2f1-6b0c-4a0b-8d8e-6ab7e2d3a111.yaml".to_owned();
    let without = text.lines().filter(|l| !l.contains("proposal:")).collect::<Vec<_>>().join("\n");
    scene.forge.push("main", |tree| {
        tree.insert(path.clone(), text);
        tree.insert(theirs.clone(), without);
    });
    scene.restart();
    scene.minute();
    let left: Vec<String> = scene.forge.base_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        left,
        [theirs, noted(&scene, "b").path],
        "what is merged and waits stays, and what we did not write"
    );
}

#[test]
fn the_gitops_tool_is_asked_to_look_where_that_is_wanted() {
    for (request_reconcile, times) in [(false, 0), (true, 1)] {
        let mut settings = settings();
        settings.request_reconcile = request_reconcile;
        let mut scene = ForgeScene::with(settings);
        scene.propose("a");
        scene.minute();
        scene.forge.merge(1, "alice");
        scene.run(SignedDuration::from_mins(5));
        assert_eq!(scene.cluster.state().nudges, times);
    }
}

/// One step of the only controller, however long it waits for it.
fn step(scene: &mut ForgeScene) {
    if let Worked::Idle(until) = scene.work_once(0) {
        let now = scene.now();
        scene.forge.state().now = until.unwrap_or(now + SignedDuration::from_secs(1)).max(now);
    }
}

#[test]
fn work_that_is_pushed_while_its_branch_is_about_to_go_is_not_deleted() {
    let (mut pushed, mut left) = (0, 0);
    for steps in 0..12 {
        // given a question that was decided in the cluster, whose pull request is being closed
        let mut scene = ForgeScene::asked("a");
        let branch = scene.forge.last().branch;
        scene.kubectl("a", "declined");
        for _ in 0..steps {
            step(&mut scene);
        }
        if !scene.forge.branches().contains(&branch) {
            continue;
        }
        // when somebody pushes to its branch
        scene.forge.push(&branch, |tree| {
            tree.insert("work".to_owned(), "of a week".to_owned());
        });
        let work = scene.forge.state().refs[&branch].clone();
        pushed += 1;
        scene.minute();
        // then it is there still: on the branch, or as what its pull request ended with, which a forge keeps
        let kept = scene.forge.pulls().iter().any(|p| p.branch == branch && p.head == work);
        let there = scene.forge.state().refs.get(&branch) == Some(&work);
        assert!(kept || there, "after {steps} steps");
        left += u32::from(there);
    }
    assert!(pushed > 3, "the branch went too soon to push to");
    assert!(left > 0, "no push fell between the last look and the deletion");
}
