//! A GitHub that refuses, limits, or is not there: nothing is decided by that, and all of it passes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_stack::github::{BOT_TOKEN, BOT_TOKEN_2};
use autopilot_stack::{Action, Match, Refusal, SecondaryLimit};
use autopilot_tests::gitops::{Case, GitOpsScene};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

/// Returns the refusals that GitHub may send to any request.
fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::github(401, "Bad credentials"),
        Refusal::github(403, "Resource not accessible by personal access token"),
        Refusal::github(404, "Not Found"),
        Refusal::github(422, "Validation Failed"),
        Refusal::github(500, "Server Error"),
        Refusal::github(502, "Bad Gateway"),
        Refusal::github_secondary(403, Duration::from_secs(1)),
        Refusal::github_secondary(429, Duration::from_secs(1)),
        Refusal::github_exhausted(Duration::from_secs(1)),
    ]
}

async fn undecided(case: &Case<'_>) -> Result<()> {
    let approval = case.look().await?.context("the approval is gone")?;
    ensure!(approval.status.and_then(|s| s.decision).is_none(), "it is decided");
    ensure!(approval.spec.approval_state.as_deref() == Some("pending"), "it is not pending");
    ensure!(approval.metadata.deletion_timestamp.is_none(), "it is being deleted");
    Ok(())
}

pub(crate) async fn no_refusal_of_a_look_decides_anything(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "refused-looks").await?;
    gitops.controller()?;
    let question = case.asked().await?;
    for refusal in refusals() {
        let rule = gitops.forge.rule(Match::any().times(1), Action::Refuse(refusal.clone()));
        gitops
            .until("the refusal, and a look after it", async || {
                let asked = gitops.forge.requests();
                let after = asked.iter().rposition(|r| r.upstream.is_none());
                let well = after.is_some_and(|at| asked.iter().skip(at + 1).any(|r| r.upstream.is_some()));
                Ok((gitops.forge.applied(rule) == 1 && well).then_some(()))
            })
            .await?;
        undecided(&case).await.with_context(|| format!("after {refusal:?}"))?;
        gitops.forge.clear_rules();
    }
    ensure!(
        gitops.forge.writes().iter().filter(|w| w.method == "POST" && w.path.ends_with("/pulls")).count()
            == 1
    );
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

/// Plays a case whose first write of a kind is refused.
async fn refused_at(gitops: &GitOpsScene, name: &str, write: (&str, &str), refusal: Refusal) -> Result<()> {
    let case = Case::new(gitops, name).await?;
    let (branch, title) = (case.branch.clone(), case.approval.clone());
    let mine = move |seen: &autopilot_stack::Seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        seen.path.contains(&branch) || body.contains(&title)
    };
    let rule = gitops
        .forge
        .rule(Match::writes().method(write.0).path(write.1).when(mine).times(1), Action::Refuse(refusal));
    let question = case.asked().await?;
    ensure!(gitops.forge.applied(rule) == 1, "nothing was refused");
    gitops.scene.answer(&case.namespace, &case.approval, "declined").await?;
    case.until_state(RuleState::ActionsDeclined).await?;
    case.until_clean().await?;
    ensure!(case.pulls().await?.len() == 1 && question.number() > 0, "{:?}", case.pulls().await?);
    case.end().await
}

pub(crate) async fn a_no_to_a_write_passes(gitops: &GitOpsScene) -> Result<()> {
    gitops.controller()?;
    tokio::try_join!(
        refused_at(gitops, "write-422", ("POST", "/git/refs"), Refusal::github(422, "Validation Failed")),
        refused_at(
            gitops,
            "write-403",
            ("POST", "/git/trees"),
            Refusal::github(403, "Resource not accessible")
        ),
    )?;
    Ok(())
}

pub(crate) async fn no_pull_request_at_first(gitops: &GitOpsScene) -> Result<()> {
    gitops.controller()?;
    let opening = ("POST", "/pulls");
    tokio::try_join!(
        refused_at(gitops, "write-404", opening, Refusal::github(404, "Not Found")),
        refused_at(gitops, "write-503", opening, Refusal::github(503, "Unavailable")),
    )?;
    Ok(())
}

