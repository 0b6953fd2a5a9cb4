//! The walk-through of `make walkthrough-gitops`.

use anyhow::Result;
use autopilot_tests::walkthrough::{Pace, play_gitops};

#[tokio::test]
async fn the_walk_through_is_as_it_should_be() -> Result<()> {
    play_gitops(Pace::FLUX).await
}
