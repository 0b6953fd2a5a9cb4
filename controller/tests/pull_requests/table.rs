//! The life of a pull request as data: what happens while an approval stands somewhere, and what comes of it.

use autopilot_controller::pull_requests::PullState;
use autopilot_shared::api::Outcome;
use jiff::SignedDuration;

use crate::scene::ForgeScene;

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// It waits, its pull request is open.
    Pending,
    /// Merged, the cluster does not know of it.
    Merged,
    /// Merged and latched, not done.
    Approved,
    /// Approved with kubectl.
    ApprovedInCluster,
    /// Done.
    Executed,
    /// Closed and latched.
    Declined,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// The condition clears, the rule is edited, the PVC is replaced, …: the engine takes the question back.
    Canceled,
    /// The size moved: a new proposal.
    ProposedAnew,
    Deleted,
    Closed,
    BranchDeleted,
    Merged,
    Synced,
    NeverSynced,
    /// Merged, and taken back before anybody applied it.
    Reverted,
    Reopened,
    ReopenedAndMerged,
    /// Before anybody of us looks.
    ReopenedAndMergedAtOnce,
    /// Approved with kubectl, and closed by somebody in the same moment.
    ApprovedAndClosedAtOnce,
    FileEdited,
    FileEditedAndMerged,
    FileEditedAndClosed,
    OtherFilePushedAndClosed,
    SameFilePushedAndClosed,
    Retargeted,
    RetargetedAndClosed,
    TitleAndBodyEdited,
    BodyEmptiedAndClosed,
    DeclinedInCluster,
    ApprovedInCluster,
    Done,
    Failed,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
struct Then {
    decision: Option<Outcome>,
    /// Comments, in order.
    said: Vec<&'static str>,
    /// Conditions that stand.
    condition: Option<(&'static str, &'static str)>,
    /// Pull requests ever, and how many are open.
    pulls: (usize, usize),
    /// Files on the base branch.
    files: usize,
}

