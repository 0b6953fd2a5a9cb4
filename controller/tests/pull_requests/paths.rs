//! The guide's ways through: merge, close, delete.

use autopilot_controller::pull_requests::PullState;
use autopilot_controller::pull_requests::plan::{Finding, PullRequestSettings};
use autopilot_controller::pull_requests::worker::Worked;
use autopilot_shared::api::{FINALIZER, Outcome, PullRequestState};
use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::fake_forge::FakeForge;
use crate::scene::{ForgeScene, settings};

fn recorded(scene: &ForgeScene) -> autopilot_shared::api::PullRequest {
    scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap()
}

fn has_finalizer(scene: &ForgeScene) -> bool {
    scene.get("a").unwrap().raw.finalizers().iter().any(|f| f == FINALIZER)
}

fn merge(scene: &mut ForgeScene) {
    let number = scene.forge.last().number;
    scene.forge.merge(number, "alice");
    scene.minute();
}

#[test]
fn a_question_becomes_one_pull_request() {
    let mut scene = ForgeScene::asked("a");
    let pull = scene.forge.last();
    assert_eq!(pull.branch, "aut-pg1-a");
    assert_eq!(pull.title, "[Autopilot] approval for rule pg1/a rule: volume-resize");
    let noted = recorded(&scene);
    assert_eq!((noted.number, noted.state, noted.url), (1, PullRequestState::Open, pull.url));
    assert!(scene.forge.file("aut-pg1-a", &noted.path).unwrap().contains("approvalState: approved"));
    assert!(has_finalizer(&scene));
    let writes = scene.forge.state().counts.writes;
    scene.minute();
    assert_eq!(scene.forge.state().counts.writes, writes, "nothing more is written");
}

#[test]
fn merged_and_synced_it_is_approved_and_the_file_goes_after_the_latch() {
    let mut scene = ForgeScene::asked("a");
    merge(&mut scene);
    let noted = recorded(&scene);
    assert_eq!((noted.state, noted.by.as_str(), noted.in_base), (PullRequestState::Merged, "alice", true));
    assert!(scene.decision("a").is_none(), "merging alone approves nothing");
    assert_eq!(scene.forge.base_files().len(), 1, "the file waits for the latch");
    assert_eq!(scene.forge.branches(), Vec::<String>::new());
    scene.flux();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Approved);
    scene.minute();
    assert_eq!(scene.forge.base_files(), Vec::new());
    assert!(
        scene
            .forge
            .state()
            .log
            .iter()
            .any(|l| l.starts_with("commit [Autopilot] deleting file: clusters/prod/a-"))
    );
    assert!(has_finalizer(&scene), "the outcome is not told yet");
    scene.execute("a", "done");
    scene.minute();
    assert_eq!(scene.forge.said(1, "done"), 1);
    assert!(scene.forge.state().comments[&1][0].1.contains("`alice` by merging this"));
    assert!(!has_finalizer(&scene));
    scene.assert_clean();
    assert!(!recorded(&scene).in_base);
}

#[test]
fn closed_it_is_declined_and_stays() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.close_by(1, "bob");
    scene.minute();
    let decision = scene.decision("a").unwrap();
    assert_eq!((decision.outcome, decision.by.as_str()), (Outcome::Declined, "bob"));
    assert_eq!(scene.get("a").unwrap().raw.spec.approval_state.as_deref(), Some("declined"));
    assert_eq!(scene.forge.said(1, "declined"), 1);
    assert!(!has_finalizer(&scene), "nothing is left to clean up");
    scene.assert_clean();
    scene.forge.reopen(1);
    scene.minute();
    assert_eq!(scene.forge.said(1, "reopened"), 1);
    scene.assert_clean();
}

#[test]
fn deleting_the_branch_declines_and_is_told() {
    let mut scene = ForgeScene::asked("a");
    scene.forge.delete_by("aut-pg1-a", "bob");
    scene.minute();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Declined);
    assert!(scene.forge.state().comments[&1][0].1.contains("Closed by `bob`, and its branch is gone."));
}

#[test]
fn deleted_the_pull_request_goes_and_a_new_one_comes() {
    let mut scene = ForgeScene::asked("a");
    scene.delete("a");
    scene.minute();
    assert!(scene.get("a").is_none());
    assert_eq!(scene.forge.said(1, "deleted"), 1);
    scene.assert_clean();
    scene.propose("a");
    scene.minute();
    assert_eq!(scene.forge.open_pulls().len(), 1);
    assert_eq!(scene.forge.last().number, 2);
}

#[test]
fn decided_in_the_cluster_the_pull_request_is_told_and_closed() {
    for (state, word) in [("approved", "Approved"), ("declined", "Declined")] {
        let mut scene = ForgeScene::asked("a");
        scene.kubectl("a", state);
        scene.minute();
        assert_eq!(scene.forge.said(1, "decided"), 1);
        assert!(
            scene.forge.state().comments[&1][0]
                .1
                .contains(&format!("**{word} in the cluster** with `kubectl`"))
        );
        scene.execute("a", "done");
        scene.minute();
        assert_eq!(scene.forge.said(1, "done"), usize::from(state == "approved"));
        scene.assert_clean();
    }
}

#[test]
fn canceled_it_is_said_why() {
    let mut scene = ForgeScene::asked("a");
    scene.cancel("a", "the rule was edited");
    scene.minute();
    assert_eq!(scene.forge.said(1, "canceled"), 1);
    assert!(scene.forge.state().comments[&1][0].1.contains("the rule was edited"));
    scene.assert_clean();
}

