//! Many queries in one pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use autopilot_controller::query::pass::{AT_ONCE, Providers, SLOW_AT_ONCE};
use autopilot_controller::query::{Ask, Provider, Told, ask_all};
use tokio::sync::{Notify, mpsc};

use crate::server::{ONE, at, client, fixed, response, server};

fn ask(provider: &str, query: impl Into<String>) -> Ask {
    Ask {
        provider: provider.into(),
        query: query.into().into(),
    }
}

fn providers(url: &str) -> Arc<Providers> {
    Arc::new(Providers::from([(
        "p".into(),
        Arc::new(Provider::new(client(url))),
    )]))
}

/// Starts a pass; its results arrive at the receiver.
fn pass(providers: &Arc<Providers>, wanted: Vec<(usize, Ask)>) -> mpsc::Receiver<Told<usize>> {
    let (out, told) = mpsc::channel(1);
    let providers = providers.clone();
    tokio::spawn(async move { ask_all(&providers, wanted, at(), out).await });
    told
}

async fn all(mut told: mpsc::Receiver<Told<usize>>) -> Vec<Told<usize>> {
    let mut list = Vec::new();
    while let Some(one) = told.recv().await {
        list.push(one);
    }
    list.sort_by_key(|one| one.keys[0]);
    list
}

#[tokio::test]
async fn identical_queries_are_asked_once_at_one_time_and_all_are_told() {
    let (url, log) = fixed(200, ONE).await;
    let wanted = vec![
        (0, ask("p", "a")),
        (1, ask("p", "b")),
        (2, ask("p", "a")),
        (3, ask("nobody", "a")),
    ];
    let told = all(pass(&providers(&url), wanted)).await;
    assert_eq!(
        told.iter().map(|t| &t.keys[..]).collect::<Vec<_>>(),
        [&[0, 2][..], &[1], &[3]]
    );
    assert!(told[0].result.is_ok() && told[1].result.is_ok());
    let error = told[2].result.as_ref().unwrap_err();
    assert_eq!((error.reason(), error.is_rules_fault()), ("NoProvider", true));
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 2);
    assert!(
        log.iter().all(|seen| seen.form["time"] == "1700000000.120"),
        "{log:?}"
    );
}

#[tokio::test]
async fn at_most_eight_are_under_way() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (full, peak) = (Arc::new(Notify::new()), most.clone());
    let (url, _) = server(move |_| {
        let (now, most, full) = (now.clone(), most.clone(), full.clone());
        Box::pin(async move {
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            // Nobody is answered before eight wait; a ninth would be counted.
            if most.fetch_max(count, Ordering::SeqCst).max(count) < AT_ONCE {
                full.notified().await;
            }
            full.notify_one();
            now.fetch_sub(1, Ordering::SeqCst);
            response(200, ONE)
        })
    })
    .await;
    let told = all(pass(
        &providers(&url),
        (0..40).map(|i| (i, ask("p", format!("q{i}")))).collect(),
    ))
    .await;
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|one| one.result.is_ok()));
    assert_eq!(peak.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn queries_that_were_slow_last_time_do_not_delay_the_others() {
    // Given twenty queries that the server gave up on in one pass, and that it never answers in the next.
    let late = r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let stuck = Arc::new(AtomicBool::new(false));
    let never = stuck.clone();
    let (url, log) = server(move |seen| {
        let never = never.load(Ordering::SeqCst);
        Box::pin(async move {
            match seen.form["query"].starts_with("slow") {
                true if never => std::future::pending().await,
                true => response(503, late),
                false => response(200, ONE),
            }
        })
    })
    .await;
    let providers = providers(&url);
    let slow = (0..20).map(|i| (i, ask("p", format!("slow{i}"))));
    let told = all(pass(&providers, slow.clone().collect())).await;
    assert!(
        told.iter()
            .all(|one| one.result.as_ref().unwrap_err().reason() == "TimedOut")
    );
    stuck.store(true, Ordering::SeqCst);
    log.lock().unwrap().clear();
    // When they come before twenty others.
    let others = (20..40).map(|i| (i, ask("p", format!("other{i}"))));
    let mut told = pass(&providers, slow.clone().chain(others).collect());
    // Then all others are told, though no slow one ever is.
    for _ in 0..20 {
        let one = told.recv().await.unwrap();
        assert!(one.keys[0] >= 20 && one.result.is_ok(), "{one:?}");
    }
    let queries: Vec<String> = log
        .lock()
        .unwrap()
        .iter()
        .map(|seen| seen.form["query"].clone())
        .collect();
    let asked = queries.iter().filter(|query| query.starts_with("slow")).count();
    assert!(asked <= SLOW_AT_ONCE, "{queries:?}");

    // And when the server is well again, so are they.
    drop(told);
    stuck.store(false, Ordering::SeqCst);
    assert_eq!(all(pass(&providers, slow.collect())).await.len(), 20);
}
