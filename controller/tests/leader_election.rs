//! Candidates against a lease API that enforces resourceVersions, in virtual time and without a socket: an
//! axum router is the `tower` service under `kube::Client`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_controller::leader_election::{Claim, Lease, Loss, Settings};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use k8s_openapi::api::coordination::v1::Lease as Object;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// The server's only namespace of leases.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Leases>>);

#[derive(Default)]
struct Leases {
    object: Option<Object>,
    version: u64,
    writes: u32,
    reads: u32,
    /// The names of the wires on which nothing is answered any more.
    frozen: Vec<&'static str>,
    /// The next write lands, and its answer is lost.
    lose_next_answer: bool,
}

#[derive(Clone)]
struct Wire {
    server: Server,
    name: &'static str,
}

impl Server {
    /// A client on a wire of its own, which can be frozen by its name.
    fn client(&self, name: &'static str) -> kube::Client {
        let wire = Wire { server: self.clone(), name };
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        let router = axum::Router::new()
            .route(leases, post(create))
            .route(&format!("{leases}/{{name}}"), get(read).put(replace))
            .with_state(wire);
        kube::Client::new(router, "kube-system")
    }

    fn candidate(&self, name: &'static str) -> Lease {
        Lease::new(self.client(name), "kube-system", "autopilot", name, Settings::default())
    }

    fn set<T>(&self, change: impl FnOnce(&mut Leases) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn freeze(&self, wire: &'static str) {
        self.set(|leases| leases.frozen.push(wire));
    }

    fn holder(&self) -> Option<String> {
        self.set(|leases| leases.object.clone()?.spec?.holder_identity)
    }

    /// Somebody else writes the lease, as it is.
    fn write_as(&self, holder: &str) {
        self.set(|leases| {
            let mut object = leases.object.clone().unwrap_or_default();
            let spec = object.spec.get_or_insert_default();
            spec.holder_identity = Some(holder.to_owned());
            spec.lease_duration_seconds = Some(15);
            leases.store(object);
        });
    }
}

impl Leases {
    fn store(&mut self, mut object: Object) -> Object {
        self.version += 1;
        object.metadata.resource_version = Some(self.version.to_string());
        self.object = Some(object.clone());
        object
    }
}

fn answered(code: StatusCode, body: &impl serde::Serialize) -> Response {
    (code, serde_json::to_vec(body).unwrap()).into_response()
}

fn refused(code: u16, reason: &str) -> Response {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason,
        "message": format!("{reason}: leases \"autopilot\"") });
    answered(StatusCode::from_u16(code).unwrap(), &status)
}

