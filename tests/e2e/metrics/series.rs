//! Which object a series belongs to: labels, several of one volume, and series that are older than the volume or its size.

use anyhow::{Context as _, Result};
use autopilot_shared::RuleState;
use autopilot_stack::FaultProxy;
use autopilot_tests::{GIB, RuleText, Scene, SceneOptions};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use super::snapshot::{DataAvailable, data, until_passes};

/// Seconds for which a sample may be old.
const LOOKBACK: u32 = 15;

struct ClusterScene {
    scene: Scene,
    proxy: FaultProxy,
}

impl ClusterScene {
    async fn start() -> Result<Self> {
        let scene = Scene::start(SceneOptions::default()).await?;
        let origin = scene.prometheus.as_ref().context("a Prometheus of its own")?.url().to_owned();
        let proxy = FaultProxy::to_plain(&origin)?;
        let mut proxied = ClusterScene { scene, proxy };
        proxied.configure("").await?;
        proxied.scene.cluster.namespace("db", &[("type", "db")]).await?;
        proxied.scene.controller().await?;
        Ok(proxied)
    }

    async fn configure(&self, more: &str) -> Result<()> {
        let url = self.proxy.url();
        let provider = |name: &str, lookback: u32| {
            format!("- name: {name}\n  type: prometheus\n  params: url={url},timeout=3,lookback={lookback}\n")
        };
        let providers = format!("providers:\n{}{}", provider("default", 1), provider("lagging", LOOKBACK));
        self.scene.configure_text(&format!("{providers}min_poll_interval: 1\n{more}")).await
    }

    /// Returns a rule on series of its own, for PVCs of its own.
    fn rule(name: &str) -> RuleText {
        let series = name.replace('-', "_");
        RuleText::new(name)
            .set("/selector", json!({ "matchLabels": { "case": name } }))
            .set("/conditions/expressions/0/key", json!(format!("100 * (used_{series} / capacity_{series})")))
    }

    async fn claim(&self, name: &str) -> Result<String> {
        self.scene.claim("db", name, "10Gi", &[("case", name)]).await
    }

    fn set(&self, name: &str, labels: &[(&str, &str)], used: f64, capacity: f64) {
        let name = name.replace('-', "_");
        self.scene.exporter.set_all([
            (format!("used_{name}").as_str(), labels, used * GIB),
            (format!("capacity_{name}").as_str(), labels, capacity * GIB),
        ]);
    }

