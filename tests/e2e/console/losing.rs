//! The server goes, or says nothing: the console stays, says so, tries seldom, and is back at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use autopilot_shared::names;
use autopilot_stack::ADMIN_TOKEN;

use crate::console::Console;
use crate::gate::Gate;
use crate::scene::{ConsoleScene, NAMESPACE, RULE, waiting};

/// The time for which the server is frozen.
const FROZEN: Duration = Duration::from_secs(60);
/// Until the console must have said what is the matter.
pub(crate) const NOTICED: Duration = Duration::from_secs(30);
/// Until it must show what is new, once the server is back.
pub(crate) const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_and_a_killed_server_are_noticed_and_forgiven() -> Result<()> {
    let ConsoleScene { scene, volumes } = waiting(&["first", "second"]).await?;
    let kubeconfig = scene.cluster.kubeconfig(ADMIN_TOKEN, None)?;
    let mut console = Console::start(&kubeconfig, &[], &[])?;
    console.shows(&["live", "first"]).await?;
    // A second one, whose connections are counted.
    let gate = Gate::before(scene.cluster.url()).await?;
    let mut counted = Console::start(&scene.cluster.kubeconfig(ADMIN_TOKEN, Some(gate.url()))?, &[], &[])?;
    counted.shows(&["live", "first"]).await?;

    let frozen = Instant::now();
    scene.cluster.freeze_apiserver().await?;
    console.shows_within(&["stale for", "first"], NOTICED).await?;
    // Old data wants a word more.
    console.asks("a", "Approve this?").await?;
    console.shows(&["The connection is lost", "type the old"]).await?;
    console.keys("\u{1b}").await?;
    counted.shows_within(&["stale for", "first"], NOTICED).await?;
    // All of the minute, calm and dim; the rows stay.
    let minute = |screen: &str| screen.contains("stale for 1m") && frozen.elapsed() >= FROZEN;
    console.until("a frozen minute", 2 * FROZEN, minute).await?;
    counted.until("a frozen minute", 2 * FROZEN, minute).await?;
    gate.calm(frozen)?;
    scene.cluster.thaw_apiserver().await?;
    console.shows_within(&["live"], BACK).await?;
    counted.shows_within(&["live"], BACK).await?;
    // And what is new since shows: the watches are not those of then.
    scene.answer(NAMESPACE, &names::approval_name(RULE, &volumes[1]), "declined").await?;
    console.shows_line(&["second", "declined"], BACK).await?;
    counted.shows_line(&["second", "declined"], BACK).await?;

    scene.cluster.stop_apiserver().await;
    let killed = Instant::now();
    console.shows_within(&["stale for", "Connection refused"], NOTICED).await?;
    counted.shows_within(&["stale for", "first"], NOTICED).await?;
    ensure!(gate.came(killed) > 0, "nobody tried");
    gate.calm(killed)?;
    scene.cluster.start_apiserver().await?;
    scene.answer(NAMESPACE, &names::approval_name(RULE, &volumes[0]), "declined").await?;
    for back in [&console, &counted] {
        back.shows_within(&["live"], BACK).await?;
        back.shows_line(&["first", "declined"], BACK).await?;
    }
    ensure!(console.runs()? && counted.runs()?);
    Ok(())
}