impl Wire {
    /// One call under the server's lock; a frozen wire never answers.
    async fn answer(&self, writes: bool, call: impl FnOnce(&mut Leases) -> Response) -> Response {
        let answer = self.server.set(|leases| {
            if leases.frozen.contains(&self.name) {
                return None;
            }
            match writes {
                true => leases.writes += 1,
                false => leases.reads += 1,
            }
            let answer = call(leases);
            let lost = writes && std::mem::take(&mut leases.lose_next_answer);
            (!lost).then_some(answer)
        });
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

async fn read(State(wire): State<Wire>, Path(name): Path<String>) -> Response {
    assert_eq!(name, "autopilot");
    wire.answer(false, |leases| match &leases.object {
        Some(object) => answered(StatusCode::OK, object),
        None => refused(404, "NotFound"),
    })
    .await
}

async fn create(State(wire): State<Wire>, body: Bytes) -> Response {
    let object: Object = serde_json::from_slice(&body).unwrap();
    assert_eq!(object.metadata.name.as_deref(), Some("autopilot"));
    wire.answer(true, |leases| match leases.object {
        Some(_) => refused(409, "AlreadyExists"),
        None => answered(StatusCode::CREATED, &leases.store(object)),
    })
    .await
}

async fn replace(State(wire): State<Wire>, body: Bytes) -> Response {
    let object: Object = serde_json::from_slice(&body).unwrap();
    assert!(object.metadata.resource_version.is_some(), "a lease is never written without a resourceVersion");
    wire.answer(true, |leases| match &leases.object {
        None => refused(404, "NotFound"),
        Some(old) if old.metadata.resource_version != object.metadata.resource_version => {
            refused(409, "Conflict")
        }
        Some(_) => answered(StatusCode::OK, &leases.store(object)),
    })
    .await
}

/// Waits until the lease is ours. Fails if it was and is lost: then it does not come back.
async fn acquired(lease: &Lease) -> Result<(), Loss> {
    match lease.claim().wait_for(|claim| !matches!(claim, Claim::Waiting(_))).await {
        Ok(claim) => match &*claim {
            Claim::Lost(loss) => Err(loss.clone()),
            _ => Ok(()),
        },
        Err(_) => Err(Loss::Ended),
    }
}

/// Fails when a candidate does not get the lease within `limit`; tells how long it took.
async fn acquires(lease: &mut Lease, limit: Duration) -> Duration {
    let start = Instant::now();
    timeout(limit, acquired(lease)).await.expect("the lease in time").expect("not lost");
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_creates_the_lease_and_at_rest_writes_once_in_two_seconds() {
    let server = Server::default();
    let mut lease = server.candidate("a");
    assert_eq!(acquires(&mut lease, SECOND).await, Duration::ZERO);
    assert_eq!(server.holder().as_deref(), Some("a"));
    let before = server.set(|leases| (leases.writes, leases.reads));
    sleep(Duration::from_millis(20_100)).await;
    let after = server.set(|leases| (leases.writes, leases.reads));
    assert_eq!((after.0 - before.0, after.1 - before.1), (10, 0));
    assert!(lease.claim().borrow().is_held());
}

#[tokio::test(start_paused = true)]
async fn of_many_candidates_that_start_at_once_exactly_one_holds_and_the_others_only_read() {
    let server = Server::default();
    let names = ["a", "b", "c", "d", "e"];
    let leases: Vec<Lease> = names.into_iter().map(|name| server.candidate(name)).collect();
    for _ in 0..60 {
        sleep(SECOND).await;
        let held: Vec<&str> = names
            .into_iter()
            .zip(&leases)
            .filter(|(_, lease)| lease.claim().borrow().is_held())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(server.holder().as_deref(), Some(held[0]));
    }
    let transitions = server.set(|leases| leases.object.clone().unwrap().spec.unwrap().lease_transitions);
    assert_eq!(transitions, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_is_followed_when_its_lease_has_expired_and_not_before() {
    let server = Server::default();
    let mut first = server.candidate("a");
    acquires(&mut first, SECOND).await;
    let mut second = server.candidate("b");
    sleep(30 * SECOND).await;
    assert_eq!(*second.claim().borrow(), Claim::Waiting(Some("a".to_owned())));
    drop(first);
    let took = acquires(&mut second, 20 * SECOND).await;
    // The last renewal was up to two seconds before the death, and was seen up to two seconds later.
    assert!((13 * SECOND..=17 * SECOND).contains(&took), "{took:?}");
    assert_eq!(server.holder().as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_the_next_look() {
    let server = Server::default();
    let mut first = server.candidate("a");
    acquires(&mut first, SECOND).await;
    let mut second = server.candidate("b");
    sleep(7 * SECOND).await;
    let lost = first.lost();
    first.release().await.unwrap();
    assert_eq!(server.holder(), None);
    assert_eq!(lost.await, Loss::Ended);
    assert!(acquires(&mut second, 3 * SECOND).await <= 2 * SECOND);
    second.release().await.unwrap();
    let transitions = server.set(|leases| leases.object.clone().unwrap().spec.unwrap().lease_transitions);
    assert_eq!(transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_ends_takes_nothing_from_the_holder() {
    let server = Server::default();
    let mut holder = server.candidate("a");
    acquires(&mut holder, SECOND).await;
    let follower = server.candidate("b");
    sleep(5 * SECOND).await;
    follower.release().await.unwrap();
    assert_eq!(server.holder().as_deref(), Some("a"));
    sleep(20 * SECOND).await;
    assert!(holder.claim().borrow().is_held());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_conflicts_with_another_holder_loses_at_once_and_for_good() {
    let server = Server::default();
    let mut lease = server.candidate("a");
    acquires(&mut lease, SECOND).await;
    server.write_as("thief");
    let start = Instant::now();
    assert_eq!(lease.lost().await, Loss::Taken("thief".to_owned()));
    assert!(start.elapsed() <= 2 * SECOND);
    assert_eq!(acquired(&lease).await, Err(Loss::Taken("thief".to_owned())));
    sleep(60 * SECOND).await;
    lease.release().await.unwrap();
    assert_eq!(server.holder().as_deref(), Some("thief"));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_or_that_meets_a_label_keeps_the_lease() {
    let server = Server::default();
    let mut lease = server.candidate("a");
    acquires(&mut lease, SECOND).await;
    server.set(|leases| leases.lose_next_answer = true);
    sleep(12 * SECOND).await;
    assert!(lease.claim().borrow().is_held());
    server.write_as("a");
    sleep(12 * SECOND).await;
    assert!(lease.claim().borrow().is_held());
    server.set(|leases| leases.object = None);
    sleep(12 * SECOND).await;
    assert!(lease.claim().borrow().is_held());
    assert_eq!(server.holder().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_costs_the_lease_within_the_renew_deadline() {
    let server = Server::default();
    let mut lease = server.candidate("a");
    acquires(&mut lease, SECOND).await;
    sleep(20 * SECOND + SECOND / 2).await;
    server.freeze("a");
    let start = Instant::now();
    assert_eq!(lease.lost().await, Loss::NotRenewed(10 * SECOND));
    assert_eq!(start.elapsed(), 10 * SECOND - SECOND / 2);
    // Nothing to give back, and nobody to wait for.
    lease.release().await.unwrap();
    assert_eq!(start.elapsed(), 10 * SECOND - SECOND / 2);
}

#[tokio::test(start_paused = true)]
async fn releasing_into_a_frozen_server_ends_after_two_seconds() {
    let server = Server::default();
    let mut lease = server.candidate("a");
    acquires(&mut lease, SECOND).await;
    server.freeze("a");
    let start = Instant::now();
    assert!(lease.release().await.unwrap_err().to_string().contains("no answer within 2s"));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_cut_off_stops_before_another_starts_and_no_two_ever_hold() {
    for cut_after in [0, 300, 1_900, 2_000, 2_100, 3_700] {
        let server = Server::default();
        let mut first = server.candidate("a");
        acquires(&mut first, SECOND).await;
        let second = server.candidate("b");
        sleep(Duration::from_millis(10_000 + cut_after)).await;
        server.freeze("a");
        let (mut stopped, mut started) = (None, None);
        let start = Instant::now();
        while started.is_none() {
            sleep(Duration::from_millis(50)).await;
            let (one, other) = (first.claim().borrow().is_held(), second.claim().borrow().is_held());
            assert!(!(one && other), "two hold at once, cut after {cut_after} ms");
            if !one {
                stopped.get_or_insert(start.elapsed());
            }
            if other {
                started = Some(start.elapsed());
            }
            assert!(start.elapsed() < 30 * SECOND, "nobody took over");
        }
        let gap = started.unwrap() - stopped.unwrap();
        assert!(gap >= 4 * SECOND, "{gap:?}, cut after {cut_after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_at_the_start_is_waited_for() {
    let server = Server::default();
    server.freeze("a");
    let mut lease = server.candidate("a");
    assert!(timeout(60 * SECOND, acquired(&lease)).await.is_err());
    server.set(|leases| leases.frozen.clear());
    assert!(acquires(&mut lease, 10 * SECOND).await <= 7 * SECOND);
}
