//! The console in a pseudo terminal against the real kube-apiserver with the real controller. What is asserted is the
//! cluster's state, and what stands on the screen.

mod bytes;
mod command_line;
mod console;
mod deciding;
mod gate;
mod hostile;
mod losing;
mod outages;
mod pull_requests;
mod scene;
mod terminal;
mod typing;

use autopilot_tests::install;

/// On one cluster with approvals that are written by hand, side by side.
#[tokio::test(flavor = "multi_thread")]
async fn strange_text_is_only_text() -> anyhow::Result<()> {
    let cluster = scene::bare().await?;
    install::crds(&cluster).await?;
    tokio::try_join!(
        hostile::stays_text(&cluster),
        typing::pasting_confirms_nothing(&cluster),
        typing::wide_names_keep_the_columns(&cluster),
    )?;
    Ok(())
}
