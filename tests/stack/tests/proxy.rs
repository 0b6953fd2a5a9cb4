//! The fault proxy in front of a real API server and of a Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::process::Spec;
use autopilot_stack::{
    Action, Cluster, ClusterOptions, FaultProxy, KillWhen, Match, Process, Refusal, StubAnswer,
    StubPrometheus, TempDir, fetch, wait_for,
};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};

const LIMIT: Duration = Duration::from_secs(20);

struct ProxyScene {
    proxy: FaultProxy,
    /// Through the proxy.
    maps: Api<ConfigMap>,
    /// Past the proxy.
    truth: Api<ConfigMap>,
    client: Client,
    _cluster: Cluster,
}

impl ProxyScene {
    async fn start() -> Result<Self> {
        let options = ClusterOptions::without_binder();
        let cluster = Cluster::start(options).await?;
        let proxy = FaultProxy::to_cluster(&cluster)?;
        let client = cluster.client_via(ADMIN_TOKEN, Some(&proxy.url())).await?;
        let truth = Api::namespaced(cluster.admin_client().await?, "default");
        let maps = Api::namespaced(client.clone(), "default");
        Ok(Self { proxy, maps, truth, client, _cluster: cluster })
    }

    async fn create(&self, name: &str) -> kube::Result<ConfigMap> {
        self.maps.create(&PostParams::default(), &map(name)).await
    }

    async fn is_there(&self, name: &str) -> Result<bool> {
        Ok(self.truth.get_opt(name).await?.is_some())
    }
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.into());
    map
}

