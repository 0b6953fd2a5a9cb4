//! Two controllers: at once, and one after the other.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{Action, KillWhen, Match, wait_for};
use futures::future::join_all;

use super::case::{Case, Path, Person, TWO_PASSES};
use super::cluster::clusters;

/// A lease lasts 15 s, and others look at it every 2 s.
const LEASE: Duration = Duration::from_secs(15 + 2);
/// On a machine that has other things to do.
const SLACK: Duration = Duration::from_secs(20);

/// The answers that get lost.
#[derive(Clone, Copy, Debug)]
enum Answers {
    All,
    /// About one in four is lost; which, the number says.
    Lost(usize),
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_for_the_whole_run() -> Result<()> {
    let clusters = clusters();
    let mut table = Vec::new();
    for path in [Path::Approved, Path::Unasked, Path::Grows] {
        table.extend(
            [Answers::All, Answers::All, Answers::Lost(1), Answers::Lost(2), Answers::Lost(3)]
                .map(|a| (path, a)),
        );
    }
    let runs = table.into_iter().map(async |(path, answers)| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, path).await?;
        if let Answers::Lost(seed) = answers {
            let unlucky =
                move |write: usize| ((write + 7 * seed).wrapping_mul(2_654_435_761) % 1009).is_multiple_of(4);
            cluster
                .proxy
                .rule(Match::writes().when(move |seen| seen.write.is_some_and(unlucky)), Action::DropAnswer);
        }
        case.controllers.start()?;
        case.controllers.start()?;
        case.rule().await?;
        let result = async {
            case.until_quiet().await?;
            case.check_once().await
        };
        let result = result.await;
        case.finish(&format!("{path:?}, answers: {answers:?}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}

#[derive(Clone, Copy, Debug)]
enum Killed {
    /// While a person thinks.
    Waiting,
    /// When the journal says that the resize is under way and it is not asked for.
    BeforeResize,
    /// When the resize was asked for and nobody knows.
    AfterResize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_takes_over() -> Result<()> {
    let clusters = clusters();
    let runs = [Killed::Waiting, Killed::BeforeResize, Killed::AfterResize].map(async |killed| {
        let cluster = clusters.take().await?;
        let case = Case::with_election(&cluster, Path::Approved).await?;
        let result = take_over(&case, killed).await;
        case.finish(&format!("{killed:?}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}

async fn take_over(case: &Case<'_>, killed: Killed) -> Result<()> {
    let leads = async |number: usize| {
        wait_for(&format!("leader number {number}"), LEASE + SLACK, async || {
            let leads = case.controllers.log().matches("\"message\":\"leads\"").count();
            Ok((leads >= number).then_some(()))
        })
        .await
    };
    case.person(Person::Away);
    case.controllers.start()?;
    leads(1).await?;
    case.controllers.start()?;
    case.rule().await?;
    let look = case.until("a question", |look| look.question().is_some()).await?;
    let approval = look.question().and_then(|q| q.metadata.name.clone()).context("a question")?;
    case.until_no_write(TWO_PASSES).await?;
    // What follows an approval: the decision, the journal, the resize.
    let resize = case.cluster.proxy.write_count() + 3;
    match killed {
        Killed::Waiting => case.controllers.kill_first()?,
        Killed::BeforeResize => {
            drop(case.controllers.kill_first_at(&case.cluster.proxy, resize, KillWhen::BeforeForward))
        }
        Killed::AfterResize => {
            drop(case.controllers.kill_first_at(&case.cluster.proxy, resize, KillWhen::AfterForward))
        }
    }
    let began = Instant::now();
    case.answer(&approval, "approved").await?;
    leads(2).await?;
    ensure!(began.elapsed() < LEASE + SLACK, "the lease was taken after {:?}", began.elapsed());
    case.until_quiet().await?;
    case.check_once().await
}
