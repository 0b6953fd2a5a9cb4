//! The files on the branch to merge into: ours go whatever people write into them, and never before the latch.

use autopilot_controller::pull_requests::ForgeError;
use autopilot_controller::pull_requests::plan::Finding;
use autopilot_controller::pull_requests::text::file;
use autopilot_shared::api::{Outcome, PullRequest, PullRequestState};
use jiff::SignedDuration;

use crate::scene::ForgeScene;

fn recorded(scene: &ForgeScene) -> PullRequest {
    scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap()
}

fn paths(scene: &ForgeScene) -> Vec<String> {
    scene.forge.base_files().into_iter().map(|(path, _)| path).collect()
}

const OTHER: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: note\n";

#[test]
fn a_file_without_digest_beside_an_open_pull_request_goes_with_the_merge() {
    let mut scene = ForgeScene::asked("a");
    let noted = recorded(&scene);
    let text = scene.forge.file("aut-pg1-a", &noted.path).unwrap();
    // given a file as the original writes it: no proposal, and the name of the same approval
    let theirs = "clusters/prod/a-0b6bd2f1-6b0c-4a0b-8d8e-6ab7e2d3a111.yaml".to_owned();
    let without = text.lines().filter(|l| !l.contains("proposal:")).collect::<Vec<_>>().join("\n");
    scene.forge.push("main", |tree| drop(tree.insert(theirs.clone(), without)));
    scene.minute();
    assert_eq!(paths(&scene), [theirs], "as long as nothing is merged it is theirs");
    // when ours is merged beside it, then it is alone: a Kustomization cannot be built with both
    scene.forge.merge(1, "alice");
    scene.minute();
    assert_eq!(paths(&scene), [noted.path.as_str()]);
    scene.flux();
    assert_eq!(scene.decision("a").unwrap().outcome, Outcome::Approved);
    scene.minute();
    assert_eq!(paths(&scene), Vec::<String>::new());
}

#[test]
fn a_document_that_is_added_to_the_file_changes_nothing_about_ours() {
    for before in [false, true] {
        let mut scene = ForgeScene::asked("a");
        scene.forge.push("aut-pg1-a", |tree| {
            for (_, text) in tree.iter_mut().filter(|(path, _)| path.ends_with(".yaml")) {
                *text = if before { format!("{OTHER}---\n{text}") } else { format!("{text}{OTHER}") };
            }
        });
        scene.minute();
        assert_eq!(scene.conditions("a"), [], "before: {before}");
        scene.forge.merge(1, "alice");
        scene.minute();
        let noted = recorded(&scene);
        assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Merged, "alice"));
        assert!(noted.in_base && !noted.digest.is_empty(), "{noted:?}");
        scene.kubectl("a", "approved");
        scene.minute();
        assert_others(&scene, OTHER, &format!("before: {before}"));
        assert!(!recorded(&scene).in_base, "before: {before}");
    }
}

/// Nothing but what others wrote is left, in a file that nobody takes for ours.
fn assert_others(scene: &ForgeScene, text: &str, case: &str) {
    let [(path, left)] = &scene.forge.base_files()[..] else {
        panic!("{case}: {:?}", scene.forge.base_files())
    };
    assert!(path.starts_with("clusters/prod/a-others-") && file::any_uuid(path).is_none(), "{case}: {path}");
    let plain = |text: &str| text.trim_start_matches("---").trim().to_owned();
    assert_eq!(plain(left), plain(text), "{case}");
}

#[test]
fn what_others_wrote_into_a_file_of_ours_outlives_it_whoever_removes_it() {
    let add = |scene: &ForgeScene, branch: &str| {
        scene.forge.push(branch, |tree| {
            tree.iter_mut()
                .filter(|(path, _)| path.ends_with(".yaml"))
                .for_each(|(_, text)| text.push_str(OTHER));
        });
    };
    // The commit of the next question.
    let mut scene = ForgeScene::asked("a");
    add(&scene, "aut-pg1-a");
    scene.forge.merge(1, "alice");
    scene.minute();
    scene.propose_at("a", "70");
    scene.minute();
    let next = recorded(&scene);
    assert_eq!(next.number, 2);
    scene.forge.merge(2, "alice");
    scene.minute();
    let mut left = paths(&scene);
    left.retain(|path| *path != next.path);
    assert!(left.len() == 1 && left[0].starts_with("clusters/prod/a-others-"), "{left:?}");
    scene.kubectl("a", "approved");
    scene.minute();
    assert_others(&scene, OTHER, "the next question");

    // The sweep of what nobody waits for, and once more when the very same file is put back.
    let mut scene = ForgeScene::asked("a");
    add(&scene, "aut-pg1-a");
    let ours = recorded(&scene).path;
    let text = scene.forge.file("aut-pg1-a", &ours).unwrap();
    scene.forge.state().down = Some(ForgeError::Unavailable("no route".into()));
    scene.delete("a");
    scene.run(SignedDuration::from_mins(4));
    scene.forge.state().down = None;
    scene.forge.merge(1, "alice");
    scene.run(SignedDuration::from_mins(10));
    assert_others(&scene, OTHER, "the sweep");
    scene.forge.push("main", |tree| drop(tree.insert(ours, text)));
    scene.restart();
    scene.minute();
    assert_others(&scene, OTHER, "put back");
}

