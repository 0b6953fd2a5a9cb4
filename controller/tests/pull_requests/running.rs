//! The task that runs the worker, in virtual time: what it sees, what it does, how it ends.

use std::time::Duration;

use autopilot_controller::pull_requests::run::{ApprovalEvent, work};
use autopilot_controller::pull_requests::tracker::{Figures, Tracker};
use autopilot_controller::pull_requests::worker::Worker;
use autopilot_shared::api::PullRequestState;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::fake_forge::REPOSITORY;
use crate::scene::ForgeScene;

#[test]
fn the_task_follows_the_watch_and_the_settings_and_ends_when_told() {
    let mut scene = ForgeScene::new();
    scene.propose("a");
    let virtual_time = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    virtual_time.unwrap().block_on(follow(&mut scene));
}

async fn follow(scene: &mut ForgeScene) {
    let start = scene.now();
    let began = tokio::time::Instant::now();
    let forge = scene.forge.clone();
    let clock = {
        let forge = forge.clone();
        move || -> Timestamp {
            let now = start + SignedDuration::try_from(began.elapsed()).unwrap();
            forge.state().now = now;
            now
        }
    };
    let (out, seen) = mpsc::channel(16);
    let (settings, changes) = watch::channel(scene.settings.clone());
    let (figures, mut told) = watch::channel(Figures::default());
    let stop = CancellationToken::new();
    let tracker = Tracker::new(scene.settings.clone(), REPOSITORY.to_owned(), "cluster-uid".to_owned());
    let worker = Worker { tracker, forge: forge.clone(), cluster: scene.cluster.clone() };
    let tell = move |now: Figures| {
        let _ = figures.send_replace(now);
    };
    let task = tokio::spawn(work(worker, seen, changes, tell, clock, stop.clone()));
    out.send(ApprovalEvent::ListBegins).await.unwrap();
    out.send(ApprovalEvent::Applied(Box::new(scene.get("a").unwrap()))).await.unwrap();
    out.send(ApprovalEvent::ListEnds).await.unwrap();
    let opened = told.wait_for(|now| now.open == 1);
    tokio::time::timeout(Duration::from_secs(60), opened).await.unwrap().unwrap();
    assert_eq!(forge.last().state, autopilot_controller::pull_requests::PullState::Open);

    let mut other = scene.settings.clone();
    other.max_open = 1;
    settings.send(other).unwrap();
    scene.propose("b");
    out.send(ApprovalEvent::Applied(Box::new(scene.get("b").unwrap()))).await.unwrap();
    let waits = told.wait_for(|now| now.waiting == 1);
    tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap().unwrap();
    // The watch is late: what was written is known without it.
    let noted = scene.get("a").unwrap().raw.status.unwrap().pull_request.unwrap();
    assert_eq!(noted.state, PullRequestState::Open);

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
}
