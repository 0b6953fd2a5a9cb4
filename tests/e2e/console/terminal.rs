//! The terminal is given back, whatever ends the console; and any size will do.

use anyhow::{Result, ensure};
use autopilot_stack::TempDir;
use rustix::process::Signal;

use crate::console::Console;

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_given_back() -> Result<()> {
    let nowhere = TempDir::new("nowhere")?;
    let kubeconfig = nowhere.join("none");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut console = Console::start(&kubeconfig, &[], &[])?;
        console.shows(&["no cluster"]).await?;
        ensure!(!console.given_back()?);
        console.signal(signal)?;
        console.ends().await?;
        console.until_given_back().await?;
    }
    let mut console = Console::start(&kubeconfig, &[], &[])?;
    console.shows(&["no cluster"]).await?;
    console.keys("q").await?;
    ensure!(console.ends().await?.success());
    console.until_given_back().await?;

    let mut console = Console::start(&kubeconfig, &[], &[("AUTOPILOT_PANIC", "1")])?;
    console.shows(&["no cluster"]).await?;
    console.keys("!").await?;
    ensure!(!console.ends().await?.success());
    console.shows(&["asked for"]).await?;
    console.until_given_back().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_sizes_leaves_a_whole_screen() -> Result<()> {
    let nowhere = TempDir::new("nowhere")?;
    let mut console = Console::start(&nowhere.join("none"), &[], &[])?;
    console.shows(&["no cluster"]).await?;
    for n in 0..60_u16 {
        console.resize(20 + (n * 37) % 200, 5 + (n * 13) % 60)?;
    }
    console.resize(60, 16)?;
    console.shows(&["no cluster", "1 Approvals"]).await?;
    console.resize(120, 40)?;
    console.shows(&["no cluster", "? help"]).await?;
    ensure!(console.runs()?);
    Ok(())
}
