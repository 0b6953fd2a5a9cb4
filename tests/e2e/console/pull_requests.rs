//! Approvals with pull requests, with GitHub and Flux: the row follows the forge, and the forge what is decided here.

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::Outcome;
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::ClusterOptions;
use autopilot_stack::github::{BOT_TOKEN, BOT_TOKEN_2};
use autopilot_tests::gitops::{Case, GitOpsScene, Question, STEP};
use futures::future::try_join_all;

use crate::console::Console;

#[tokio::test(flavor = "multi_thread")]
async fn the_row_follows_its_pull_request_and_a_decision_here_closes_it() -> Result<()> {
    let cluster = ClusterOptions::without_binder();
    let gitops = GitOpsScene::start(cluster).await?;
    let mut console = Console::start(&gitops.scene.cluster.kubeconfig(ADMIN_TOKEN, None)?, &[], &[])?;
    console.shows(&["live", "Nothing waits for you"]).await?;
    let names = ["merging", "closing", "yes-here", "no-here"];
    let mut cases = try_join_all(names.iter().map(|name| Case::new(&gitops, name))).await?;
    // What was done stays long enough to be looked at.
    cases.iter_mut().for_each(|case| case.cool_down = 30);
    gitops.controller()?;
    let questions = try_join_all(cases.iter().map(Case::asked)).await?;

    // Without a key pressed, each row has its pull request.
    for (case, question) in cases.iter().zip(&questions) {
        shows(&console, case, question, &["pending", "open"]).await?;
    }
    let [merged, closed, approved, declined] = &cases[..] else { unreachable!("four cases") };
    let [q_merged, q_closed, q_approved, q_declined] = &questions[..] else { unreachable!("four questions") };

    // A merge over there.
    gitops.reviewer.merge(q_merged.number()).await?;
    shows(&console, merged, q_merged, &["merged"]).await?;
    merged.until_request("20Gi").await?;

    // A close over there, while somebody here is about to approve: the question is withdrawn.
    select(&mut console, closed).await?;
    console.asks("a", "Approve this?").await?;
    let told = format!("pull request #{} will be closed with a comment", q_closed.number());
    console.shows(&["pg", &told][1..]).await?;
    gitops.reviewer.close(q_closed.number()).await?;
    console.shows_within(&["withdrawn, nothing was written"], STEP).await?;
    console.asks("", "esc goes on").await?;
    console.keys("\r").await?;
    shows(&console, closed, q_closed, &["declined", "closed"]).await?;
    closed.until_state(RuleState::ActionsDeclined).await?;

    // Decided here: the pull request is closed, and told why.
    select(&mut console, approved).await?;
    console.asks("a", "Approve this?").await?;
    console.keys("y").await?;
    shows(&console, approved, q_approved, &["closed"]).await?;
    approved.until_request("20Gi").await?;
    select(&mut console, declined).await?;
    console.asks("x", "Decline this?").await?;
    console.yes("the cleanup runs at six\t\t").await?;
    shows(&console, declined, q_declined, &["declined", "closed"]).await?;
    declined.until_state(RuleState::ActionsDeclined).await?;
    let decision = declined.look().await?.and_then(|a| a.status).and_then(|s| s.decision).unwrap_or_default();
    ensure!(decision.outcome == Outcome::Declined && decision.via == "console", "{decision:?}");
    for (case, question, starts, has) in [
        (approved, q_approved, "**Approved in the cluster**", "with `console`"),
        (declined, q_declined, "**Declined in the cluster**", "the cleanup runs at six"),
    ] {
        case.until_clean().await?;
        let pull = gitops.reviewer.pull(question.number()).await?;
        ensure!(pull.state == "closed" && !pull.merged, "{pull:?}");
        let said = case.comments(question.number()).await?;
        let outcome = said.iter().filter(|s| s.starts_with(starts) && s.contains(has)).count();
        ensure!(outcome == 1, "{said:?}");
    }

    // What was done goes from the screen as it goes from the cluster; what was declined stays.
    console.keys("F").await?;
    merged.until_gone().await?;
    approved.until_gone().await?;
    console
        .until("the rows of what was done to go", STEP, |screen| {
            ["closing", "no-here"].iter().all(|name| screen.contains(name))
                && ["merging", "yes-here"].iter().all(|name| !screen.contains(name))
        })
        .await?;
    for case in &cases {
        case.check_one_each().await?;
    }
    ensure!(merged.sizes() == ["10Gi", "20Gi"] && approved.sizes() == ["10Gi", "20Gi"]);
    ensure!(closed.sizes() == ["10Gi"] && declined.sizes() == ["10Gi"]);
    merged.check_secrecy().await?;
    let bytes = String::from_utf8_lossy(&console.bytes()).into_owned();
    ensure!(!bytes.contains(BOT_TOKEN) && !bytes.contains(BOT_TOKEN_2), "a token is on the screen");
    Ok(())
}

/// Waits until the case's row has its pull request, and these words.
async fn shows(console: &Console, case: &Case<'_>, question: &Question, words: &[&str]) -> Result<()> {
    let number = format!("#{} ", question.number());
    let all = [&[case.namespace.as_str(), &number], words].concat();
    console.shows_line(&all, STEP).await
}

/// Leaves only the case's row in the list.
async fn select(console: &mut Console, case: &Case<'_>) -> Result<()> {
    console.keys(&format!("F/ns={}\r", case.namespace)).await?;
    console.shows(&["1 of 4", &case.namespace]).await
}
