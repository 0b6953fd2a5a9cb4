//! Stale reads: events of watches are held back while people act, controllers restart or run in pairs.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::ActionApproval;
use autopilot_stack::wait_for;
use autopilot_tests::objects::digest;
use futures::future::join_all;
use kube::Api;
use kube::api::{DeleteParams, PostParams};

use super::case::{Case, Look, Path, Person, STEP, TWO_PASSES};
use super::cluster::clusters;
use super::writes;

const APPROVALS: &str = "/actionapprovals";
const CLAIMS: &str = "/persistentvolumeclaims";
const JOURNALS: &str = "/autopilotruleobjects";
const EVERYTHING: &str = "";

/// An act of a person while the watch is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Approve,
    Decline,
    /// Approves and thinks better of it, all while nobody sees it.
    ApproveThenDecline,
    Delete,
    ApproveThenDelete,
    /// Deletes, and applies the approved file that was there before.
    DeleteThenApplyOldFile,
    /// Resizes the PVC by hand, to the proposed size or another, then approves.
    ResizeThenApprove(&'static str),
}

/// The end, after the watch flows again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Resized once.
    Resized,
    /// Not resized, and nobody is asked.
    Declined,
    /// Not resized; a new question, which is answered, leads to one resize.
    AskedAgain,
    /// By hand to the proposed size: nothing is left to do.
    Already,
    /// By hand to another size: the old question never counts, and another is asked.
    AskedAnew,
}

/// The controllers that run while the watch is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    On,
    Restarted,
    Two,
    /// Two, and the watch is held from the beginning: each sees only what it has written itself.
    TwoBlind,
}

const TABLE: [(&str, Act, Run, End); 22] = [
    (APPROVALS, Act::Approve, Run::On, End::Resized),
    (APPROVALS, Act::Approve, Run::Restarted, End::Resized),
    (APPROVALS, Act::Approve, Run::Two, End::Resized),
    (APPROVALS, Act::Decline, Run::On, End::Declined),
    (APPROVALS, Act::Decline, Run::Restarted, End::Declined),
    (APPROVALS, Act::ApproveThenDecline, Run::Two, End::Declined),
    (APPROVALS, Act::ResizeThenApprove("15Gi"), Run::On, End::AskedAnew),
    (CLAIMS, Act::Approve, Run::On, End::Resized),
    (CLAIMS, Act::Approve, Run::Two, End::Resized),
    (CLAIMS, Act::ResizeThenApprove("20Gi"), Run::On, End::Already),
    (CLAIMS, Act::ResizeThenApprove("15Gi"), Run::On, End::AskedAnew),
    (CLAIMS, Act::ResizeThenApprove("15Gi"), Run::Two, End::AskedAnew),
    (JOURNALS, Act::Approve, Run::On, End::Resized),
    (JOURNALS, Act::Approve, Run::Restarted, End::Resized),
    (JOURNALS, Act::Approve, Run::Two, End::Resized),
    (JOURNALS, Act::Decline, Run::Two, End::Declined),
    (APPROVALS, Act::Approve, Run::TwoBlind, End::Resized),
    (APPROVALS, Act::Decline, Run::TwoBlind, End::Declined),
    (CLAIMS, Act::Approve, Run::TwoBlind, End::Resized),
    (JOURNALS, Act::Approve, Run::TwoBlind, End::Resized),
    (EVERYTHING, Act::Approve, Run::Restarted, End::Resized),
    (EVERYTHING, Act::Decline, Run::Two, End::Declined),
];

