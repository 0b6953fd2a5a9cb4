//! The task that runs the desk, in virtual time: what it sees, what it does, how it ends.

use std::time::Duration;

use autopilot_controller::pull_requests::run::{Seen, work};
use autopilot_controller::pull_requests::tracker::{Books, Figures};
use autopilot_controller::pull_requests::worker::Desk;
use autopilot_shared::api::PullRequestState;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::fake_forge::REPOSITORY;
use crate::scene::World;

#[test]
fn the_task_follows_the_watch_and_the_settings_and_ends_when_told() {
    let mut world = World::new();
    world.propose("a");
    let virtual_time = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    virtual_time.unwrap().block_on(follow(&mut world));
}

async fn follow(world: &mut World) {
    let start = world.now();
    let began = tokio::time::Instant::now();
    let hub = world.hub.clone();
    let clock = {
        let hub = hub.clone();
        move || -> Timestamp {
            let now = start + SignedDuration::try_from(began.elapsed()).unwrap();
            hub.state().now = now;
            now
        }
    };
    let (out, seen) = mpsc::channel(16);
    let (settings, changes) = watch::channel(world.settings.clone());
    let (figures, mut told) = watch::channel(Figures::default());
    let stop = CancellationToken::new();
    let books = Books::new(world.settings.clone(), REPOSITORY.to_owned(), "cluster-uid".to_owned());
    let desk = Desk { books, forge: hub.clone(), cluster: world.cube.clone() };
    let tell = move |now: Figures| {
        let _ = figures.send_replace(now);
    };
    let task = tokio::spawn(work(desk, seen, changes, tell, clock, stop.clone()));
    out.send(Seen::Start).await.unwrap();
    out.send(Seen::Is(Box::new(world.get("a").unwrap()))).await.unwrap();
    out.send(Seen::Done).await.unwrap();
    let opened = told.wait_for(|now| now.open == 1);
    tokio::time::timeout(Duration::from_secs(60), opened).await.unwrap().unwrap();
    assert_eq!(hub.last().state, autopilot_controller::pull_requests::PullState::Open);

    let mut other = world.settings.clone();
    other.max_open = 1;
    settings.send(other).unwrap();
    world.propose("b");
    out.send(Seen::Is(Box::new(world.get("b").unwrap()))).await.unwrap();
    let waits = told.wait_for(|now| now.waiting == 1);
    tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap().unwrap();
    // The watch is late: what was written is known without it.
    let noted = world.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!(noted.state, PullRequestState::Open);

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
}
