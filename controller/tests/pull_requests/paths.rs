//! The guide's ways through: merge, close, delete.

use autopilot_controller::pull_requests::PullState;
use autopilot_controller::pull_requests::plan::{Finding, Settings};
use autopilot_controller::pull_requests::worker::Turned;
use autopilot_shared::api::{FINALIZER, Outcome, PullRequestState};
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::Hub;
use crate::scene::{World, settings};

fn recorded(world: &World) -> autopilot_shared::api::PullRequest {
    world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap()
}

fn has_finalizer(world: &World) -> bool {
    world.get("a").unwrap().raw.finalizers().iter().any(|f| f == FINALIZER)
}

fn merge(world: &mut World) {
    let number = world.hub.last().number;
    world.hub.merge(number, "alice");
    world.minute();
}

#[test]
fn a_question_becomes_one_pull_request() {
    let mut world = World::asked("a");
    let pull = world.hub.last();
    assert_eq!(pull.branch, "aut-pg1-a");
    assert_eq!(pull.title, "[Autopilot] approval for rule pg1/a rule: volume-resize");
    let noted = recorded(&world);
    assert_eq!((noted.number, noted.state, noted.url), (1, PullRequestState::Open, pull.url));
    assert!(world.hub.file("aut-pg1-a", &noted.path).unwrap().contains("approvalState: approved"));
    assert!(has_finalizer(&world));
    let writes = world.hub.state().counts.writes;
    world.minute();
    assert_eq!(world.hub.state().counts.writes, writes, "nothing more is written");
}

#[test]
fn merged_and_synced_it_is_approved_and_the_file_goes_after_the_latch() {
    let mut world = World::asked("a");
    merge(&mut world);
    let noted = recorded(&world);
    assert_eq!((noted.state, noted.by.as_str(), noted.in_base), (PullRequestState::Merged, "alice", true));
    assert!(world.decision("a").is_none(), "merging alone approves nothing");
    assert_eq!(world.hub.base_files().len(), 1, "the file waits for the latch");
    assert_eq!(world.hub.branches(), Vec::<String>::new());
    world.flux();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Approved);
    world.minute();
    assert_eq!(world.hub.base_files(), Vec::new());
    assert!(
        world
            .hub
            .state()
            .log
            .iter()
            .any(|l| l.starts_with("commit [Autopilot] deleting file: clusters/prod/a-"))
    );
    assert!(has_finalizer(&world), "the outcome is not told yet");
    world.execute("a", "done");
    world.minute();
    assert_eq!(world.hub.said(1, "done"), 1);
    assert!(world.hub.state().comments[&1][0].1.contains("`alice` by merging this"));
    assert!(!has_finalizer(&world));
    world.assert_clean();
    assert!(!recorded(&world).in_base);
}

#[test]
fn closed_it_is_declined_and_stays() {
    let mut world = World::asked("a");
    world.hub.close_by(1, "bob");
    world.minute();
    let decision = world.decision("a").unwrap();
    assert_eq!((decision.outcome, decision.by.as_str()), (Outcome::Declined, "bob"));
    assert_eq!(world.get("a").unwrap().raw.spec.approval_state.as_deref(), Some("declined"));
    assert_eq!(world.hub.said(1, "declined"), 1);
    assert!(!has_finalizer(&world), "nothing is left to clean up");
    world.assert_clean();
    world.hub.reopen(1);
    world.minute();
    assert_eq!(world.hub.said(1, "reopened"), 1);
    world.assert_clean();
}

#[test]
fn deleting_the_branch_declines_and_is_told() {
    let mut world = World::asked("a");
    world.hub.delete_by("aut-pg1-a", "bob");
    world.minute();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Declined);
    assert!(world.hub.state().comments[&1][0].1.contains("Closed by `bob`, and its branch is gone."));
}

#[test]
fn deleted_the_pull_request_goes_and_a_new_one_comes() {
    let mut world = World::asked("a");
    world.delete("a");
    world.minute();
    assert!(world.get("a").is_none());
    assert_eq!(world.hub.said(1, "deleted"), 1);
    world.assert_clean();
    world.propose("a");
    world.minute();
    assert_eq!(world.hub.open_pulls().len(), 1);
    assert_eq!(world.hub.last().number, 2);
}

#[test]
fn decided_in_the_cluster_the_pull_request_is_told_and_closed() {
    for (state, word) in [("approved", "Approved"), ("declined", "Declined")] {
        let mut world = World::asked("a");
        world.kubectl("a", state);
        world.minute();
        assert_eq!(world.hub.said(1, "decided"), 1);
        assert!(
            world.hub.state().comments[&1][0]
                .1
                .contains(&format!("**{word} in the cluster** with `kubectl`"))
        );
        world.execute("a", "done");
        world.minute();
        assert_eq!(world.hub.said(1, "done"), usize::from(state == "approved"));
        world.assert_clean();
    }
}

#[test]
fn canceled_it_is_said_why() {
    let mut world = World::asked("a");
    world.cancel("a", "the rule was edited");
    world.minute();
    assert_eq!(world.hub.said(1, "canceled"), 1);
    assert!(world.hub.state().comments[&1][0].1.contains("the rule was edited"));
    world.assert_clean();
}