fn code<T>(result: kube::Result<T>) -> Option<(u16, String)> {
    match result {
        Err(kube::Error::Api(status)) => Some((status.code, status.reason.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn writes_meet_faults_and_are_counted() -> Result<()> {
    let scene = ProxyScene::start().await?;
    let proxy = &scene.proxy;

    // Nothing in the way: the client's own token counts, and the write is the first.
    scene.create("one").await?;
    let first = proxy.writes().first().cloned().context("a write was recorded")?;
    assert_eq!((first.write, first.upstream, first.status), (Some(1), Some(201), Some(201)));
    assert_eq!(first.resource(), "/api/v1/namespaces/default/configmaps");
    assert_eq!(first.json().pointer("/metadata/name").and_then(|name| name.as_str()), Some("one"));

    // The second takes effect, but the client does not learn it.
    proxy.drop_answer_at(2);
    assert!(scene.create("two").await.is_err());
    assert!(scene.is_there("two").await?);
    let second = proxy.writes().get(1).cloned().context("the second write")?;
    assert_eq!((second.upstream, second.status), (Some(201), None));

    // The third never arrives.
    let rule = proxy.rule(Match::writes().path("/configmaps").nth(1), Action::DropRequest);
    assert!(scene.create("three").await.is_err());
    assert!(!scene.is_there("three").await?);
    assert_eq!(proxy.applied(rule), 1);
    scene.create("three").await?;

    // Refusals are read as the server's own.
    for (refusal, expected) in [
        (Refusal::conflict(), (409, "Conflict")),
        (Refusal::already_exists(), (409, "AlreadyExists")),
        (Refusal::expired(), (410, "Expired")),
        (Refusal::too_many_requests(Duration::from_secs(1)), (429, "TooManyRequests")),
        (Refusal::internal(), (500, "InternalError")),
        (Refusal::unavailable(), (503, "ServiceUnavailable")),
        (Refusal::timeout(), (504, "Timeout")),
    ] {
        let rule = proxy.rule(Match::any().method("DELETE").nth(1), Action::Refuse(refusal));
        let answer = scene.maps.delete("one", &DeleteParams::default()).await;
        assert_eq!(code(answer), Some((expected.0, expected.1.to_owned())));
        proxy.remove(rule);
    }
    assert!(scene.is_there("one").await?);
    let (status, _) = fetch::get(&format!("{}/api/v1/configmaps", proxy.url())).await?;
    assert_eq!(status.as_u16(), 403, "without a token nobody is the administrator");

    // A delay comes on top.
    proxy.rule(Match::reads().path("/configmaps"), Action::Delay(Duration::from_millis(300)));
    let start = Instant::now();
    scene.maps.list(&ListParams::default()).await?;
    assert!(start.elapsed() >= Duration::from_millis(300));

    // Leases are writes that nobody counts.
    let count = proxy.write_count();
    let lease = http::Request::post("/apis/coordination.k8s.io/v1/namespaces/default/leases")
        .body(br#"{"metadata":{"name":"a"}}"#.to_vec())?;
    scene.client.request_text(lease).await?;
    assert_eq!(proxy.write_count(), count);
    assert_eq!(proxy.requests().last().map(|request| request.write), Some(None));
    Ok(())
}

#[tokio::test]
async fn a_hook_kills_before_or_after_the_write() -> Result<()> {
    let scene = ProxyScene::start().await?;
    let dir = TempDir::new("hook")?;
    for (when, name) in [(KillWhen::BeforeForward, "before"), (KillWhen::AfterForward, "after")] {
        let victim = Process::spawn(Spec {
            name: "victim".into(),
            program: "/bin/sleep".into(),
            args: vec!["600".into()],
            env: Vec::new(),
            log: dir.join(name),
        })?;
        let killer = victim.killer();
        scene.proxy.clear_log();
        let fired = scene.proxy.kill_at(1, when, move || killer.kill9());
        assert!(!fired.has_fired());
        assert!(scene.create(name).await.is_err());
        fired.wait(LIMIT).await?;
        assert!(victim.exited()?.is_some(), "the victim is dead");
        assert_eq!(scene.is_there(name).await?, when == KillWhen::AfterForward);
    }
    Ok(())
}

#[tokio::test]
async fn watches_are_cut_expired_and_held_back() -> Result<()> {
    let scene = ProxyScene::start().await?;
    let proxy = &scene.proxy;
    let seen = Arc::new(AtomicUsize::new(0));
    let watch = async |version: &str| {
        let events = scene.maps.watch(&WatchParams::default(), version).await?.boxed();
        wait_for("an open watch", LIMIT, async || Ok((proxy.open_watches() == 1).then_some(()))).await?;
        anyhow::Ok(events)
    };
    let version = async || {
        let list = scene.truth.list(&ListParams::default()).await?;
        list.metadata.resource_version.context("a list has a version")
    };

    // Event by event, while the watch stays open.
    let mut events = watch(&version().await?).await?;
    scene.create("one").await?;
    let event = tokio::time::timeout(LIMIT, events.try_next()).await??;
    assert!(matches!(&event, Some(WatchEvent::Added(map)) if map.name_any() == "one"), "{event:?}");

    // Held back: the truth moves on, the watch does not, and nothing is lost.
    proxy.hold_watches("/configmaps");
    scene.create("two").await?;
    scene.create("three").await?;
    let counter = Arc::clone(&seen);
    let reader = tokio::spawn(async move {
        let mut names = Vec::new();
        while names.len() < 2 {
            if let Some(WatchEvent::Added(map)) = events.try_next().await? {
                counter.fetch_add(1, Ordering::SeqCst);
                names.push(map.name_any());
            }
        }
        anyhow::Ok((names, events))
    });
    // A watch past the proxy has seen both by now, so that the held one could have.
    let mut direct = scene.truth.watch(&WatchParams::default(), "0").await?.boxed();
    for _ in 0..3 {
        tokio::time::timeout(LIMIT, direct.try_next()).await??;
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    proxy.release_watches();
    let (names, mut events) = tokio::time::timeout(LIMIT, reader).await???;
    assert_eq!(names, ["two", "three"]);

    // Expired: the error event, then the end.
    assert_eq!(proxy.expire_watches(""), 1);
    let event = tokio::time::timeout(LIMIT, events.try_next()).await??;
    assert!(matches!(&event, Some(WatchEvent::Error(status)) if status.code == 410), "{event:?}");

    // Cut: an error of the stream.
    wait_for("no watch", LIMIT, async || Ok((proxy.open_watches() == 0).then_some(()))).await?;
    let mut events = watch(&version().await?).await?;
    proxy.cut_watches("");
    let broken = tokio::time::timeout(LIMIT, events.try_next()).await?;
    assert!(!matches!(broken, Ok(Some(_))), "{broken:?}");

    // A watch that is asked for anew is expired at once, by rule.
    proxy.rule(Match::watches().nth(1), Action::ExpireWatch);
    let mut events = scene.maps.watch(&WatchParams::default(), &version().await?).await?.boxed();
    let event = tokio::time::timeout(LIMIT, events.try_next()).await??;
    assert!(matches!(&event, Some(WatchEvent::Error(status)) if status.code == 410), "{event:?}");
    Ok(())
}

#[tokio::test]
async fn a_stub_answers_as_scripted_also_through_a_proxy() -> Result<()> {
    let stub = StubPrometheus::start(|request| match request.query().as_str() {
        "up" => StubAnswer::vector(&[(&[("volumename", "pvc-1")], 6e9)]),
        "slow" => StubAnswer::error(503, "timeout", "query timed out").after(Duration::from_millis(200)),
        "half" => StubAnswer::Truncated("{\"status\":".into()),
        "huge" => StubAnswer::Huge(5_000_000),
        _ => StubAnswer::Drop,
    })?;
    let proxy = FaultProxy::to_plain(&stub.url())?;
    let ask = async |query: &str| {
        fetch::post(
            &format!("{}/api/v1/query", proxy.url()),
            &format!("time=1&query={}", fetch::encode(query)),
        )
        .await
    };

    let (status, body) = ask("up").await?;
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(answer.pointer("/data/result/0/value/1").and_then(|value| value.as_str()), Some("6000000000"));
    assert_eq!(ask("slow").await?.0.as_u16(), 503);
    assert!(ask("half").await.is_err());
    assert!(ask("drop").await.is_err());
    let (_, body) = ask("huge").await?;
    assert!(body.len() >= 5_000_000 && stub.bytes_sent() == body.len());
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    assert!(answer.pointer("/data/result/1").is_some());

    let request = stub.requests().first().cloned().context("the stub was asked")?;
    assert_eq!((request.query().as_str(), request.value("time").as_deref()), ("up", Some("1")));
    Ok(())
}
