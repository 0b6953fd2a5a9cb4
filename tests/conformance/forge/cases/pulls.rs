//! Pull requests, and what cannot be seen.

use anyhow::{Context as _, Result, bail, ensure};
use autopilot_controller::pull_requests::github::TokenSlot;
use autopilot_controller::pull_requests::{Conditional, Forge as _, ForgeError, GitHub, Page, PullState};
use serde_json::json;

use crate::person::person;
use crate::place::{Place, invalid, not_found};

async fn page(forge: &GitHub, number: u32) -> Result<Page> {
    match forge.pulls(number, None).await? {
        Conditional::Changed(page) => Ok(page),
        Conditional::NotModified => bail!("304 to a request without an ETag"),
    }
}

/// `emulate` alone accepts a second pull request of a branch, and one without commits; our front refuses both.
pub(crate) async fn a_pull_request_is_opened_once_and_found_again(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let head = place.branch_off(&forge, "opened").await?;
    assert_eq!(forge.pulls_of("opened").await?, []);
    let new = place.new_pull("opened");
    let opened = forge.open(&new).await?;

    assert_eq!((opened.branch.as_str(), &opened.base, &opened.head), ("opened", &place.base, &head.commit));
    assert_eq!(opened.head_repo, Some(forge.repository()));
    assert_eq!((&opened.title, &opened.body), (&new.title, &new.body));
    assert_eq!((&opened.author, opened.state, opened.ended), (&place.login, PullState::Open, None));
    assert!(opened.url.ends_with(&format!("/pull/{}", opened.number)), "{}", opened.url);

    invalid(&forge.open(&new).await)?;
    forge.create_branch("without-commits", &place.base_branch(&forge).await?.commit).await?;
    invalid(&forge.open(&place.new_pull("without-commits")).await)?;
    invalid(&forge.open(&place.new_pull("no-such-branch")).await)?;

    // Another, so that the first is not the only one.
    let second = place.pull(&forge, "opened-too").await?;
    assert_eq!(forge.pulls_of("opened").await?, std::slice::from_ref(&opened));
    let first = page(&forge, 1).await?;
    let numbers: Vec<u64> = first.pulls.iter().map(|p| p.number).take(2).collect();
    let newest_first = [second.number, opened.number];
    // Both changed within the same second, perhaps.
    ensure!(numbers == newest_first || numbers.iter().rev().eq(&newest_first), "{numbers:?}");
    assert!(first.pulls.contains(&opened) && first.pulls.contains(&second));

    // A closed one and its successor.
    forge.close(opened.number).await?;
    let again = forge.open(&new).await?;
    let of: Vec<(u64, PullState)> =
        forge.pulls_of("opened").await?.into_iter().map(|p| (p.number, p.state)).collect();
    assert_eq!(of, [(again.number, PullState::Open), (opened.number, PullState::Closed)]);
    Ok(())
}

pub(crate) async fn labels_reviews_and_comments_arrive(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let pull = place.pull(&forge, "talk").await?;
    forge.label(pull.number, &["autopilot".to_owned(), "size: 20Gi".to_owned()]).await?;
    forge.label(pull.number, &["autopilot".to_owned()]).await?;
    forge.ask_review(pull.number, std::slice::from_ref(&place.person)).await?;
    // The author cannot review; our front says so as GitHub does.
    invalid(&forge.ask_review(pull.number, std::slice::from_ref(&place.login)).await)?;
    assert_eq!(forge.comments(pull.number, &place.login).await?, Vec::<String>::new());
    for text in ["first — ünï", "second\n\n```\n@nobody\n```", "third"] {
        forge.comment(pull.number, text).await?;
    }
    let found = forge.pulls_of("talk").await?.pop().context("the pull request")?;
    assert_eq!(found.labels, ["autopilot", "size: 20Gi"]);
    assert_eq!(found.reviewers, std::slice::from_ref(&place.person));
    let comments = forge.comments(pull.number, &place.login).await?;
    assert_eq!(forge.comments(pull.number, &place.person).await?, Vec::<String>::new(), "of nobody else");
    assert_eq!(comments, ["first — ünï", "second\n\n```\n@nobody\n```", "third"]);
    not_found(&forge.comment(999_999, "nobody reads this").await)?;
    not_found(&forge.close(999_999).await)?;
    not_found(&forge.decider(999_999).await)?;
    Ok(())
}