fn then(
    decision: Option<Outcome>,
    said: &[&'static str],
    condition: Option<(&'static str, &'static str)>,
    pulls: (usize, usize),
    files: usize,
) -> Then {
    Then { decision, said: said.to_vec(), condition, pulls, files }
}

fn table() -> Vec<(At, When, Then)> {
    use Outcome::{Approved as A, Canceled as C, Declined as D};
    let refused = |why| Some(("PullRequestRefused", why));
    let not_synced = |why| Some(("MergedNotSynced", why));
    vec![
        (At::Pending, When::Canceled, then(Some(C), &["canceled"], None, (1, 0), 0)),
        (At::Merged, When::Canceled, then(Some(C), &["canceled"], None, (1, 0), 0)),
        (At::Pending, When::ProposedAnew, then(None, &["replaced"], None, (2, 1), 0)),
        (At::Pending, When::Deleted, then(None, &["deleted"], None, (1, 0), 0)),
        (At::Merged, When::Deleted, then(None, &["deleted"], None, (1, 0), 0)),
        (At::Approved, When::Deleted, then(None, &[], None, (1, 0), 0)),
        (At::Executed, When::Deleted, then(None, &["done"], None, (1, 0), 0)),
        (At::Declined, When::Deleted, then(None, &["declined"], None, (1, 0), 0)),
        (At::Pending, When::Closed, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Pending, When::BranchDeleted, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Pending, When::Merged, then(None, &[], None, (1, 0), 1)),
        (At::Merged, When::Synced, then(Some(A), &[], None, (1, 0), 0)),
        (At::Merged, When::NeverSynced, then(None, &["not-synced"], not_synced("NotApplied"), (1, 0), 1)),
        (At::Merged, When::Reverted, then(None, &["not-synced"], not_synced("FileGone"), (1, 0), 0)),
        (At::Approved, When::Reverted, then(Some(A), &[], None, (1, 0), 0)),
        (At::Executed, When::Reverted, then(Some(A), &["done"], None, (1, 0), 0)),
        (At::Pending, When::ApprovedAndClosedAtOnce, then(Some(A), &["decided"], None, (1, 0), 0)),
        (At::Declined, When::ReopenedAndMergedAtOnce, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Approved, When::Done, then(Some(A), &["done"], None, (1, 0), 0)),
        (At::Approved, When::Failed, then(Some(A), &["failed"], None, (1, 0), 0)),
        (At::Declined, When::Reopened, then(Some(D), &["declined", "reopened"], None, (1, 0), 0)),
        (At::Declined, When::ReopenedAndMerged, then(Some(D), &["declined", "reopened"], None, (1, 0), 0)),
        (At::ApprovedInCluster, When::Reopened, then(Some(A), &["decided", "reopened"], None, (1, 0), 0)),
        (At::Pending, When::FileEdited, then(None, &[], refused("FileEdited"), (1, 1), 0)),
        (At::Pending, When::FileEditedAndMerged, then(None, &[], refused("FileEdited"), (1, 0), 0)),
        (At::Pending, When::FileEditedAndClosed, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Pending, When::OtherFilePushedAndClosed, then(None, &[], refused("OtherProposal"), (1, 0), 0)),
        (At::Pending, When::SameFilePushedAndClosed, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Pending, When::Retargeted, then(None, &[], refused("Retargeted"), (1, 1), 0)),
        (At::Pending, When::RetargetedAndClosed, then(None, &[], refused("Retargeted"), (1, 0), 0)),
        (At::Pending, When::TitleAndBodyEdited, then(None, &[], None, (1, 1), 0)),
        (At::Pending, When::BodyEmptiedAndClosed, then(Some(D), &["declined"], None, (1, 0), 0)),
        (At::Pending, When::DeclinedInCluster, then(Some(D), &["decided"], None, (1, 0), 0)),
        (At::Pending, When::ApprovedInCluster, then(Some(A), &["decided"], None, (1, 0), 0)),
        (At::Merged, When::DeclinedInCluster, then(Some(D), &["decided"], None, (1, 0), 0)),
        (At::Merged, When::ApprovedInCluster, then(Some(A), &[], None, (1, 0), 0)),
        (At::ApprovedInCluster, When::Done, then(Some(A), &["decided", "done"], None, (1, 0), 0)),
    ]
}

fn given(at: At) -> ForgeScene {
    let mut scene = ForgeScene::asked("a");
    match at {
        At::Pending => {}
        At::Merged => scene.forge.merge(1, "alice"),
        At::ApprovedInCluster => scene.kubectl("a", "approved"),
        At::Declined => scene.forge.close_by(1, "bob"),
        At::Approved | At::Executed => {
            scene.forge.merge(1, "alice");
            scene.minute();
            scene.flux();
        }
    }
    scene.minute();
    if at == At::Executed {
        scene.execute("a", "done");
        scene.minute();
    }
    scene
}

fn happens(scene: &mut ForgeScene, when: When) {
    let branch = "aut-pg1-a";
    let forge = scene.forge.clone();
    let with_file = |edit: fn(&str) -> String| {
        forge.push(branch, |tree| {
            for (path, text) in tree.iter_mut().filter(|(p, _)| p.ends_with(".yaml")) {
                assert!(path.starts_with("clusters/prod/a-"));
                *text = edit(text);
            }
        });
    };
    match when {
        When::Canceled => scene.cancel("a", "the rule was edited"),
        When::ProposedAnew => drop(scene.propose("a")),
        When::Deleted => scene.delete("a"),
        When::Closed => forge.close_by(1, "bob"),
        When::BranchDeleted => forge.delete_by(branch, "bob"),
        When::Merged => forge.merge(1, "alice"),
        When::Synced => scene.flux(),
        When::NeverSynced => {}
        When::Reverted => forge.push("main", |tree| tree.retain(|path, _| !path.ends_with(".yaml"))),
        When::Reopened => forge.reopen(1),
        When::ReopenedAndMerged => {
            forge.reopen(1);
            scene.minute();
            assert_eq!(forge.last().state, PullState::Closed);
        }
        When::ReopenedAndMergedAtOnce => {
            forge.reopen(1);
            forge.merge(1, "alice");
        }
        When::ApprovedAndClosedAtOnce => {
            scene.kubectl("a", "approved");
            forge.close_by(1, "bob");
        }
        When::FileEdited => with_file(|text| text.replace("400Gi", "900Gi")),
        When::FileEditedAndMerged => {
            with_file(|text| text.replace("400Gi", "900Gi"));
            scene.minute();
            forge.merge(1, "alice");
            scene.flux();
        }
        When::FileEditedAndClosed => {
            with_file(|text| text.replace("400Gi", "900Gi"));
            forge.close_by(1, "bob");
        }
        When::OtherFilePushedAndClosed => {
            with_file(|text| text.replace("proposal: ", "proposal: f"));
            forge.close_by(1, "bob");
        }
        When::SameFilePushedAndClosed => {
            with_file(|text| text.to_owned());
            forge.close_by(1, "bob");
        }
        When::Retargeted => forge.edit(1, |pull| pull.base = "develop".to_owned()),
        When::RetargetedAndClosed => {
            forge.edit(1, |pull| pull.base = "develop".to_owned());
            forge.close_by(1, "bob");
        }
        When::TitleAndBodyEdited => forge.edit(1, |pull| {
            pull.title = "please".to_owned();
            pull.body = pull.body.replace("Merging", "Merging really");
        }),
        When::BodyEmptiedAndClosed => {
            forge.edit(1, |pull| pull.body = String::new());
            scene.minute();
            assert!(scene.decision("a").is_none());
            forge.close_by(1, "bob");
        }
        When::DeclinedInCluster => scene.kubectl("a", "declined"),
        When::ApprovedInCluster => scene.kubectl("a", "approved"),
        When::Done => scene.execute("a", "done"),
        When::Failed => scene.execute("a", "failed"),
    }
    scene.minute();
    if matches!(when, When::NeverSynced | When::Reverted) {
        scene.run(SignedDuration::from_mins(12));
    }
}

fn found(scene: &ForgeScene) -> Then {
    let state = scene.forge.state();
    let mut said = Vec::new();
    for (_, text) in state.comments.values().flatten() {
        for outcome in autopilot_controller::pull_requests::text::marker::outcomes(text) {
            let word = outcome.split(' ').next().unwrap();
            said.push(WORDS.iter().find(|w| **w == word).copied().unwrap());
        }
    }
    drop(state);
    let conditions = scene.conditions("a");
    assert!(conditions.len() < 2, "{conditions:?}");
    let condition = conditions.first().map(|(kind, reason)| {
        let known = |text: &str| KNOWN.iter().find(|k| **k == text).copied().unwrap_or("?");
        (known(kind), known(reason))
    });
    let open = scene.forge.open_pulls().len();
    then(
        scene.decision("a").map(|d| d.outcome),
        &said,
        condition,
        (scene.forge.pulls().len(), open),
        scene.forge.base_files().len(),
    )
}

const WORDS: [&str; 11] = [
    "canceled",
    "replaced",
    "deleted",
    "declined",
    "decided",
    "reopened",
    "not-synced",
    "done",
    "failed",
    "superseded",
    "orphaned",
];
const KNOWN: [&str; 7] = [
    "PullRequestRefused",
    "MergedNotSynced",
    "FileEdited",
    "OtherProposal",
    "Retargeted",
    "NotApplied",
    "FileGone",
];

#[test]
fn the_table_holds() {
    let mut wrong = Vec::new();
    for (at, when, expected) in table() {
        let mut scene = given(at);
        happens(&mut scene, when);
        let found = found(&scene);
        if found != expected {
            wrong.push(format!("{at:?} {when:?}:\n  expected {expected:?}\n  found    {found:?}"));
        }
        // A branch is there for an open pull request, and for a closed one that does not count: that can be reopened.
        let kept = scene.decision("a").is_none() && scene.forge.last().state != PullState::Merged;
        if !kept || scene.get("a").is_none() {
            assert_eq!(scene.forge.branches(), Vec::<String>::new(), "{at:?} {when:?}");
        }
        let writes = scene.forge.state().counts.writes;
        scene.run(SignedDuration::from_mins(2));
        assert_eq!(scene.forge.state().counts.writes, writes, "{at:?} {when:?} comes to rest");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_restart_at_any_place_of_the_table_changes_nothing() {
    for (at, when, expected) in table() {
        let mut scene = given(at);
        scene.restart();
        happens(&mut scene, when);
        scene.restart();
        scene.minute();
        assert_eq!(found(&scene), expected, "{at:?} {when:?}");
    }
}
