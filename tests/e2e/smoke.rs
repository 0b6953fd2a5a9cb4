//! The thinnest path through all real parts.

use anyhow::Result;
use autopilot_shared::RuleState;
use autopilot_tests::{RuleText, Scene, SceneOptions};

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_proposal_resizes_once() -> Result<()> {
    let mut scene = Scene::start(SceneOptions::default()).await?;
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    let volume = scene.claim("pg1", "pgbench-data", "10Gi", &[("app", "postgres")]).await?;
    scene.usage(&volume, 6.0, 10.0);
    scene.controller().await?;
    scene.cluster.apply(&RuleText::new("volume-resize").text()).await?;
    let approval = scene.until_pending("pg1", "volume-resize", &volume).await?;
    scene.answer("pg1", approval.metadata.name.as_deref().unwrap(), "approved").await?;
    scene.until_request("pg1", "pgbench-data", "20Gi").await?;
    scene.usage(&volume, 6.0, 20.0);
    scene.until_state("pg1", "volume-resize", &volume, RuleState::Normal).await?;
    println!("{:#?}", scene.path("volume-resize", &volume).await?);
    println!("{}", scene.running()?.log());
    Ok(())
}