    /// Waits until a rule without approval has resized the object once, and it is Normal when its series show that.
    async fn resized(&self, name: &str, volume: &str, labels: &[&[(&str, &str)]]) -> Result<()> {
        self.scene.until_request("db", name, "20Gi").await.context(name.to_owned())?;
        for labels in labels {
            self.set(name, labels, 6.0, 20.0);
        }
        self.scene.until_state("db", name, volume, RuleState::Normal).await.context(name.to_owned())?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_an_objects_by_their_labels_and_not_when_they_are_older() -> Result<()> {
    let proxied = ClusterScene::start().await?;
    tokio::try_join!(
        labels_say_whose_a_series_is(&proxied),
        two_nodes_report_one_volume(&proxied),
        a_recreated_claim_is_not_judged_by_the_old_volume(&proxied),
        old_data_after_a_resize_does_nothing(&proxied),
        one_missing_scrape_changes_nothing(&proxied),
        many_that_become_normal_are_told_in_one(&proxied),
    )?;
    Ok(())
}

async fn labels_say_whose_a_series_is(proxied: &ClusterScene) -> Result<()> {
    // Given series of one volume each, labelled in every way that is understood, and in one that is not.
    let mut volumes = Vec::new();
    let mut manifests = String::new();
    let cases = ["by-volumename", "by-kubelet", "by-pv", "by-persistentvolume", "by-nothing"];
    for name in cases {
        volumes.push((name, proxied.claim(name).await?));
        manifests += &ClusterScene::rule(name).without_approval().text();
    }
    let labels = |name: &'static str, volume: &str| -> Vec<(&'static str, String)> {
        match name {
            "by-volumename" => vec![("volumename", volume.to_owned()), ("volumeid", "1234".to_owned())],
            "by-kubelet" => vec![
                ("namespace", "db".to_owned()),
                ("persistentvolumeclaim", name.to_owned()),
                ("node", "worker-1".to_owned()),
            ],
            "by-pv" => vec![("pv", volume.to_owned())],
            "by-persistentvolume" => vec![("persistentvolume", volume.to_owned())],
            _ => vec![("volume", volume.to_owned()), ("pvc", name.to_owned())],
        }
    };
    let all: Vec<_> = volumes.iter().map(|(name, volume)| (*name, volume, labels(name, volume))).collect();
    let borrowed = |labels: &[(&'static str, String)]| -> Vec<(&'static str, String)> { labels.to_vec() };
    // When they show that the volume is full.
    for (name, _, labels) in &all {
        let labels = borrowed(labels);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        proxied.set(name, &labels, 6.0, 10.0);
    }
    proxied.scene.cluster.apply(&manifests).await?;
    // Then each is resized, but for the one that nobody can tell whose it is, which its rule says.
    for (name, volume, labels) in &all {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        if *name != "by-nothing" {
            proxied.resized(name, volume, &[&labels]).await?;
            assert_eq!(proxied.scene.csi.requests("db", name), ["10Gi", "20Gi"], "{name}");
        }
    }
    let scene = &proxied.scene;
    let message = scene
        .until("the rule says that the series are nobody's", async || {
            let status = scene.rule("by-nothing").await?.status.unwrap_or_default();
            let DataAvailable { status: value, reason, message } = data(&status);
            Ok((value == "False" && reason == "NoMatchingSeries").then(|| message.to_owned()))
        })
        .await?;
    assert!(message.contains("label volumename, or namespace and persistentvolumeclaim, or pv"), "{message}");
    assert_eq!(proxied.scene.csi.requests("db", "by-nothing"), ["10Gi"]);
    Ok(())
}

async fn two_nodes_report_one_volume(proxied: &ClusterScene) -> Result<()> {
    // Given a volume that two nodes report, of which one lags behind.
    let name = "two-nodes";
    let volume = proxied.claim(name).await?;
    let (a, b) =
        ([("volumename", volume.as_str()), ("node", "a")], [("volumename", volume.as_str()), ("node", "b")]);
    proxied.set(name, &a, 3.0, 10.0);
    proxied.set(name, &b, 6.0, 10.0);
    // When one of them meets the condition. Then it is met, and acted upon once.
    proxied.scene.cluster.apply(&ClusterScene::rule(name).without_approval().text()).await?;
    proxied.resized(name, &volume, &[&a, &b]).await?;
    until_passes(&proxied.scene, &proxied.proxy, 4).await?;
    assert_eq!(proxied.scene.csi.requests("db", name), ["10Gi", "20Gi"]);
    assert_eq!(
        proxied.scene.path(name, &volume).await?,
        [
            "Initializing => Triggered",
            "Triggered => ActiveActionsPending",
            "ActiveActionsPending => ActiveActionsInProgress",
            "ActiveActionsInProgress => ActiveActionsTaken",
            "ActiveActionsTaken => Normal",
        ]
    );
    Ok(())
}

async fn one_missing_scrape_changes_nothing(proxied: &ClusterScene) -> Result<()> {
    // Given an object whose conditions hold, but not for long enough yet.
    let (scene, name) = (&proxied.scene, "one-missing");
    let volume = proxied.claim(name).await?;
    let labels = [("volumename", volume.as_str())];
    proxied.set(name, &labels, 6.0, 10.0);
    let rule = ClusterScene::rule(name).without_approval().set("/conditions/for", json!(20));
    scene.cluster.apply(&rule.text()).await?;
    scene.until_state("db", name, &volume, RuleState::Triggered).await?;
    let hold = async || -> Result<_> {
        let status = scene.journal("db", name, &volume).await?.and_then(|j| j.status).unwrap_or_default();
        Ok((status.hold_since, status.transitions))
    };
    let before = hold().await?;
    // When one scrape lacks its series. Then the hold goes on from where it began, and ends.
    let prometheus = scene.prometheus.as_ref().context("a Prometheus of its own")?;
    for series in ["used_one_missing", "capacity_one_missing"] {
        scene.exporter.remove(series, &labels);
    }
    scene
        .until("a scrape without the series", async || {
            Ok(prometheus.query("used_one_missing").await?.is_empty().then_some(()))
        })
        .await?;
    until_passes(scene, &proxied.proxy, 1).await?;
    proxied.set(name, &labels, 6.0, 10.0);
    assert_eq!(hold().await?, before);
    proxied.resized(name, &volume, &[&labels]).await?;
    let path = scene.path(name, &volume).await?;
    assert_eq!(path.first().map(String::as_str), Some("Initializing => Triggered"), "{path:?}");
    assert!(!path.iter().any(|step| step == "Triggered => Normal"), "{path:?}");
    Ok(())
}

async fn many_that_become_normal_are_told_in_one(proxied: &ClusterScene) -> Result<()> {
    // Given more objects at rest than are told one by one, all of them with series.
    const MANY: usize = 30;
    let (scene, name) = (&proxied.scene, "many");
    for i in 0..MANY {
        let volume = scene.claim("db", &format!("many-{i}"), "10Gi", &[("case", name)]).await?;
        proxied.set(name, &[("volumename", &volume)], 3.0, 10.0);
    }
    let prometheus = scene.prometheus.as_ref().context("a Prometheus of its own")?;
    scene
        .until("all series", async || Ok((prometheus.query("used_many").await?.len() == MANY).then_some(())))
        .await?;
    // When a rule sees them for the first time. Then the first are told by name, and the rest in one sentence.
    scene.cluster.apply(&ClusterScene::rule(name).text()).await?;
    let told = scene
        .until("all are told", async || {
            let all = scene.transitions(name).await?;
            Ok(all.iter().any(|message| message.contains("more objects transition")).then_some(all))
        })
        .await?;
    let rest = "rule: many: 5 more objects transition from Initializing => Normal";
    assert_eq!(told.iter().filter(|message| *message == rest).count(), 1, "{told:#?}");
    assert_eq!(told.len(), 26, "{told:#?}");
    Ok(())
}

async fn a_recreated_claim_is_not_judged_by_the_old_volume(proxied: &ClusterScene) -> Result<()> {
    // Given a claim that a person is asked about because of the kubelet's series, which know its name only.
    let (scene, name) = (&proxied.scene, "recreated");
    let labels = [("namespace", "db"), ("persistentvolumeclaim", name)];
    let old = proxied.claim(name).await?;
    proxied.set(name, &labels, 6.0, 10.0);
    let rule = ClusterScene::rule(name).set("/conditions/provider", json!("lagging"));
    scene.cluster.apply(&rule.text()).await?;
    scene.until_pending("db", name, &old).await?;
    // When it is deleted and made again, while Prometheus still answers with the old volume's usage.
    Api::<PersistentVolumeClaim>::namespaced(scene.client.clone(), "db")
        .delete(name, &DeleteParams::default())
        .await?;
    scene
        .until("the claim, its question and its journal are gone", async || {
            let claims = Api::<PersistentVolumeClaim>::namespaced(scene.client.clone(), "db");
            let claim = claims.get_opt(name).await?.is_some();
            let approval = scene.approval("db", name, &old).await?.is_some();
            Ok((!claim && !approval && scene.journal("db", name, &old).await?.is_none()).then_some(()))
        })
        .await?;
    let new = proxied.claim(name).await?;
    assert_ne!(old, new);
    scene
        .until("the rule selects the new claim, and knows nothing of it", async || {
            let status = scene.rule(name).await?.status.unwrap_or_default();
            Ok((data(&status).reason == "NoMatchingSeries" && status.objects == Some(1)).then_some(()))
        })
        .await?;
    until_passes(scene, &proxied.proxy, 5).await?;
    assert!(scene.journal("db", name, &new).await?.is_none(), "judged by the samples of another volume");
    // Then only what the kubelet says of the new one counts.
    proxied.set(name, &labels, 1.0, 10.0);
    scene
        .until("the new claim is Normal", async || {
            let status = scene.rule(name).await?.status.unwrap_or_default();
            Ok((status.states.get("Normal") == Some(&1)).then_some(()))
        })
        .await?;
    assert_eq!(scene.path(name, &new).await?, ["Initializing => Normal"]);
    assert_eq!(data(&scene.rule(name).await?.status.unwrap_or_default()).status, "True");
    Ok(())
}

async fn old_data_after_a_resize_does_nothing(proxied: &ClusterScene) -> Result<()> {
    // Given two volumes that were grown, one of them after a question, and whose series still show the old capacity.
    let scene = &proxied.scene;
    let (acted, asked) = (proxied.claim("acted").await?, proxied.claim("asked").await?);
    for (name, volume) in [("acted", &acted), ("asked", &asked)] {
        proxied.set(name, &[("volumename", volume)], 6.0, 10.0);
    }
    let rules = [ClusterScene::rule("acted").without_approval().text(), ClusterScene::rule("asked").text()];
    scene.cluster.apply(&rules.concat()).await?;
    let approval = scene.until_pending("db", "asked", &asked).await?;
    scene.answer("db", approval.metadata.name.as_deref().unwrap_or_default(), "approved").await?;
    for (name, volume) in [("acted", &acted), ("asked", &asked)] {
        scene.until_request("db", name, "20Gi").await?;
        scene.until_state("db", name, volume, RuleState::Normal).await?;
    }
    // When pass after pass says so. Then nothing is proposed again.
    until_passes(scene, &proxied.proxy, 8).await?;
    for (name, volume) in [("acted", &acted), ("asked", &asked)] {
        scene.until_state("db", name, volume, RuleState::Normal).await?;
        assert_eq!(scene.csi.requests("db", name), ["10Gi", "20Gi"], "{name}");
    }
    assert!(scene.approval("db", "asked", &asked).await?.is_none(), "the same question again");
    // When the data changes, and shows that the new size is too small, too. Then a person is asked about that.
    proxied.set("asked", &[("volumename", &asked)], 18.0, 20.0);
    scene.until_pending("db", "asked", &asked).await?;
    let journal = scene.journal("db", "asked", &asked).await?.and_then(|j| j.status).unwrap_or_default();
    let proposal = journal.proposal.map(|p| (p.from, p.to));
    assert_eq!(proposal, Some(("20Gi".to_owned(), "40Gi".to_owned())));
    // When the data is old for longer than metrics ever lag. Then it is believed.
    proxied.configure("metricsLag: 1\n").await?;
    scene.until_request("db", "acted", "40Gi").await?;
    proxied.set("acted", &[("volumename", &acted)], 6.0, 40.0);
    Ok(())
}