#[test]
fn documents_of_others_are_told_from_ours() {
    let one = |name: &str, digest: &str| {
        format!(
            "kind: ActionApproval\nmetadata:\n  name: {name}\nspec:\n  actions:\n  - proposal: \"{digest}\"\n"
        )
    };
    let path = file::path("f", "a", "c", "d2");
    let long = format!("data: {}\nkind: ConfigMap\n", "x".repeat(70_000));
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\"}\n".to_owned();
    let bomb = format!("kind: ConfigMap\na: &a [{}]\nb: [{}]\n", "x,".repeat(100), "*a,".repeat(100));
    let strange = "kind: [\nmetadata: {\n".to_owned();
    let cases = [
        // (documents, which of them are others')
        (vec![one("a", "d2")], vec![]),
        (vec![one("a", "d2"), one("a", "d1")], vec![]),
        (vec![one("a", "d2"), one("b", "d1")], vec![1]),
        (vec![one("b", "d1"), json.clone(), one("a", "d2")], vec![0, 1]),
        (vec![long.clone(), one("a", "d2"), bomb], vec![0, 2]),
        (vec![json, long], vec![0, 1]),
        (vec!["# nothing\n".to_owned(), "kind: ActionApproval\nspec: {\n".to_owned(), strange], vec![]),
        ((0..40).map(|n| format!("kind: Secret\nmetadata:\n  name: s{n}\n")).collect(), (0..40).collect()),
    ];
    for (documents, others) in cases {
        let text = documents.join("---\n");
        let kept: Vec<&str> = others.iter().map(|at: &usize| documents[*at].as_str()).collect();
        assert_eq!(file::look(&path, "c", &text).others, kept.join("---\n"), "{text:.300}");
    }
}

#[test]
fn a_bomb_costs_next_to_nothing_however_often_it_is_repeated() {
    // Nine layers of nine references, as people know it.
    let mut bomb = "kind: ActionApproval\nmetadata:\n  name: a\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (letter, before) in ('b'..='i').zip('a'..='h') {
        bomb.push_str(&format!("{letter}: &{letter} [{}]\n", format!("*{before},").repeat(9)));
    }
    bomb.push_str("spec: {approvalState: approved}\n");
    let wide = format!("kind: ActionApproval\nspec: [{}]\n", "[],".repeat(20_000));
    let path = file::path("f", "a", "c", "d");
    for text in [format!("{bomb}---\n").repeat(1_000), format!("{wide}---\n").repeat(15)] {
        let begun = std::time::Instant::now();
        let inside = file::look(&path, "c", &text);
        assert_eq!((inside.approval, inside.others.as_str()), (None, ""));
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}: {text:.60}", begun.elapsed());
    }
}

#[test]
fn our_file_goes_in_the_end_whatever_is_in_it() {
    for text in ["kind: ConfigMap", "{", "", OTHER] {
        let mut scene = ForgeScene::asked("a");
        let path = recorded(&scene).path;
        scene.forge.merge(1, "alice");
        scene.minute();
        scene.forge.push("main", |tree| drop(tree.insert(path.clone(), text.to_owned())));
        scene.kubectl("a", "declined");
        scene.minute();
        if text.starts_with("kind") || text == OTHER {
            assert_others(&scene, text, text);
        } else {
            assert_eq!(paths(&scene), Vec::<String>::new(), "{text:?}");
        }
        assert!(!recorded(&scene).in_base);
    }
}

