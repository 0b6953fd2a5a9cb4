//! Text that wants to be more than text, checked on the bytes that reach the terminal.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::{AutopilotRule, AutopilotRuleObject};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::Cluster;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bytes::foreign;
use crate::console::Console;
use crate::scene::{RULE, put};

/// Where the approvals are.
const NAMESPACE: &str = "hostile";
/// The pull request of all of them.
const PULL: &str = "https://github.com/a/b/pull/7";

/// Returns texts that somebody may write, with a word of its own at the end of each.
fn texts() -> Vec<(&'static str, String)> {
    let mut texts: Vec<(&str, String)> = [
        ("colour", "\u{1b}[31mA"),
        ("up", "\u{1b}[2A\u{1b}[2KB"),
        ("title", "\u{1b}]0;owned\u{7}C"),
        ("clipboard", "\u{1b}]52;c;b3duZWQ=\u{1b}\\D"),
        ("link", "\u{1b}]8;;https://owned.example\u{1b}\\E"),
        ("device", "\u{1b}P$qm\u{1b}\\F"),
        ("c1", "\u{9b}2J\u{9d}0;owned\u{9c}G"),
        ("bidi", "data-\u{202e}dnwo"),
        ("isolate", "\u{2066}dnwo\u{2069}"),
        ("zero-width", "ow\u{200b}n\u{feff}ed\u{2060}"),
        ("return", "grow\rshrink"),
        ("backspace", "grow\u{8}\u{8}\u{7f}"),
        ("tag", "own\u{e0041}ed"),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .to_vec();
    texts.push(("long", "owned".repeat(2000)));
    texts.push(("marks", format!("o{}", "\u{301}".repeat(400))));
    texts
}

/// Where in an approval it may stand: everything that the console reads and the server lets through.
const PLACES: [&str; 17] = [
    "/spec/approvalState",
    "/spec/actions/0/proposal",
    "/status/Rule/Name",
    "/status/actionPreviews/0/expectedResult/Message",
    "/status/actionPreviews/0/involvedObjects/0/name",
    "/status/actionPreviews/0/involvedObjects/0/uid",
    "/status/actionPreviews/0/involvedObjects/0/ownerReferences/0/name",
    "/status/proposal/action",
    "/status/proposal/from",
    "/status/proposal/to",
    "/status/proposal/measured/0/key",
    "/status/proposal/measured/0/operator",
    "/status/proposal/measured/0/value",
    "/status/pullRequest/url",
    "/status/pullRequest/by",
    "/status/decision/reason",
    "/status/execution/message",
];

fn decorate(object: &mut Value) {
    object["status"]["pullRequest"] = json!({ "number": 7, "url": PULL, "state": "open", "by": "maria" });
}

fn write(object: &mut Value, place: &str, text: &str) {
    if place.starts_with("/status/decision") {
        object["status"]["decision"] = json!({ "digest": "0123456789abcdef", "outcome": "declined", "by": text, "via": text, "reason": text });
    } else if place.starts_with("/status/execution") {
        object["status"]["execution"] = json!({ "outcome": "failed", "message": text });
    } else if let Some(value) = object.pointer_mut(place) {
        *value = text.into();
    }
}

/// Shows every text in every place and in every view: nothing of it reaches the terminal as more than text.
pub(crate) async fn stays_text(cluster: &Cluster) -> Result<()> {
    // What looks for it finds it.
    for (name, text) in texts().iter().filter(|(name, _)| !["long", "marks"].contains(name)) {
        ensure!(!foreign(text.as_bytes()).is_empty(), "{name} is not found where it is");
    }
    let texts = texts();
    let client = cluster.admin_client().await?;
    cluster.namespace(NAMESPACE, &[]).await?;
    // Each text everywhere, and each place alone, so that one is enough for the mark.
    for (name, text) in &texts {
        put(&client, NAMESPACE, &format!("text-{name}"), |object| {
            object["metadata"]["annotations"] = json!({ "note": text });
            decorate(object);
            PLACES.iter().filter(|p| **p != "/status/decision/reason").for_each(|p| write(object, p, text));
        })
        .await?;
    }
    for (at, place) in PLACES.iter().enumerate() {
        put(&client, NAMESPACE, &format!("place-{at}"), |object| {
            decorate(object);
            write(object, place, &texts[at % texts.len()].1);
        })
        .await?;
    }
    // Names and labels are the server's to keep clean.
    let label =
        put(&client, NAMESPACE, "label", |o| o["metadata"]["labels"]["rule"] = "\u{202e}x".into()).await;
    ensure!(label.is_err(), "the server took a hostile label");
    events(&client, &texts).await?;
    rule(&client, &texts).await?;
    journal(&client, &texts).await?;

    let args = ["--namespace", NAMESPACE];
    let mut console = Console::start(&cluster.kubeconfig(ADMIN_TOKEN, None)?, &args, &[])?;
    console.resize(160, 50)?;
    let all = texts.len() + PLACES.len();
    console.shows(&["live", &format!("1 Approvals {all}")]).await?;
    let marked =
        |console: &Console| console.columns("⚠", "").into_iter().filter(|column| *column == 1).count();
    console.until("every row marked", crate::console::STEP, |_| marked(&console) == all).await?;
    // Each approval in full, as YAML, and as a question.
    for at in 0..all {
        console.keys("\r").await?;
        console.shows(&["⚠ altered"]).await?;
        if at < texts.len() {
            console.keys("y").await?;
            console.shows(&["apiVersion"]).await?;
            console.keys("\u{7f}").await?;
        }
        console.keys("\u{7f}").await?;
        console.shows(&["STATE"]).await?;
        if at < texts.len() {
            console.asks("D", "Delete this?").await?;
            console.shows(&["This object contains hidden characters"]).await?;
            console.keys("\u{1b}").await?;
            console.until("no question", crate::console::STEP, |s| !s.contains("Delete this?")).await?;
        }
        console.keys("j").await?;
    }
    // What happened is about rules here, and so in no namespace.
    let mut bytes = console.bytes();
    let mut console = Console::start(&cluster.kubeconfig(ADMIN_TOKEN, None)?, &[], &[])?;
    console.resize(160, 50)?;
    console.shows(&["live"]).await?;
    for (view, title, rows) in [("2", "WHAT", texts.len()), ("3", "SINCE", 1), ("4", "READY", 1)] {
        console.keys(view).await?;
        console.shows(&[title]).await?;
        console.until("marked rows", crate::console::STEP, |_| marked(&console) == rows).await?;
        for _ in 0..rows {
            console.keys("\r").await?;
            console.shows(&["⚠ altered"]).await?;
            console.keys("\u{7f}").await?;
            console.shows(&[title]).await?;
            console.keys("j").await?;
        }
    }
    bytes.extend(console.bytes());
    // Its link is the console's own, whole as it is.
    let link = format!("\u{1b}]8;;{PULL}\u{1b}\\{PULL}\u{1b}]8;;\u{1b}\\");
    let text = String::from_utf8(bytes.clone())?;
    ensure!(text.contains(&link), "no link");
    let found = foreign(text.replace(&link, PULL).as_bytes());
    ensure!(
        found.is_empty(),
        "{} reached the terminal: {}",
        found.len(),
        found[..found.len().min(9)].join("\n")
    );
    for (name, text) in &texts {
        let there = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        ensure!(!there, "{name} reached the terminal as it is");
    }
    Ok(())
}

async fn events(client: &kube::Client, texts: &[(&str, String)]) -> Result<()> {
    let api = Api::<Event>::namespaced(client.clone(), "default");
    for (name, text) in texts {
        let event = json!({
            "metadata": { "name": format!("event-{name}") }, "type": "Warning", "reason": text,
            "message": format!("rule: {RULE}:{name}:{text}"),
            "involvedObject": { "kind": "AutopilotRule", "name": RULE, "namespace": "default" },
            "lastTimestamp": "2026-03-01T02:13:00Z",
        });
        let event: Event = serde_json::from_value(event)?;
        api.create(&PostParams::default(), &event).await.with_context(|| format!("event {name}"))?;
    }
    Ok(())
}

async fn rule(client: &kube::Client, texts: &[(&str, String)]) -> Result<()> {
    let all: String = texts.iter().map(|(_, text)| text.as_str()).take(12).collect();
    let rule = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRule", "metadata": { "name": RULE },
        "spec": {
            "conditions": { "expressions": [{ "key": all, "operator": "Gt", "values": [all] }] },
            "actions": [{ "name": "openstorage.io.action.volume/resize", "params": { "scalepercentage": all } }],
        },
    });
    let rule: AutopilotRule = serde_json::from_value(rule)?;
    Api::<AutopilotRule>::all(client.clone()).create(&PostParams::default(), &rule).await.context("rule")?;
    let status = json!({ "status": { "conditions": [{
        "type": "Ready", "status": "False", "reason": "Invalid", "message": all,
        "lastTransitionTime": "2026-03-01T02:13:00Z",
    }] } });
    let api = Api::<AutopilotRule>::all(client.clone());
    api.patch_status(RULE, &PatchParams::default(), &Patch::Merge(status)).await.context("its status")?;
    Ok(())
}

async fn journal(client: &kube::Client, texts: &[(&str, String)]) -> Result<()> {
    let all: String = texts.iter().map(|(_, text)| text.as_str()).take(12).collect();
    let api = Api::<AutopilotRuleObject>::namespaced(client.clone(), NAMESPACE);
    let object = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1", "kind": "AutopilotRuleObject",
        "metadata": { "name": format!("v-{RULE}"), "labels": { "rule": RULE } }, "spec": {},
    });
    let made: AutopilotRuleObject = serde_json::from_value(object)?;
    api.create(&PostParams::default(), &made).await.context("journal")?;
    let status = json!({ "status": {
        "state": "Triggered", "reason": all,
        "object": { "kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": all, "namespace": NAMESPACE, "uid": "v" },
        "items": [{ "state": all, "message": all, "reason": all, "lastProcessTimestamp": "2026-03-01T02:13:00Z" }],
    } });
    let name = format!("v-{RULE}");
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.context("its status")?;
    Ok(())
}
