//! The API server refuses every write for a while: a conflict that is none, throttling, errors.

use std::time::Duration;

use anyhow::{Result, ensure};
use autopilot_stack::{Action, Match, Refusal};
use futures::future::join_all;

use super::case::{Case, Path};
use super::lane::keep;
use super::told;

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_and_throttling_are_waited_out() -> Result<()> {
    let lanes = keep();
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
        let lane = lanes.lane().await?;
        let case = Case::new(&lane, path).await?;
        let refuse = || lane.proxy().rule(Match::writes().times(times), Action::Refuse(refusal.clone()));
        let first = refuse();
        case.controllers.start()?;
        let result = async {
            case.rule().await?;
            case.until_quiet_with(|_| {
                refuse();
            })
            .await?;
            ensure!(lane.proxy().applied(first) == times, "not refused: this test tests nothing");
            case.check_once().await
        };
        let result = result.await;
        told(case, &format!("{path:?}, {} {}", refusal.code, refusal.reason), result).await
    });
    join_all(runs).await.into_iter().collect()
}
