//! A file in git that nobody removes: the GitOps tool puts it back after every reset.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::names;
use autopilot_tests::{RuleText, Scene, SceneOptions};
use jiff::Timestamp;

use crate::case::{Case, ClusterSnapshot, NAMESPACE};
use crate::given::RULE;
use crate::table::{File, Must, Onto, Writer};

/// Returns when the controller set a stale approval back to pending, as its log says.
fn resets(scene: &Scene) -> Result<Vec<Timestamp>> {
    let log = scene.running()?.log();
    let lines = log.lines().filter(|line| line.contains("a stale approval is set back to pending"));
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line)?;
            Ok(line["timestamp"].as_str().context("a time")?.parse()?)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_file_that_is_put_back_again_and_again_never_acts_and_is_set_back_ever_more_seldom()
-> Result<()> {
    // Given an open question, and a file without its digest.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    scene.cluster.namespace(NAMESPACE, &[("type", "db")]).await?;
    scene.cluster.apply(&RuleText::new(RULE).text()).await?;
    scene.controller_without_lease().await?;
    let volume = scene.claim(NAMESPACE, "data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 9.0, 10.0);
    scene.until_pending(NAMESPACE, RULE, &volume).await?;
    let mut case = Case {
        writer: Writer::Flux,
        file: File::Bare,
        onto: Onto::Pending,
        must: Must::Inert,
        claim: "data".to_owned(),
        rule: RULE,
        approval: names::approval_name(RULE, &volume),
        volume,
        old: String::new(),
        current: String::new(),
        before: None,
    };
    case.current = ClusterSnapshot::look(&scene).await?.question(&case)?.to_owned();

    // When it is put back whenever it was set back,
    let times = scene
        .until("three resets", async || {
            if ClusterSnapshot::look(&scene).await?.question(&case).is_ok() {
                case.writer.write(&scene, &case).await?;
            }
            let times = resets(&scene)?;
            Ok((times.len() >= 3).then_some(times))
        })
        .await?;

    // then the pauses grow: 2 s doubled each time, counted from when the approval became stale, which is before the last
    // reset where the file came back faster than its being gone was noted (and a condition's time is cut to the second);
    let pauses: Vec<f64> =
        times.iter().zip(&times[1..]).map(|(a, b)| b.duration_since(*a).as_secs_f64()).collect();
    ensure!(pauses[0] >= 1.0 && pauses[1] >= 3.0, "{pauses:?}");
    // nothing was done, and when the file is gone the question stands, and is answered.
    let name = case.approval.clone();
    let snapshot = scene
        .until("the question stands", async || {
            let snapshot = ClusterSnapshot::look(&scene).await?;
            Ok(snapshot.question(&case).is_ok().then_some(snapshot))
        })
        .await?;
    snapshot.as_it_must(&case)?;
    scene.answer(NAMESPACE, &name, "approved").await?;
    scene.until_request(NAMESPACE, "data", "20Gi").await?;
    ensure!(scene.csi.requests(NAMESPACE, "data") == ["10Gi", "20Gi"]);
    Ok(())
}
