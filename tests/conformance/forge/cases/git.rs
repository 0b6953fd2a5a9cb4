//! Branches, commits and files.

use anyhow::{Context as _, Result, ensure};
use autopilot_controller::pull_requests::{Change, Forge as _, ForgeError};
use serde_json::Value;

use crate::person::person;
use crate::place::{Place, invalid, not_found};

pub(crate) async fn the_token_has_an_owner_and_the_repository_a_base(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    assert_eq!(forge.login().await?, place.login);
    assert_eq!(forge.default_branch().await?, place.base);
    assert_eq!(forge.repository(), format!("{}/{}", place.owner, place.name));
    Ok(())
}

pub(crate) async fn a_branch_tells_its_commit_and_one_that_is_not_there_is_nothing(
    place: &Place,
) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let change = place.change("first line\n\nbody", &[("look.yaml", "a: 1\n")], &[]);
    let commit = forge.commit(&base, &change).await?;
    assert_eq!(forge.branch("look").await?, None, "a commit makes no branch");
    // One whose name begins with the other's.
    forge.create_branch("look-longer", &commit).await?;
    assert_eq!(forge.branch("look").await?, None);
    forge.create_branch("look", &commit).await?;
    let found = forge.branch("look").await?.context("the branch")?;
    assert_eq!((found.name.as_str(), &found.commit), ("look", &commit));
    assert_eq!((found.message.trim_end(), found.email.as_str()), ("first line\n\nbody", "bot@example.com"));
    assert_ne!(found.tree, base.tree);
    Ok(())
}

pub(crate) async fn a_commit_adds_and_removes_files_and_is_the_same_when_made_again(
    place: &Place,
) -> Result<()> {
    // Given a base with two files,
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let change = place.change("given", &[("same/old.yaml", "old\n"), ("same/kept.yaml", "kept\n")], &[]);
    forge.create_branch("same", &forge.commit(&base, &change).await?).await?;
    let given = forge.branch("same").await?.context("same")?;

    // when one goes and another comes in one commit, twice,
    let change = place.change("swap", &[("same/new.yaml", "new: ünï\n")], &["same/old.yaml"]);
    let commit = forge.commit(&given, &change).await?;
    let again = forge.commit(&given, &change).await?;

    // then it is the same commit, and on no branch;
    assert_eq!(commit, again);
    assert_eq!(forge.branch("same").await?.as_ref(), Some(&given));
    let later = Change { at: "2026-01-02T03:04:06Z".parse()?, ..change };
    assert_ne!(forge.commit(&given, &later).await?, commit, "another date is another commit");

    // and it holds what was asked for, of whom, on that parent.
    let paths: Vec<String> = forge.files("same", &commit).await?.into_iter().map(|f| f.path).collect();
    assert_eq!(paths, ["same/kept.yaml", "same/new.yaml"]);
    assert_eq!(forge.read("same/new.yaml", &commit).await?.as_deref(), Some("new: ünï\n"));
    assert_eq!(forge.read("same/old.yaml", &commit).await?, None);
    let raw = person(place, "GET", &format!("/git/commits/{commit}"), &Value::Null).await?;
    for who in ["author", "committer"] {
        assert_eq!(raw[who]["name"], "Autopilot", "{raw}");
        assert_eq!(raw[who]["email"], "bot@example.com", "{raw}");
        let date: jiff::Timestamp = raw[who]["date"].as_str().context("a date")?.parse()?;
        assert_eq!(date.to_string(), "2026-01-02T03:04:05Z");
    }
    assert_eq!(raw["message"], "swap");
    assert_eq!(raw["parents"].as_array().map(Vec::len), Some(1), "{raw}");
    assert_eq!(raw["parents"][0]["sha"], given.commit.as_str());

    // What is not there cannot be removed: GitHub says 422, and so does emulate.
    let wrong = place.change("wrong", &[], &["same/never.yaml"]);
    let refused = forge.commit(&given, &wrong).await;
    if let Ok(commit) = &refused {
        // Where it is accepted nothing must be lost.
        assert_eq!(forge.files("same", commit).await?, forge.files("same", &given.commit).await?);
    } else {
        invalid(&refused)?;
    }
    Ok(())
}

pub(crate) async fn only_text_is_read_and_only_files_directly_in_the_folder_are_listed(
    place: &Place,
) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let large = "x".repeat(2 * 1024 * 1024);
    let change = place.change(
        "given",
        &[
            ("list/a/one.yaml", "1\n"),
            ("list/a/empty.yaml", ""),
            ("list/a/deeper/two.yaml", "2\n"),
            ("list/ab/three.yaml", "3\n"),
            ("list/a/large.txt", &large),
        ],
        &[],
    );
    let commit = forge.commit(&base, &change).await?;
    forge.create_branch("list/given", &commit).await?;
    for at in [commit.as_str(), "list/given"] {
        let files = forge.files("list/a", at).await?;
        let paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["list/a/empty.yaml", "list/a/large.txt", "list/a/one.yaml"], "{at}");
        // git's own hash of these two bytes
        assert_eq!(files[2].blob, "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d");
        assert_eq!(forge.files("list", at).await?, []);
        assert_eq!(forge.files("list/nothing", at).await?, []);
        assert_eq!(forge.files("list/a/one.yaml", at).await?, [], "a file is no folder");
        assert!(!forge.files("", at).await?.iter().any(|f| f.path.contains('/')));

        assert_eq!(forge.read("list/a/one.yaml", at).await?.as_deref(), Some("1\n"));
        assert_eq!(forge.read("list/a/empty.yaml", at).await?.as_deref(), Some(""));
        assert_eq!(forge.read("list/a/large.txt", at).await?, None, "too large to be an approval");
        assert_eq!(forge.read("list/a", at).await?, None, "a folder is no file");
        assert_eq!(forge.read("list/a/nothing.yaml", at).await?, None);
    }
    Ok(())
}