pub(crate) async fn a_secondary_limit_is_obeyed(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "secondary").await?;
    gitops.github.set_secondary_limit(Some(SecondaryLimit {
        // A commit, and not the pull request after it.
        writes: 3,
        per: Duration::from_secs(8),
        retry_after: Duration::from_secs(3),
        status: 403,
    }));
    gitops.controller()?;
    let question = case.asked().await?;
    // Nothing at all is asked for as long as GitHub wants.
    let asked = gitops.forge.requests();
    let refused: Vec<usize> =
        asked.iter().enumerate().filter(|(_, r)| r.status == Some(403)).map(|(at, _)| at).collect();
    ensure!(!refused.is_empty(), "the limit was not met");
    for at in refused {
        let (refusal, next) = (asked[at].at, asked.get(at + 1).context("nothing came after it")?.at);
        ensure!(
            next.duration_since(refusal).as_secs_f64() >= 2.9,
            "asked again after {}",
            next.duration_since(refusal)
        );
    }
    gitops.github.set_secondary_limit(None);
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn a_revoked_token_is_replaced_at_run_time(gitops: &GitOpsScene) -> Result<()> {
    let case = Case::new(gitops, "revoked").await?;
    gitops.controller()?;
    gitops.until("a first look", async || Ok((!gitops.forge.requests().is_empty()).then_some(()))).await?;
    gitops.github.revoke(BOT_TOKEN);
    case.apply_rule().await?;
    gitops.scene.until_pending(&case.namespace, &case.rule, &case.volume).await?;
    gitops
        .until("a refused token", async || {
            Ok(gitops.forge.requests().iter().any(|r| r.status == Some(401)).then_some(()))
        })
        .await?;
    undecided(&case).await?;
    ensure!(case.pulls().await?.is_empty(), "there is a pull request");
    // The Secret is edited; nothing is restarted.
    gitops.token(BOT_TOKEN_2).await?;
    let question = case.until_asked("").await?;
    gitops.reviewer.merge(question.number()).await?;
    case.until_request("20Gi").await?;
    case.until_clean().await?;
    case.end().await
}

pub(crate) async fn without_github_kubectl_decides_and_deletions_end(gitops: &GitOpsScene) -> Result<()> {
    gitops.configure(&[("deletionLimit", json!(3))]).await?;
    let approved = Case::new(gitops, "down-approved").await?;
    let deleted = Case::new(gitops, "down-deleted").await?;
    let later = Case::new(gitops, "down-later").await?;
    gitops.controller()?;
    let (one, two) = tokio::try_join!(approved.asked(), deleted.asked())?;

    // Given a GitHub that is down …
    let down = gitops.forge.rule(Match::any(), Action::DropRequest);
    gitops.scene.answer(&approved.namespace, &approved.approval, "approved").await?;
    approved.until_request("20Gi").await?;
    approved.until_state(RuleState::Normal).await?;
    later.apply_rule().await?;
    gitops.scene.until_pending(&later.namespace, &later.rule, &later.volume).await?;
    // … a deletion ends after its bound, and says so, …
    let began = Timestamp::now();
    deleted.delete_approval().await?;
    gitops
        .until("the deletion to end", async || {
            let now = deleted.look().await?;
            Ok(now.is_none_or(|a| a.metadata.uid != two.approval.metadata.uid).then_some(()))
        })
        .await?;
    let took = Timestamp::now().duration_since(began).as_secs_f64();
    ensure!(took >= 2.5, "released after {took} s already");
    let api: Api<Event> = Api::namespaced(gitops.scene.client.clone(), "default");
    let left =
        ListParams::default().fields(&format!("involvedObject.name={},reason=LeftOnForge", deleted.rule));
    gitops
        .until("an event that something may stay behind", async || {
            let told = api.list(&left).await?.items;
            let said = told.iter().filter_map(|e| e.message.as_deref()).any(|m| m.contains(&two.pull.url));
            Ok(said.then_some(()))
        })
        .await?;
    ensure!(gitops.forge.applied(down) > 0, "nothing was asked");

    // … and once it is back, everything catches up, one write a second.
    gitops.forge.clear_rules();
    gitops.forge.clear_log();
    let (again, new) = tokio::try_join!(deleted.until_asked(&two.digest), later.until_asked(""))?;
    approved.until_clean().await?;
    ensure!(gitops.reviewer.pull(two.number()).await?.state == "closed", "#{} is open", two.number());
    ensure!(gitops.reviewer.pull(one.number()).await?.state == "closed", "#{} is open", one.number());
    ensure!(again.number() != two.number() && new.number() > 0);
    let writes: Vec<Timestamp> = gitops.forge.writes().iter().map(|w| w.at).collect();
    let closest = writes.windows(2).map(|w| w[1].duration_since(w[0]).as_secs_f64()).fold(f64::MAX, f64::min);
    ensure!(writes.len() > 5 && closest >= 0.9, "{closest} s between two of {} writes", writes.len());
    approved.end().await?;
    deleted.end().await?;
    later.end().await
}