/// The login of who closed is our front's; `emulate` alone does not know it.
pub(crate) async fn the_hand_that_closes_or_merges_is_known(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let open = place.pull(&forge, "hand-open").await?;
    assert_eq!(forge.decider(open.number).await?.login, "");

    let closed = place.pull(&forge, "hand-close").await?;
    person(place, "PATCH", &format!("/pulls/{}", closed.number), &json!({ "state": "closed" })).await?;
    assert_eq!(forge.decider(closed.number).await?.login, place.person);

    let own = place.pull(&forge, "hand-own").await?;
    forge.close(own.number).await?;
    forge.close(own.number).await?;
    assert_eq!(forge.decider(own.number).await?.login, place.login);

    let merged = place.pull(&forge, "hand-merge").await?;
    person(place, "PUT", &format!("/pulls/{}/merge", merged.number), &json!({})).await?;
    assert_eq!(forge.decider(merged.number).await?.login, place.person);
    let text = forge.read("approvals/hand-merge.yaml", &place.base).await?;
    assert_eq!(text.as_deref(), Some("approvalState: approved\n"));

    let listed = page(&forge, 1).await?.pulls;
    for (number, state) in [
        (open.number, PullState::Open),
        (closed.number, PullState::Closed),
        (own.number, PullState::Closed),
        (merged.number, PullState::Merged),
    ] {
        let pull = listed.iter().find(|p| p.number == number).context("listed")?;
        assert_eq!((pull.state, pull.ended.is_some()), (state, state != PullState::Open), "{pull:?}");
    }
    Ok(())
}

/// ETags are our front's; `emulate` alone has none.
pub(crate) async fn a_list_that_did_not_change_is_not_sent_again(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let pull = place.pull(&forge, "etag").await?;
    let etag = page(&forge, 1).await?.etag.context("an ETag")?;
    let before = forge.budget();
    assert_eq!(forge.pulls(1, Some(&etag)).await?, Conditional::NotModified);
    assert_eq!(forge.budget().map(|b| b.remaining), before.map(|b| b.remaining), "a 304 costs nothing");
    forge.label(pull.number, &["etag".to_owned()]).await?;
    let Conditional::Changed(page) = forge.pulls(1, Some(&etag)).await? else {
        bail!("a label went unnoticed")
    };
    assert_ne!(page.etag, Some(etag));
    Ok(())
}

pub(crate) async fn more_than_a_page_is_read_page_by_page(place: &Place) -> Result<()> {
    let forge = place.forge()?;
    let first = place.pull(&forge, "paged").await?;
    for i in 0..101 {
        forge.comment(first.number, &format!("{i}")).await?;
    }
    let comments = forge.comments(first.number, &place.login).await?;
    assert!(
        comments.iter().map(String::as_str).eq((0..101).map(|i| i.to_string()).collect::<Vec<_>>()),
        "{comments:?}"
    );

    for i in 0..100 {
        let name = format!("paged-{i}");
        forge.create_branch(&name, &first.head).await?;
        forge.open(&place.new_pull(&name)).await?;
    }
    let (one, two) = (page(&forge, 1).await?, page(&forge, 2).await?);
    assert_eq!((one.pulls.len(), one.more), (100, true));
    assert!(!two.pulls.is_empty());
    let mut numbers: Vec<u64> = one.pulls.iter().chain(&two.pulls).map(|p| p.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() >= 101, "each is on one page: {}", numbers.len());
    let times: Vec<_> = one.pulls.iter().chain(&two.pulls).map(|p| p.updated).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "changed last stands first");
    Ok(())
}

pub(crate) async fn a_repository_that_cannot_be_seen_is_an_error_and_never_an_absence(
    place: &Place,
) -> Result<()> {
    let slot = TokenSlot::new();
    slot.put(Some(place.token.as_bytes()));
    let elsewhere = place.forge_at("no-such-repository", slot)?;
    not_found(&elsewhere.default_branch().await)?;
    not_found(&elsewhere.branch("main").await)?;
    not_found(&elsewhere.read("README.md", "main").await)?;
    not_found(&elsewhere.files("", "main").await)?;
    not_found(&elsewhere.pulls(1, None).await)?;
    not_found(&elsewhere.pulls_of("main").await)?;
    not_found(&elsewhere.comments(1, &place.login).await)?;
    // Nor is a branch that is not there a folder without files.
    let forge = place.forge()?;
    not_found(&forge.files("", "no-such-branch").await)?;
    not_found(&forge.read("README.md", "no-such-branch").await)?;

    let slot = TokenSlot::new();
    slot.put(Some(b"a-token-of-nobody"));
    let stranger = place.forge_with(slot)?;
    let refused = stranger.pulls(1, None).await;
    ensure!(matches!(refused, Err(ForgeError::Unauthorized(_))), "{refused:?}");
    let refused = stranger.branch("main").await;
    let Err(error @ ForgeError::Unauthorized(_)) = refused else { bail!("{refused:?}") };
    assert!(!error.to_string().contains("a-token-of-nobody"), "{error}");
    Ok(())
}