pub(crate) async fn names_that_mean_something_in_a_url_arrive_as_they_are(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    for (i, name) in
        ["a b", "a#b", "a?b", "a%2Fb", "a+b", "a&b=c", "ünï", "a'b\"", "a;b"].into_iter().enumerate()
    {
        let (folder, file) = (format!("odd {i}#?/{name}"), format!("odd {i}#?/{name}/{name}.yaml"));
        let commit = forge.commit(&base, &place.change("odd", &[(&file, name)], &[])).await?;
        let files: Vec<String> = forge.files(&folder, &commit).await?.into_iter().map(|f| f.path).collect();
        assert_eq!(files, std::slice::from_ref(&file));
        assert_eq!(forge.read(&file, &commit).await?.as_deref(), Some(name));
    }
    for name in ["odd/a#b", "odd/a+b", "odd/a%2Fb", "odd/ünï", "odd/a&b=c"] {
        assert_eq!(forge.branch(name).await?, None);
        forge.create_branch(name, &base.commit).await?;
        let found = forge.branch(name).await?.with_context(|| format!("no {name}"))?;
        assert_eq!(found.commit, base.commit);
        let next = forge.commit(&base, &place.change(name, &[("odd.yaml", name)], &[])).await?;
        forge.advance(name, &next).await?;
        assert_eq!(forge.read("odd.yaml", name).await?.as_deref(), Some(name));
        forge.delete_branch(name).await?;
        assert_eq!(forge.branch(name).await?, None);
    }
    Ok(())
}

pub(crate) async fn a_folder_of_more_than_a_thousand_files_is_listed_whole(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let mut change = place.change("many", &[], &[]);
    change.add = (0..1_050).map(|i| (format!("many/{i:04}.yaml"), format!("{i}\n"))).collect();
    let commit = forge.commit(&base, &change).await?;
    assert_eq!(forge.files("many", &commit).await?.len(), 1_050);
    Ok(())
}

/// `emulate` answers a missing branch with 404 where GitHub says 422; our front corrects that.
pub(crate) async fn branches_are_found_by_how_their_names_begin(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    for name in ["found-pg1-data", "found-pg2-data", "foundation"] {
        forge.create_branch(name, &base.commit).await?;
    }
    let found = async |prefix: &str| -> Result<Vec<String>> {
        let mut names = forge.branches(prefix).await?;
        names.sort();
        Ok(names)
    };
    assert_eq!(found("found-").await?, ["found-pg1-data", "found-pg2-data"]);
    assert_eq!(found("found-pg1-").await?, ["found-pg1-data"]);
    assert_eq!(found("nothing-").await?, Vec::<String>::new());
    forge.delete_branch("found-pg1-data").await?;
    assert_eq!(found("found-").await?, ["found-pg2-data"]);
    Ok(())
}

pub(crate) async fn a_branch_is_created_once_moved_forward_only_and_deleted_for_good(
    place: &Place,
) -> Result<()> {
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let one = forge.commit(&base, &place.change("one", &[("steps.yaml", "1\n")], &[])).await?;
    let other = forge.commit(&base, &place.change("other", &[("steps.yaml", "2\n")], &[])).await?;

    forge.create_branch("steps", &base.commit).await?;
    invalid(&forge.create_branch("steps", &base.commit).await)?;
    invalid(&forge.create_branch("steps", &one).await)?;
    // `Invalid` would say that there is a branch. GitHub's words are "Object does not exist", emulate's "Invalid sha".
    let nowhere = forge.create_branch("nowhere", "0123456789012345678901234567890123456789").await;
    ensure!(matches!(nowhere, Err(ForgeError::NotFound(_) | ForgeError::Refused(_))), "{nowhere:?}");

    forge.advance("steps", &one).await?;
    forge.advance("steps", &one).await?;
    invalid(&forge.advance("steps", &other).await)?;
    invalid(&forge.advance("steps", &base.commit).await)?;
    assert_eq!(forge.branch("steps").await?.map(|b| b.commit), Some(one));
    not_found(&forge.advance("no-such-branch", &other).await)?;

    forge.delete_branch("steps").await?;
    assert_eq!(forge.branch("steps").await?, None);
    forge.delete_branch("steps").await?;
    Ok(())
}
