//! The right to approve: every case of [`table::TABLE`] on a real API server, all side by side.

mod case;
mod flux;
mod given;
mod stubborn;
mod table;
mod writers;

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::Outcome;
use autopilot_tests::{Scene, SceneOptions};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use case::{Case, ClusterSnapshot, NAMESPACE, until};
use given::{AT_ONCE, HOLDER, RULE, answer, bring_about, cases_with_full_volumes, merge_all, suspend, those};
use table::{Must, Onto};
use writers::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_acts_exactly_where_it_names_the_open_question() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    given::rules(&scene).await?;
    let mut cases = cases_with_full_volumes(&scene, |_| true).await?;
    scene.controller_without_lease().await?;

    // Given a question that was asked twice: the first approval was deleted.
    given::questions_asked_twice(&scene, &mut cases).await?;

    // … and, but for the first column, an end to it.
    bring_about(&scene, &mut cases).await?;

    // When each writer brings its file …
    let written: Vec<(Case, Answer)> = futures::stream::iter(cases.clone())
        .map(async |case| Ok::<_, anyhow::Error>((case.clone(), case.writer.write(&scene, &case).await?)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for (case, answer) in &written {
        let expected = match case.must {
            Must::Refused => Answer::Refused,
            Must::NotFound => Answer::NotFound,
            _ => Answer::Written,
        };
        ensure!(*answer == expected, "{case}: {answer:?}");
    }

    // … then it acts where it names the open question, …
    until(&scene, "what must follow from each write", &cases, ClusterSnapshot::as_it_must).await?;

    // … a stale file has not spoilt the question, …
    let stale: Vec<Case> = those(&cases, |c| c.onto == Onto::Pending && c.must == Must::Inert);
    answer(&scene, &stale, "approved").await?;
    let resized = |s: &ClusterSnapshot, c: &Case| {
        s.latched(c, Outcome::Approved, "kubectl")?;
        s.is(c, "20Gi", RuleState::ActiveActionsTaken)
    };
    until(&scene, "the questions that stale files were brought to, answered", &stale, resized).await?;

    // … and what was decided before stays so, after a restart too. (Their writes came before the answers just now, by the
    // same watch: the controller has seen them.)
    let rest: Vec<Case> = those(&cases, |c| !stale.iter().any(|s| s.claim == c.claim));
    until(&scene, "nothing else, seen by the same controller", &rest, ClusterSnapshot::as_it_must).await?;
    scene.running()?.sigterm()?;
    let ended = scene.running()?.wait(std::time::Duration::from_secs(20)).await?;
    ensure!(ended.success(), "the first controller ended with {ended}");
    scene.controller_without_lease().await?;
    let canary = scene.claim(NAMESPACE, "canary", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&canary, 9.0, 10.0);
    let question = scene.until_pending(NAMESPACE, RULE, &canary).await?;
    scene.answer(NAMESPACE, question.metadata.name.as_deref().unwrap_or_default(), "approved").await?;
    scene.until_request(NAMESPACE, "canary", "20Gi").await?;
    until(&scene, "nothing else, seen by the next controller", &rest, ClusterSnapshot::as_it_must).await?;

    // What is asked next is a question of its own: nothing that lies about answers it.
    suspend(&scene, Value::Null).await?;
    let (canceled, absent) =
        (those(&cases, |c| c.onto == Onto::Canceled), those(&cases, |c| c.onto == Onto::Absent));
    let held = those(&canceled, |c| c.must != Must::Gone);
    for case in &absent {
        scene.usage(&case.volume, 9.0, 10.0);
    }
    until(&scene, "the next proposals, behind approvals that are being deleted", &held, |s, c| {
        s.is(c, "10Gi", RuleState::Triggered)
    })
    .await?;
    merge_all(&scene, &held, HOLDER, &json!({ "metadata": { "finalizers": null } })).await?;
    until(&scene, "new questions", &[canceled, absent].concat(), ClusterSnapshot::asks_anew).await?;

    // In all this, no volume asked for anything but what was approved, once.
    for case in &cases {
        let approved = case.must == Must::Resize
            || case.onto == Onto::Executed
            || stale.iter().any(|s| s.claim == case.claim);
        let sizes = scene.csi.requests(NAMESPACE, &case.claim);
        let expected: &[&str] = if approved { &["10Gi", "20Gi"] } else { &["10Gi"] };
        ensure!(sizes == expected, "{case}: its sizes were {sizes:?}");
    }
    Ok(())
}
