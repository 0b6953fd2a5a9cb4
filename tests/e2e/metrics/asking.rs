//! The queries that Prometheus gets: each once a pass, all with the same time, with credentials, and not for everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use autopilot_stack::{StubAnswer, StubPrometheus, StubRequest, TempDir, lock};
use autopilot_tests::{PX_KEY, RuleText, Scene, SceneOptions};
use serde_json::json;

use super::backend::{Usage, healthy};

/// Answers who brings this header, and nobody else.
fn locked(
    header: &'static str,
    usage: &Arc<Mutex<Usage>>,
) -> impl Fn(&StubRequest) -> StubAnswer + Send + Sync + 'static {
    let answer = healthy(usage);
    move |request| match request.headers.get("authorization").map(|h| h.as_bytes()) {
        Some(given) if given == header.as_bytes() => answer(request),
        _ => StubAnswer::error(401, "unauthorized", "who are you?"),
    }
}

/// `user:open sesame`.
const BASIC: &str = "Basic dXNlcjpvcGVuIHNlc2FtZQ==";

struct ProviderScene {
    scene: Scene,
    usage: Arc<Mutex<Usage>>,
    shared: StubPrometheus,
    bearer: StubPrometheus,
    huge: StubPrometheus,
    token: std::path::PathBuf,
    _basic: StubPrometheus,
    _dir: TempDir,
}

impl ProviderScene {
    async fn start() -> Result<Self> {
        let usage = Arc::<Mutex<Usage>>::default();
        let shared = StubPrometheus::start(healthy(&usage))?;
        let basic = StubPrometheus::start(locked(BASIC, &usage))?;
        let bearer = StubPrometheus::start(locked("Bearer first", &usage))?;
        let huge = StubPrometheus::start(|_| StubAnswer::Huge(50 << 20))?;
        let dir = TempDir::new("token")?;
        let token = dir.join("token");
        std::fs::write(&token, "first\n")?;
        let url = Some(shared.url());
        let mut scene = Scene::start(SceneOptions { prometheus_url: url, ..SceneOptions::default() }).await?;
        let provider =
            |name: &str, params: &str| format!("- name: {name}\n  type: prometheus\n  params: {params}\n");
        let text = [
            "min_poll_interval: 1\nproviders:\n".to_owned(),
            provider("default", &format!("url={}", shared.url())),
            provider("basic", &format!("url={},username=user,password=open sesame", basic.url())),
            provider("bearer", &format!("url={},token_file={}", bearer.url(), token.display())),
            provider("huge", &format!("url={},timeout=30", huge.url())),
        ];
        scene.configure_text(&text.concat()).await?;
        scene.cluster.namespace("db", &[("type", "db")]).await?;
        let volume = scene.claim("db", "data", "10Gi", &[("app", "postgres")]).await?;
        lock(&usage).insert(volume, (3.0, 10.0));
        scene.controller().await?;
        Ok(ProviderScene { scene, usage, shared, bearer, huge, token, _basic: basic, _dir: dir })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_asked_sparingly_and_let_in_by_whatever_it_wants() -> Result<()> {
    let providers = ProviderScene::start().await?;
    tokio::try_join!(each_question_is_asked_once(&providers), credentials_are_sent(&providers))?;
    a_huge_answer_costs_little(&providers).await
}

async fn each_question_is_asked_once(providers: &ProviderScene) -> Result<()> {
    // Given rules of which several ask the same, one with another threshold, one half as often.
    let rule = |name: &str| RuleText::new(name).set("/conditions/expressions/0/key", json!(PX_KEY));
    let rules = [
        rule("same-1"),
        rule("same-2"),
        rule("same-3"),
        rule("higher").set("/conditions/expressions/0/values/0", json!("60")),
        rule("slower").set("/pollInterval", json!(2)),
    ];
    let manifests: String = rules.iter().map(RuleText::text).collect();
    providers.scene.cluster.apply(&manifests).await?;
    for name in ["same-1", "same-2", "same-3", "higher", "slower"] {
        providers.scene.until_condition(name, "DataAvailable", "True").await?;
    }
    // When pass follows pass.
    providers.shared.clear();
    let by_time = |requests: &[StubRequest]| {
        let mut all = BTreeMap::<String, Vec<String>>::new();
        for request in requests {
            all.entry(request.value("time").unwrap_or_default()).or_default().push(request.query());
        }
        all
    };
    let what = "seven passes";
    providers
        .scene
        .until(what, async || Ok((by_time(&providers.shared.requests()).len() >= 8).then_some(())))
        .await?;
    // Then each asks every question once, and at one time.
    let requests = providers.shared.requests();
    ensure!(
        requests.iter().all(|r| r.method == "POST" && r.path == "/api/v1/query"),
        "another way of asking"
    );
    let mut passes = by_time(&requests);
    // The first may have been cut off by clearing, and the last is not over.
    passes.pop_first();
    passes.pop_last();
    let wanted = [format!("({PX_KEY}\n) > 50"), format!("({PX_KEY}\n) > 60"), format!("count(({PX_KEY}\n))")];
    for (time, mut queries) in passes {
        queries.sort();
        assert_eq!(queries, wanted, "at {time}");
    }
    Ok(())
}

async fn credentials_are_sent(providers: &ProviderScene) -> Result<()> {
    // Given a provider that wants a password and one that wants a token, which is in a file.
    let rule = |name: &str| RuleText::new(name).set("/conditions/provider", json!(name));
    let manifests = [rule("basic").text(), rule("bearer").text()];
    providers.scene.cluster.apply(&manifests.concat()).await?;
    for name in ["basic", "bearer"] {
        providers.scene.until_condition(name, "DataAvailable", "True").await?;
    }
    // When the token is replaced, at first on the server only.
    providers.bearer.set(locked("Bearer second", &providers.usage));
    let (reason, message) = providers.scene.until_condition("bearer", "DataAvailable", "False").await?;
    assert_eq!(reason, "Unauthorized");
    let host = providers.bearer.url().replace("http://", "");
    ensure!(message.contains(&host) && message.contains("401"), "{message}");
    // Then the new one is sent as soon as the file has it.
    std::fs::write(&providers.token, "second\n")?;
    providers.scene.until_condition("bearer", "DataAvailable", "True").await?;
    let log = providers.scene.running()?.log();
    for secret in ["open sesame", BASIC, "Bearer second"] {
        ensure!(!log.contains(secret), "the log has {secret}");
    }
    Ok(())
}

async fn a_huge_answer_costs_little(providers: &ProviderScene) -> Result<()> {
    // Given a provider that answers with 50 MB.
    let rule =
        RuleText::new("huge").set("/conditions/provider", json!("huge")).set("/pollInterval", json!(5));
    // When it is asked.
    providers.scene.cluster.apply(&rule.text()).await?;
    // Then the answer is refused at the limit, and is not kept meanwhile.
    let (reason, message) = providers.scene.until_condition("huge", "DataAvailable", "False").await?;
    assert_eq!(reason, "TooLarge");
    ensure!(message.contains("33554432"), "{message}");
    let pid = providers.scene.running()?.process().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("peak memory")?;
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").trim().parse()?;
    ensure!(kilobytes < 256 * 1024, "{kilobytes} kB at the most");
    // And it recovers by itself.
    providers.huge.set(healthy(&providers.usage));
    providers.scene.until_condition("huge", "DataAvailable", "True").await?;
    Ok(())
}
