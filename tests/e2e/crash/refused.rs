//! The API server refuses every write for a while: a conflict that is none, throttling, errors. Events it
//! may also deny for ever.

use std::time::Duration;

use anyhow::{Result, ensure};
use autopilot_stack::{Action, Match, Refusal, RuleId};
use futures::future::join_all;

use super::case::{Case, Path};
use super::cluster::clusters;
use super::writes;

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_and_throttling_are_waited_out() -> Result<()> {
    let clusters = clusters();
    let refusals = [
        (Refusal::conflict(), 4),
        (Refusal::too_many_requests(Duration::from_secs(1)), 2),
        (Refusal::internal(), 4),
        (Refusal::unavailable(), 4),
        (Refusal::timeout(), 4),
    ];
    let table =
        refusals.into_iter().flat_map(|r| [Path::Approved, Path::Unasked].map(|path| (path, r.clone())));
    let runs = table.map(async |(path, (refusal, times))| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, path).await?;
        let refuse = || cluster.proxy.rule(Match::writes().times(times), Action::Refuse(refusal.clone()));
        let first = refuse();
        case.controllers.start()?;
        let result = async {
            case.rule().await?;
            case.until_quiet_with(|_| {
                refuse();
            })
            .await?;
            ensure!(cluster.proxy.applied(first) == times, "not refused: this test tests nothing");
            case.check_once().await
        };
        let result = result.await;
        case.finish(&format!("{path:?}, {} {}", refusal.code, refusal.reason), result).await
    });
    join_all(runs).await.into_iter().collect()
}

/// Runs two cases in which the events are denied that `denied` names; then `holds` must hold.
async fn with_denied_events(
    what: &str,
    denied: impl Fn(&Case<'_>) -> Match,
    holds: impl AsyncFn(&Case<'_>, RuleId) -> Result<()>,
) -> Result<()> {
    let clusters = clusters();
    let runs = [Path::Approved, Path::Unasked].map(async |path| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, path).await?;
        let deny = || cluster.proxy.rule(denied(&case), Action::Refuse(Refusal::forbidden()));
        let first = deny();
        case.controllers.start()?;
        let result = async {
            case.rule().await?;
            case.until_quiet_with(|_| {
                deny();
            })
            .await?;
            holds(&case, first).await
        };
        let result = result.await;
        case.finish(&format!("{path:?}, {what}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}

/// An API server that was just started denies everything until it has read its roles.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_denied_for_a_while_are_not_lost() -> Result<()> {
    let denied = |_: &Case<'_>| Match::writes().path("/events").times(3);
    with_denied_events("events denied for a while", denied, async |case, first| {
        ensure!(case.cluster.proxy.applied(first) == 3, "not denied: this test tests nothing");
        case.check_once().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_denied_for_ever_hold_up_nothing_and_no_others() -> Result<()> {
    // Those about the PVC; those about the rule are told in another namespace.
    let denied = |case: &Case<'_>| Match::writes().path(&format!("/namespaces/{}/events", case.name));
    with_denied_events("events on the PVC denied for ever", denied, async |case, first| {
        ensure!(case.cluster.proxy.applied(first) >= 10, "given up too soon");
        let transitions = case.transitions(&case.look().await?.journal).await?;
        ensure!(transitions.on_claim.is_empty(), "{transitions:?}");
        ensure!(
            transitions.on_rule.ends_with(&transitions.journal) && !transitions.journal.is_empty(),
            "{transitions:?}"
        );
        let resizes = writes::resizes(&case.cluster.proxy.writes());
        ensure!(resizes == 1, "resized {resizes} times");
        Ok(())
    })
    .await
}
