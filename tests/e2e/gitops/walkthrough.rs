//! What `make walkthrough-gitops` prints.

use anyhow::Result;
use autopilot_tests::walkthrough::{Pace, tell_pulls};

#[tokio::test]
async fn the_walk_through_is_as_it_should_be() -> Result<()> {
    tell_pulls(Pace::FLUX).await
}