const FROZEN: [(&str, Act, Run, End); 7] = [
    (APPROVALS, Act::Delete, Run::On, End::AskedAgain),
    (APPROVALS, Act::Delete, Run::Two, End::AskedAgain),
    (APPROVALS, Act::ApproveThenDelete, Run::On, End::AskedAgain),
    (APPROVALS, Act::ApproveThenDelete, Run::Two, End::AskedAgain),
    (APPROVALS, Act::DeleteThenApplyOldFile, Run::On, End::AskedAgain),
    (EVERYTHING, Act::Delete, Run::On, End::AskedAgain),
    (EVERYTHING, Act::ApproveThenDelete, Run::On, End::AskedAgain),
];

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_change_nothing() -> Result<()> {
    all(&TABLE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_while_frozen() -> Result<()> {
    all(&FROZEN).await
}

async fn all(table: &[(&str, Act, Run, End)]) -> Result<()> {
    let clusters = clusters();
    let runs = table.iter().map(async |(held, act, run, end)| {
        let cluster = clusters.take().await?;
        let case = Case::new(&cluster, Path::Approved).await?;
        let result = one(&case, held, *act, *run, *end).await;
        case.finish(&format!("{held} held, {act:?}, {run:?}, {end:?}"), result).await
    });
    join_all(runs).await.into_iter().collect()
}

async fn one(case: &Case<'_>, held: &str, act: Act, run: Run, end: End) -> Result<()> {
    let proxy = &case.cluster.proxy;
    case.person(Person::Away);
    case.controllers.start()?;
    if matches!(run, Run::Two | Run::TwoBlind) {
        case.controllers.start()?;
    }
    if run == Run::TwoBlind {
        wait_for("the watches to be open", STEP, async || Ok((proxy.open_watches() >= 16).then_some(())))
            .await?;
        proxy.hold_watches(held);
    }
    case.rule().await?;
    let look = case.until("a question", |look| look.question().is_some()).await?;
    let question = look.question().cloned().context("a question")?;

    proxy.hold_watches(held);
    perform(case, act, &question).await?;
    if run == Run::Restarted {
        case.controllers.restart()?;
    }
    if held == CLAIMS && run == Run::Two && end == End::AskedAnew {
        // One has seen the new size when its resize was refused, the other has not: what one proposes the other takes
        // back, for as long as it is blind. Wasteful, not wrong.
        let refused = "ActiveActionsInProgress => Triggered";
        let superseded = |look: &Look| look.journal.items.iter().any(|i| i.message.ends_with(refused));
        case.until("the resize to be superseded", superseded).await?;
    } else {
        case.until_no_write(TWO_PASSES).await?;
    }
    if held == APPROVALS && run == Run::On && !matches!(act, Act::ResizeThenApprove(_)) {
        ensure!(case.look().await?.request() == "10Gi", "resized although nobody could see an approval");
    }
    proxy.release_watches();

    match end {
        End::Resized => {
            case.until_quiet().await?;
            case.check_once().await
        }
        End::Already => {
            case.until_quiet().await?;
            case.check(&Path::Approved.transitions(), 0, 1).await
        }
        End::Declined => {
            case.until("Declined, and told", |look| {
                look.is(RuleState::ActionsDeclined) && look.journal.told == look.journal.transitions
            })
            .await?;
            case.until_no_write(TWO_PASSES).await?;
            let [first, second, ..] = Path::Approved.transitions()[..] else { unreachable!("it is longer") };
            case.check(&[first, second, "ActionAwaitingApproval => ActiveActionsDeclined"], 0, 1).await
        }
        End::AskedAgain => {
            let old = question.metadata.uid.as_ref();
            let again = case
                .until("another question", |look| {
                    look.question().is_some_and(|q| q.metadata.uid.as_ref() != old)
                })
                .await?;
            ensure!(
                again.question().and_then(digest) != digest(&question),
                "the old digest must never count again"
            );
            ensure!(again.request() == "10Gi", "resized although the approval was deleted");
            case.person(Person::Careful);
            case.until_quiet().await?;
            let mut path = Path::Approved.transitions();
            path.splice(2..2, ["ActionAwaitingApproval => Triggered", "Triggered => ActionAwaitingApproval"]);
            case.check(&path, 1, 2).await
        }
        End::AskedAnew => {
            let anew = case
                .until("a question about 15Gi", |look| {
                    look.question().is_some()
                        && look.journal.proposal.as_ref().is_some_and(|p| p.from == "15Gi")
                })
                .await?;
            case.until_no_write(TWO_PASSES).await?;
            ensure!(anew.request() == "15Gi", "resized to {}", anew.request());
            let patched = writes::resizes(&proxy.writes());
            ensure!(patched == 0, "{patched} resizes by the controller");
            let transitions = case.transitions(&case.look().await?.journal).await?;
            ensure!(transitions.each_once(), "not each told once: {transitions:#?}");
            Ok(())
        }
    }
}

async fn perform(case: &Case<'_>, act: Act, question: &ActionApproval) -> Result<()> {
    let name = question.metadata.name.clone().context("approvals have names")?;
    let api: Api<ActionApproval> = case.api();
    let delete = async || api.delete(&name, &DeleteParams::default()).await.map(drop);
    match act {
        Act::Approve => case.answer(&name, "approved").await?,
        Act::Decline => case.answer(&name, "declined").await?,
        Act::ApproveThenDecline => {
            case.answer(&name, "approved").await?;
            case.answer(&name, "declined").await?;
        }
        Act::Delete => delete().await?,
        Act::ApproveThenDelete => {
            case.answer(&name, "approved").await?;
            delete().await?;
        }
        Act::DeleteThenApplyOldFile => {
            delete().await?;
            let mut file = ActionApproval::new(&name, question.spec.clone());
            file.spec.approval_state = Some("approved".to_owned());
            file.metadata.labels.clone_from(&question.metadata.labels);
            file.metadata.annotations.clone_from(&question.metadata.annotations);
            api.create(&PostParams::default(), &file).await?;
        }
        Act::ResizeThenApprove(size) => {
            case.resize(size).await?;
            case.answer(&name, "approved").await?;
        }
    }
    Ok(())
}