#[test]
fn the_document_that_the_name_was_made_from_is_read() {
    let one = |name: &str, digest: &str| {
        format!(
            "kind: ActionApproval\nmetadata:\n  name: {name}\nspec:\n  actions:\n  - proposal: \"{digest}\"\n"
        )
    };
    let path = file::path("f", "a", "c", "d2");
    let (first, second) = (one("a", "d1"), one("a", "d2"));
    let cases = [
        (second.clone(), Some("d2")),
        (format!("---\n{second}"), Some("d2")),
        (format!("{first}---\n{second}"), Some("d2")),
        (format!("{first}--- # more\n{second}...\n"), Some("d2")),
        (format!("{second}---\n{first}"), Some("d2")),
        (format!("\u{feff}{second}"), Some("d2")),
        (format!("{first}---\nkind: Other\n"), Some("d1")),
        (format!("{OTHER}---\n{{\n---\n{first}"), Some("d1")),
        ("kind: Other".to_owned(), None),
        (String::new(), None),
    ];
    for (text, digest) in cases {
        assert_eq!(file::read(&path, "c", &text).map(|c| c.digest).as_deref(), digest, "{text}");
    }
}

#[test]
fn a_default_branch_that_is_renamed_after_the_merge_keeps_the_approved_file() {
    for unseen in [false, true] {
        let mut scene = ForgeScene::asked("a");
        if unseen {
            scene.controllers.clear();
        }
        scene.forge.merge(1, "alice");
        if !unseen {
            scene.minute();
        }
        // when the branch gets another name, which a merged pull request does not follow
        let path = recorded(&scene).path;
        {
            let mut state = scene.forge.state();
            let head = state.refs.remove("main").unwrap();
            state.refs.insert("trunk".to_owned(), head);
            state.default = "trunk".to_owned();
        }
        scene.restart();
        scene.minute();
        // then the file that was approved is there, and counts
        assert!(scene.forge.file("trunk", &path).is_some(), "unseen: {unseen}");
        let noted = recorded(&scene);
        assert!(noted.in_base && noted.by == "alice" && !noted.digest.is_empty(), "{noted:?}");
        assert_eq!(scene.conditions("a"), []);
        scene.kubectl("a", "approved");
        scene.minute();
        assert!(scene.forge.file("trunk", &path).is_none(), "after the latch it goes");
    }
}

#[test]
fn retargeted_and_merged_at_once_it_does_not_count() {
    let mut scene = ForgeScene::asked("a");
    {
        let mut state = scene.forge.state();
        let head = state.refs["main"].clone();
        state.refs.insert("develop".to_owned(), head);
    }
    scene.forge.edit(1, |pull| pull.base = "develop".to_owned());
    scene.forge.merge(1, "alice");
    scene.minute();
    assert_eq!(scene.conditions("a"), [("PullRequestRefused".to_owned(), "Retargeted".to_owned())]);
    assert_eq!(recorded(&scene).digest, "");
    assert!(scene.forge.file("develop", &recorded(&scene).path).is_some(), "what others have is theirs");
}

#[test]
fn a_list_of_files_above_the_folder_is_named_where_nothing_else_explains_it() {
    let object = || "Kustomization flux-system/apps".to_owned();
    let applied = |path: &str| Finding::Applied { object: object(), path: path.to_owned() };
    let nearest = "clusters/Kustomization lists";
    let cases = [
        (applied(""), "ParentKustomization", nearest),
        (applied("clusters"), "ParentKustomization", nearest),
        // It begins below that list: that is not what it is.
        (applied("clusters/prod"), "AppliedDifferently", "is ready, and the approval"),
        (applied("clus"), "AppliedDifferently", "is ready, and the approval"),
        (Finding::Suspended { object: object() }, "Suspended", "is suspended"),
        (Finding::Unknown, "NotApplied", "no GitOps tool could be asked"),
    ];
    for (finding, reason, words) in cases {
        let mut scene = ForgeScene::new();
        scene.forge.push("main", |tree| {
            tree.insert("kustomization.yaml".to_owned(), String::new());
            tree.insert("clusters/Kustomization".to_owned(), String::new());
            tree.insert("clusters/dev/kustomization.yaml".to_owned(), String::new());
        });
        scene.cluster.state().findings = vec![finding];
        scene.propose("a");
        scene.minute();
        assert_eq!(scene.conditions("a"), [], "it may be above the Kustomization's path, too");
        scene.forge.merge(1, "alice");
        scene.run(SignedDuration::from_mins(12));
        assert_eq!(scene.conditions("a"), [("MergedNotSynced".to_owned(), reason.to_owned())]);
        let comments = scene.forge.state().comments[&1].clone();
        assert!(comments.iter().any(|(_, text)| text.contains(words)), "{comments:?}");
    }
}
