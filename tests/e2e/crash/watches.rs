//! Watches that end: by a broken connection, and with 410 Expired, which means a new list.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use futures::future::join_all;

use super::case::{Case, Path};
use super::cluster::{CaseCluster, clusters};

/// When the watches end.
#[derive(Clone, Copy, Debug)]
enum When {
    /// In every state.
    EachState,
    /// Ten times a second.
    AllTheTime,
}

async fn watches_end(end: fn(&CaseCluster) -> usize) -> Result<()> {
    let clusters = clusters();
    let mut table = Vec::new();
    for path in [Path::Approved, Path::Unasked, Path::Grows] {
        table.extend([When::EachState, When::AllTheTime].map(|when| (path, when)));
    }
    let runs = table.into_iter().map(async |(path, when)| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, path).await?;
        case.controllers.start()?;
        let ended = AtomicUsize::new(0);
        let end = || {
            ended.fetch_add(end(&cluster), Ordering::Relaxed);
        };
        let result = async {
            case.rule().await?;
            match when {
                When::EachState => case.until_quiet_with(|_| end()).await?,
                When::AllTheTime => {
                    case.until("the end, with watches that end all the time", |look| {
                        end();
                        look.unfinished().is_empty()
                    })
                    .await?;
                    case.until_quiet().await?
                }
            };
            let ended = ended.load(Ordering::Relaxed);
            ensure!(ended > 10, "only {ended} watches ended: this test tests nothing");
            case.check_once().await
        };
        let result = result.await;
        case.finish(&format!("{path:?}, {when:?}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_loses_nothing() -> Result<()> {
    watches_end(|cluster| cluster.proxy.cut_watches("")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_expires_loses_nothing() -> Result<()> {
    watches_end(|cluster| cluster.proxy.expire_watches("")).await
}
