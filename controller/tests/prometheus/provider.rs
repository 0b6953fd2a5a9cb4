//! Many queries at one provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use autopilot_controller::prometheus::provider::{AT_ONCE, SLOW_AT_ONCE};
use autopilot_controller::prometheus::{Answer, Provider, QueryError};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::server::{ONE, at, client, response, server};

type Told = (String, Result<Answer, QueryError>);

/// Asks all of these at once, in this order.
fn ask(provider: &Arc<Provider>, queries: impl IntoIterator<Item = String>) -> JoinSet<Told> {
    let mut set = JoinSet::new();
    for query in queries {
        let provider = provider.clone();
        set.spawn(async move {
            let result = provider.ask(&query, at()).await;
            (query, result)
        });
    }
    set
}

fn named(word: &str, range: std::ops::Range<usize>) -> impl Iterator<Item = String> + use<> {
    let word = word.to_owned();
    range.map(move |i| format!("{word}{i}"))
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
    let provider = Arc::new(Provider::new(client(&url)));
    let told = ask(&provider, named("q", 0..40)).join_all().await;
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|(_, result)| result.is_ok()));
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
    let provider = Arc::new(Provider::new(client(&url)));
    let told = ask(&provider, named("slow", 0..20)).join_all().await;
    assert!(told.iter().all(|(_, result)| result.as_ref().is_err_and(|e| e.reason() == "TimedOut")));
    stuck.store(true, Ordering::SeqCst);
    log.lock().unwrap().clear();
    // When they come before twenty others.
    let mut told = ask(&provider, named("slow", 0..20).chain(named("other", 0..20)));
    // Then all others are told, though no slow one ever is.
    for _ in 0..20 {
        let (query, result) = told.join_next().await.unwrap().unwrap();
        assert!(query.starts_with("other") && result.is_ok(), "{query}: {result:?}");
    }
    let queries: Vec<String> = log.lock().unwrap().iter().map(|seen| seen.form["query"].clone()).collect();
    let asked = queries.iter().filter(|query| query.starts_with("slow")).count();
    assert!(asked <= SLOW_AT_ONCE, "{queries:?}");

    // And when the server is well again, so are they.
    drop(told);
    stuck.store(false, Ordering::SeqCst);
    assert_eq!(ask(&provider, named("slow", 0..20)).join_all().await.len(), 20);
}