#[test]
fn an_old_file_of_the_approval_goes() {
    let mut scene = ForgeScene::asked("a");
    let (path, text) = {
        let noted = recorded(&scene);
        (noted.path.clone(), scene.forge.file("aut-pg1-a", &noted.path).unwrap())
    };
    merge(&mut scene);
    scene.flux();
    scene.execute("a", "done");
    scene.minute();
    scene.delete("a");
    scene.minute();
    scene.assert_clean();
    // Somebody puts the file back; the GitOps tool makes an object of it, and the engine proposes anew.
    scene.forge.push("main", |tree| drop(tree.insert(path.clone(), text)));
    scene.propose("a");
    scene.minute();
    let noted = recorded(&scene);
    assert_ne!(noted.path, path);
    assert!(
        scene.forge.file("aut-pg1-a", &path).is_none(),
        "the pull request removes it, too: the base may be protected"
    );
    assert!(
        scene.forge.file("main", &path).is_none(),
        "a GitOps tool would apply it again and again until the merge"
    );
    merge(&mut scene);
    assert!(scene.forge.file("main", &path).is_none());
    scene.flux();
    assert_eq!(scene.decision("a").unwrap().digest, noted.digest);
}

#[test]
fn a_file_is_recorded_as_there_until_the_gitops_tool_knows_that_it_has_gone() {
    for lasts in [SignedDuration::from_mins(3), SignedDuration::from_mins(30)] {
        let mut scene = ForgeScene::with(PullRequestSettings { request_reconcile: true, ..settings() });
        scene.propose("a");
        scene.minute();
        scene.forge.merge(1, "alice");
        scene.minute();
        scene.cluster.state().findings =
            vec![Finding::Behind { object: "GitRepository flux-system/fleet".to_owned() }];
        scene.flux();
        scene.minute();
        scene.execute("a", "done");
        scene.minute();
        let in_base = |scene: &ForgeScene| {
            let pull = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
            (scene.forge.base_files().len(), pull.in_base)
        };
        assert_eq!(in_base(&scene), (0, true), "the engine lets it be");
        assert_eq!(
            scene.cluster.state().nudges,
            2,
            "the tool is asked to look once after the merge, once after the end"
        );
        scene.restart();
        scene.minute();
        assert_eq!(in_base(&scene), (0, true), "a restart changes nothing");
        // It ends with the tool, or with the limit for that.
        if lasts < settings().sync_limit {
            scene.cluster.state().findings = Vec::new();
            scene.minute();
        } else {
            scene.run(lasts);
        }
        assert_eq!(in_base(&scene), (0, false));
        scene.assert_clean();
    }
}

#[test]
fn however_soon_the_gitops_tool_is_the_end_waits_for_it() {
    for steps in 0..14 {
        let mut scene = ForgeScene::asked("a");
        scene.cluster.state().findings =
            vec![Finding::Behind { object: "GitRepository flux-system/fleet".to_owned() }];
        scene.forge.merge(1, "alice");
        let end = scene.now() + settings().poll;
        for _ in 0..steps {
            if let Worked::Idle(until) = scene.work_once(0) {
                let now = scene.now();
                scene.forge.state().now = until.unwrap_or(end).min(end).max(now);
            }
        }
        scene.flux();
        scene.minute();
        scene.execute("a", "done");
        scene.minute();
        let pull = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
        assert!(scene.forge.base_files().is_empty() && pull.in_base, "after {steps} steps: {pull:?}");
        scene.cluster.state().findings = Vec::new();
        scene.minute();
        scene.assert_clean();
    }
}

#[test]
fn merged_and_not_synced_is_told_once() {
    let mut scene = ForgeScene::asked("a");
    merge(&mut scene);
    scene.run(jiff::SignedDuration::from_mins(8));
    assert_eq!(scene.conditions("a"), []);
    scene.run(jiff::SignedDuration::from_mins(10));
    assert_eq!(scene.conditions("a"), [("MergedNotSynced".to_owned(), "NotApplied".to_owned())]);
    assert_eq!(scene.forge.said(1, "not-synced"), 1);
    scene.flux();
    scene.minute();
    assert_eq!(scene.conditions("a"), []);
}

#[test]
fn a_new_proposal_of_the_same_approval_replaces_the_pull_request() {
    let mut scene = ForgeScene::asked("a");
    let second = scene.propose("a");
    scene.minute();
    assert_eq!(scene.forge.said(1, "replaced"), 1);
    let open = scene.forge.open_pulls();
    assert_eq!(open.iter().map(|p| p.number).collect::<Vec<_>>(), [2]);
    assert_eq!(recorded(&scene).digest, second);
    assert!(scene.decision("a").is_none(), "closing the old one decides nothing");
}

#[test]
fn labels_and_reviewers_are_set_once() {
    let mut settings = crate::scene::settings();
    settings.labels = vec!["storage".to_owned()];
    settings.reviewers = vec!["team".to_owned()];
    let mut scene = ForgeScene::with(settings);
    scene.propose("a");
    scene.minute();
    let pull = scene.forge.last();
    assert_eq!((pull.labels, pull.reviewers), (vec!["storage".to_owned()], vec!["team".to_owned()]));
    scene.forge.edit(1, |pull| pull.labels.clear());
    scene.minute();
    assert_eq!(scene.forge.last().labels, Vec::<String>::new(), "what people take away stays away");
}

#[test]
fn an_approval_that_goes_without_us_leaves_nothing() {
    let mut scene = ForgeScene::asked("a");
    scene.cluster.state().edit(&crate::scene::key("a"), |a| a.raw.metadata.finalizers = None);
    scene.delete("a");
    scene.minute();
    let forge: &FakeForge = &scene.forge;
    assert_eq!(forge.said(1, "orphaned"), 1);
    assert_eq!(forge.last().state, PullState::Closed);
    scene.assert_clean();
}
