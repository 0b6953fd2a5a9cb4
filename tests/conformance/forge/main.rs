//! The controller's GitHub client at a GitHub. `emulate` plays it here, with a front of the tests' own before it;
//! the cases take any other address and tokens as well.

mod cases;
mod person;
mod place;

use std::time::Duration;

use anyhow::{Result, ensure};
use autopilot_controller::pull_requests::{Forge as _, ForgeError};
use autopilot_stack::github::{ALICE_TOKEN, BOT_TOKEN, BOT_TOKEN_2};
use autopilot_stack::{Budget, GitHub, GitHubOptions, SecondaryLimit};
use jiff::Timestamp;

use place::Place;

async fn start() -> Result<(GitHub, Place)> {
    let github = GitHub::start(GitHubOptions::default()).await?;
    let place = Place {
        url: github.url(),
        owner: github.owner().to_owned(),
        name: github.name().to_owned(),
        base: github.base().to_owned(),
        token: BOT_TOKEN.to_owned(),
        login: "autopilot-bot".to_owned(),
        person_token: ALICE_TOKEN.to_owned(),
        person: "alice".to_owned(),
    };
    Ok((github, place))
}

/// One test per case, so that a failure names it.
macro_rules! cases {
    ($($name:ident),* $(,)?) => { $(
        #[tokio::test]
        async fn $name() -> Result<()> {
            let (_github, place) = start().await?;
            cases::$name(&place).await
        }
    )* };
}

cases! {
    the_token_has_an_owner_and_the_repository_a_base,
    a_branch_tells_its_commit_and_one_that_is_not_there_is_nothing,
    a_commit_adds_and_removes_files_and_is_the_same_when_made_again,
    only_text_is_read_and_only_files_directly_in_the_folder_are_listed,
    names_that_mean_something_in_a_url_arrive_as_they_are,
    a_folder_of_more_than_a_thousand_files_is_listed_whole,
    a_branch_is_created_once_moved_forward_only_and_deleted_for_good,
    branches_are_found_by_how_their_names_begin,
    a_pull_request_is_opened_once_and_found_again,
    labels_reviews_and_comments_arrive,
    the_hand_that_closes_or_merges_is_known,
    a_list_that_did_not_change_is_not_sent_again,
    more_than_a_page_is_read_page_by_page,
    a_repository_that_cannot_be_seen_is_an_error_and_never_an_absence,
}

#[tokio::test]
async fn a_protected_base_refuses() -> Result<()> {
    // Given a base branch that is open to pull requests only (as our front plays it),
    let (github, place) = start().await?;
    let forge = place.forge()?;
    let base = place.base_branch(&forge).await?;
    let commit = forge.commit(&base, &place.change("protected", &[("a.yaml", "a: 1\n")], &[])).await?;
    github.protect(&place.base);
    // when it is moved, then that is a refusal and no lost race.
    let refused = forge.advance(&place.base, &commit).await;
    ensure!(matches!(refused, Err(ForgeError::Refused(_))), "{refused:?}");
    github.unprotect(&place.base);
    forge.advance(&place.base, &commit).await?;
    Ok(())
}

#[tokio::test]
async fn limits_are_obeyed_and_the_budget_is_known() -> Result<()> {
    // Given limits as our front plays them,
    let (github, place) = start().await?;
    let forge = place.forge()?;
    ensure!(forge.budget().is_none(), "nothing was asked yet");
    let base = place.base_branch(&forge).await?;
    let before = forge.budget().map(|b| b.remaining);
    forge.default_branch().await?;
    let after = forge.budget().map(|b| b.remaining);
    ensure!(before.is_some() && after < before, "{before:?}, then {after:?}");

    // when writes come too fast,
    let limit = SecondaryLimit {
        writes: 20,
        per: Duration::from_secs(60),
        retry_after: Duration::from_secs(90),
        status: 403,
    };
    github.set_secondary_limit(Some(limit));
    let mut limited = None;
    for i in 0..200 {
        match forge.create_branch(&format!("fast-{i}"), &base.commit).await {
            Ok(()) => {}
            Err(error) => {
                limited = Some(error);
                break;
            }
        }
    }
    // then the pause is the one that was asked for,
    let Some(ForgeError::Limited { until, why }) = limited else { anyhow::bail!("{limited:?}") };
    let pause = until.duration_since(Timestamp::now()).as_secs();
    ensure!((80..=90).contains(&pause), "{pause} s: {why}");

    // and when the hour's requests are used up, it lasts until the reset.
    github.set_secondary_limit(None);
    let resets_in = Duration::from_secs(1200);
    let reset = Timestamp::now() + resets_in;
    github.set_budget(&place.login, Budget { limit: 5000, remaining: 0, resets_in });
    let limited = forge.default_branch().await;
    let Err(ForgeError::Limited { until, .. }) = limited else { anyhow::bail!("{limited:?}") };
    let off = until.duration_since(reset).as_secs().abs();
    ensure!(off <= 3, "{until} is not {reset}");
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_replaced_is_used_from_the_next_request_on() -> Result<()> {
    let (github, place) = start().await?;
    let slot = autopilot_controller::pull_requests::github::TokenSlot::new();
    slot.put(Some(BOT_TOKEN.as_bytes()));
    let forge = place.forge_with(slot.clone())?;
    ensure!(forge.login().await? == place.login);
    github.revoke(BOT_TOKEN);
    let refused = forge.login().await;
    ensure!(matches!(refused, Err(ForgeError::Unauthorized(_))), "{refused:?}");
    ensure!(slot.put(Some(BOT_TOKEN_2.as_bytes())), "a new token");
    ensure!(forge.login().await? == place.login);
    Ok(())
}
