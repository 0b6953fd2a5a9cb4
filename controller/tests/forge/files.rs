//! The files on the branch to merge into: ours go whatever people write into them, and never before the latch.

use autopilot_controller::forge::flow::Finding;
use autopilot_controller::forge::text::file;
use autopilot_shared::api::{Outcome, PullRequest, PullRequestState};
use jiff::SignedDuration;

use crate::world::World;

fn recorded(world: &World) -> PullRequest {
    world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap()
}

fn paths(world: &World) -> Vec<String> {
    world.hub.base_files().into_iter().map(|(path, _)| path).collect()
}

const OTHER: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: note\n";

#[test]
fn a_file_without_digest_beside_an_open_pull_request_goes_with_the_merge() {
    let mut world = World::asked("a");
    let noted = recorded(&world);
    let text = world.hub.file("aut-pg1-a", &noted.path).unwrap();
    // given a file as the original writes it: no proposal, and the name of the same approval
    let theirs = "clusters/prod/a-0b6bd2f1-6b0c-4a0b-8d8e-6ab7e2d3a111.yaml".to_owned();
    let without = text.lines().filter(|l| !l.contains("proposal:")).collect::<Vec<_>>().join("\n");
    world.hub.push("main", |tree| drop(tree.insert(theirs.clone(), without)));
    world.minute();
    assert_eq!(paths(&world), [theirs], "as long as nothing is merged it is theirs");
    // when ours is merged beside it, then it is alone: a Kustomization cannot be built with both
    world.hub.merge(1, "alice");
    world.minute();
    assert_eq!(paths(&world), [noted.path.as_str()]);
    world.flux();
    assert_eq!(world.decision("a").unwrap().outcome, Outcome::Approved);
    world.minute();
    assert_eq!(paths(&world), Vec::<String>::new());
}

#[test]
fn a_document_that_is_added_to_the_file_changes_nothing_about_ours() {
    for before in [false, true] {
        let mut world = World::asked("a");
        world.hub.push("aut-pg1-a", |tree| {
            for (_, text) in tree.iter_mut().filter(|(path, _)| path.ends_with(".yaml")) {
                *text = if before { format!("{OTHER}---\n{text}") } else { format!("{text}{OTHER}") };
            }
        });
        world.minute();
        assert_eq!(world.conditions("a"), [], "before: {before}");
        world.hub.merge(1, "alice");
        world.minute();
        let noted = recorded(&world);
        assert_eq!((noted.state, noted.by.as_str()), (PullRequestState::Merged, "alice"));
        assert!(noted.in_base && !noted.digest.is_empty(), "{noted:?}");
        world.kubectl("a", "approved");
        world.minute();
        assert_eq!(paths(&world), Vec::<String>::new(), "before: {before}");
    }
}

#[test]
fn our_file_goes_in_the_end_whatever_is_in_it() {
    for text in ["kind: ConfigMap", "{", "", OTHER] {
        let mut world = World::asked("a");
        let path = recorded(&world).path;
        world.hub.merge(1, "alice");
        world.minute();
        world.hub.push("main", |tree| drop(tree.insert(path.clone(), text.to_owned())));
        world.kubectl("a", "declined");
        world.minute();
        assert_eq!(paths(&world), Vec::<String>::new(), "{text:?}");
        assert!(!recorded(&world).in_base);
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
        let mut world = World::asked("a");
        if unseen {
            world.controllers.clear();
        }
        world.hub.merge(1, "alice");
        if !unseen {
            world.minute();
        }
        // when the branch gets another name, which a merged pull request does not follow
        let path = recorded(&world).path;
        {
            let mut state = world.hub.state();
            let head = state.refs.remove("main").unwrap();
            state.refs.insert("trunk".to_owned(), head);
            state.default = "trunk".to_owned();
        }
        world.restart();
        world.minute();
        // then the file that was approved is there, and counts
        assert!(world.hub.file("trunk", &path).is_some(), "unseen: {unseen}");
        let noted = recorded(&world);
        assert!(noted.in_base && noted.by == "alice" && !noted.digest.is_empty(), "{noted:?}");
        assert_eq!(world.conditions("a"), []);
        world.kubectl("a", "approved");
        world.minute();
        assert!(world.hub.file("trunk", &path).is_none(), "after the latch it goes");
    }
}

#[test]
fn retargeted_and_merged_at_once_it_does_not_count() {
    let mut world = World::asked("a");
    {
        let mut state = world.hub.state();
        let head = state.refs["main"].clone();
        state.refs.insert("develop".to_owned(), head);
    }
    world.hub.edit(1, |pull| pull.base = "develop".to_owned());
    world.hub.merge(1, "alice");
    world.minute();
    assert_eq!(world.conditions("a"), [("PullRequestRefused".to_owned(), "Retargeted".to_owned())]);
    assert_eq!(recorded(&world).digest, "");
    assert!(world.hub.file("develop", &recorded(&world).path).is_some(), "what others have is theirs");
}

#[test]
fn a_list_of_files_above_the_folder_is_named_where_nothing_else_explains_it() {
    let applied = Finding::Applied { object: "Kustomization flux-system/apps".to_owned() };
    let suspended = Finding::Suspended { object: "Kustomization flux-system/apps".to_owned() };
    let cases = [
        (applied, "ParentKustomization", "clusters/kustomization.yaml lists"),
        (suspended, "Suspended", "is suspended"),
    ];
    for (finding, reason, words) in cases {
        let mut world = World::new();
        world.hub.push("main", |tree| {
            tree.insert("kustomization.yaml".to_owned(), String::new());
            tree.insert("clusters/kustomization.yaml".to_owned(), String::new());
            tree.insert("clusters/dev/kustomization.yaml".to_owned(), String::new());
        });
        world.cube.state().findings = vec![finding];
        world.propose("a");
        world.minute();
        assert_eq!(world.conditions("a"), [], "it may be above the Kustomization's path, too");
        world.hub.merge(1, "alice");
        world.run(SignedDuration::from_mins(12));
        assert_eq!(world.conditions("a"), [("MergedNotSynced".to_owned(), reason.to_owned())]);
        let comments = world.hub.state().comments[&1].clone();
        assert!(comments.iter().any(|(_, text)| text.contains(words)), "{comments:?}");
    }
}
