//! The API server goes away: killed and started again, or frozen for longer than a request may take.

use std::time::Duration;

use anyhow::Result;
use autopilot_shared::RuleState;
use futures::future::join_all;

use super::case::{Case, Look, Path};
use super::cluster::clusters;

/// Longer than the 10 s after which a request counts as unanswered.
const FROZEN: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
enum Away {
    Restarted,
    Frozen,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_is_restarted_in_the_middle() -> Result<()> {
    use RuleState::{ActionAwaitingApproval, ActiveActionsInProgress, ActiveActionsTaken, Triggered};
    let clusters = clusters();
    let table: [(Path, Away, &[RuleState]); 6] = [
        (Path::Approved, Away::Restarted, &[Triggered, ActionAwaitingApproval, ActiveActionsTaken]),
        (Path::Unasked, Away::Restarted, &[Triggered, ActiveActionsTaken]),
        (Path::Approved, Away::Frozen, &[ActionAwaitingApproval]),
        (Path::Approved, Away::Frozen, &[ActiveActionsInProgress]),
        (Path::Unasked, Away::Frozen, &[Triggered]),
        (Path::Unasked, Away::Frozen, &[ActiveActionsInProgress]),
    ];
    let runs = table.map(async |(path, away, states)| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, path).await?;
        case.controllers.start()?;
        let result = async {
            case.rule().await?;
            for state in states {
                // InProgress may be over before anybody looks: then the server goes away a moment later.
                let reached = |look: &Look| look.journal.items.iter().any(|i| i.state == state.as_str());
                case.until(&format!("{state} to be reached"), reached).await?;
                match away {
                    Away::Restarted => cluster.servers.restart_apiserver().await?,
                    Away::Frozen => {
                        // The answer is on its way when the server stops.
                        if let Some(question) = case.look().await?.question() {
                            case.answer(&question.metadata.name.clone().unwrap_or_default(), "approved")
                                .await?;
                        }
                        cluster.servers.freeze_apiserver().await?;
                        tokio::time::sleep(FROZEN).await;
                        cluster.servers.thaw_apiserver().await?;
                    }
                }
            }
            case.until_quiet().await?;
            case.check_once().await
        };
        let result = result.await;
        case.finish(&format!("{path:?}, {away:?} at {states:?}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}