#[test]
fn an_old_file_of_the_approval_goes() {
    let mut world = World::asked("a");
    let (path, text) = {
        let noted = recorded(&world);
        (noted.path.clone(), world.hub.file("aut-pg1-a", &noted.path).unwrap())
    };
    merge(&mut world);
    world.flux();
    world.execute("a", "done");
    world.minute();
    world.delete("a");
    world.minute();
    world.assert_clean();
    // Somebody puts the file back; the GitOps tool makes an object of it, and the engine proposes anew.
    world.hub.push("main", |tree| drop(tree.insert(path.clone(), text)));
    world.propose("a");
    world.minute();
    let noted = recorded(&world);
    assert_ne!(noted.path, path);
    assert!(
        world.hub.file("aut-pg1-a", &path).is_none(),
        "the pull request removes it, too: the base may be protected"
    );
    assert!(
        world.hub.file("main", &path).is_none(),
        "a GitOps tool would apply it again and again until the merge"
    );
    merge(&mut world);
    assert!(world.hub.file("main", &path).is_none());
    world.flux();
    assert_eq!(world.decision("a").unwrap().digest, noted.digest);
}

#[test]
fn a_file_is_recorded_as_there_until_the_gitops_tool_knows_that_it_has_gone() {
    for lasts in [SignedDuration::from_mins(3), SignedDuration::from_mins(30)] {
        let mut world = World::with(Settings { nudge: true, ..settings() });
        world.propose("a");
        world.minute();
        world.hub.merge(1, "alice");
        world.minute();
        world.cube.state().findings =
            vec![Finding::Behind { object: "GitRepository flux-system/fleet".to_owned() }];
        world.flux();
        world.minute();
        world.execute("a", "done");
        world.minute();
        let in_base = |world: &World| {
            let pull = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
            (world.hub.base_files().len(), pull.in_base)
        };
        assert_eq!(in_base(&world), (0, true), "the engine lets it be");
        assert_eq!(
            world.cube.state().nudges,
            2,
            "the tool is asked to look once after the merge, once after the end"
        );
        world.restart();
        world.minute();
        assert_eq!(in_base(&world), (0, true), "a restart changes nothing");
        // It ends with the tool, or with the limit for that.
        if lasts < settings().sync_limit {
            world.cube.state().findings = Vec::new();
            world.minute();
        } else {
            world.run(lasts);
        }
        assert_eq!(in_base(&world), (0, false));
        world.assert_clean();
    }
}

#[test]
fn however_soon_the_gitops_tool_is_the_end_waits_for_it() {
    for steps in 0..14 {
        let mut world = World::asked("a");
        world.cube.state().findings =
            vec![Finding::Behind { object: "GitRepository flux-system/fleet".to_owned() }];
        world.hub.merge(1, "alice");
        let end = world.now() + settings().poll;
        for _ in 0..steps {
            if let Turned::Idle(until) = world.turn(0) {
                let now = world.now();
                world.hub.state().now = until.unwrap_or(end).min(end).max(now);
            }
        }
        world.flux();
        world.minute();
        world.execute("a", "done");
        world.minute();
        let pull = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        assert!(world.hub.base_files().is_empty() && pull.in_base, "after {steps} steps: {pull:?}");
        world.cube.state().findings = Vec::new();
        world.minute();
        world.assert_clean();
    }
}

#[test]
fn merged_and_not_synced_is_told_once() {
    let mut world = World::asked("a");
    merge(&mut world);
    world.run(jiff::SignedDuration::from_mins(8));
    assert_eq!(world.conditions("a"), []);
    world.run(jiff::SignedDuration::from_mins(10));
    assert_eq!(world.conditions("a"), [("MergedNotSynced".to_owned(), "NotApplied".to_owned())]);
    assert_eq!(world.hub.said(1, "not-synced"), 1);
    world.flux();
    world.minute();
    assert_eq!(world.conditions("a"), []);
}

#[test]
fn a_new_proposal_of_the_same_approval_replaces_the_pull_request() {
    let mut world = World::asked("a");
    let second = world.propose("a");
    world.minute();
    assert_eq!(world.hub.said(1, "replaced"), 1);
    let open = world.hub.open_pulls();
    assert_eq!(open.iter().map(|p| p.number).collect::<Vec<_>>(), [2]);
    assert_eq!(recorded(&world).digest, second);
    assert!(world.decision("a").is_none(), "closing the old one decides nothing");
}

#[test]
fn labels_and_reviewers_are_set_once() {
    let mut settings = crate::scene::settings();
    settings.labels = vec!["storage".to_owned()];
    settings.reviewers = vec!["team".to_owned()];
    let mut world = World::with(settings);
    world.propose("a");
    world.minute();
    let pull = world.hub.last();
    assert_eq!((pull.labels, pull.reviewers), (vec!["storage".to_owned()], vec!["team".to_owned()]));
    world.hub.edit(1, |pull| pull.labels.clear());
    world.minute();
    assert_eq!(world.hub.last().labels, Vec::<String>::new(), "what people take away stays away");
}

#[test]
fn an_approval_that_goes_without_us_leaves_nothing() {
    let mut world = World::asked("a");
    world.cube.state().edit(&crate::scene::key("a"), |a| a.raw.metadata.finalizers = None);
    world.delete("a");
    world.minute();
    let hub: &Hub = &world.hub;
    assert_eq!(hub.said(1, "orphaned"), 1);
    assert_eq!(hub.last().state, PullState::Closed);
    world.assert_clean();
}
