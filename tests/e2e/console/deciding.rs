//! Deciding: each path of it, and what the cluster holds afterwards.

use anyhow::{Result, ensure};
use autopilot_shared::api::Outcome;
use autopilot_shared::names;
use autopilot_stack::ADMIN_TOKEN;
use kube::ResourceExt as _;
use rustix::process::Signal;

use crate::console::Console;
use crate::scene::{ConsoleScene, NAMESPACE, RULE, VIEWER, approval, until_decided, waiting};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_is_what_was_shown() -> Result<()> {
    let claims = ["first", "second", "third", "fourth", "fifth", "sixth"];
    let ConsoleScene { scene, volumes } = waiting(&claims).await?;
    let kubeconfig = scene.cluster.kubeconfig(ADMIN_TOKEN, None)?;
    let mut console = Console::start(&kubeconfig, &[], &[])?;
    console.shows(&["live", "first", "sixth", "10Gi → 20Gi", "1 Approvals 6"]).await?;

    // Undo: nothing reaches the cluster.
    console.asks("a", "Approve this?").await?;
    console.shows(&["cluster stack", "pg1/first"]).await?;
    console.keys("y").await?;
    console.shows(&["takes it back"]).await?;
    console.keys("u").await?;
    console.shows(&["taken back, nothing was written"]).await?;
    ensure!(approval(&scene, &volumes[0]).await?.spec.approval_state.as_deref() == Some("pending"));

    // Approve: the volume grows, and the decision has a name.
    console.asks("a", "Approve this?").await?;
    console.keys("y").await?;
    scene.until_request(NAMESPACE, "first", "20Gi").await?;
    let decision = until_decided(&scene, &volumes[0]).await?;
    ensure!(decision.outcome == Outcome::Approved && decision.via == "console", "{decision:?}");
    let written = approval(&scene, &volumes[0]).await?;
    let at = written.annotations().get("autopilot.libopenstorage.org/decided-at");
    ensure!(at.is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "when: {at:?}");
    ensure!(!decision.by.is_empty(), "nobody decided");
    console.shows(&["approved pg1/first"]).await?;

    // Decline, with a reason of two lines. What is decided went to the end: the second is on top now.
    console.keys("g").await?;
    console.asks("x", "Decline this?").await?;
    console.shows(&["pg1/second"]).await?;
    console.keys("cleanup runs at six\rask again then").await?;
    console.yes("\t\t").await?;
    let decision = until_decided(&scene, &volumes[1]).await?;
    ensure!(
        decision.outcome == Outcome::Declined && decision.reason == "cleanup runs at six\nask again then"
            || decision.reason.starts_with("cleanup runs at six"),
        "{decision:?}"
    );
    console.shows(&["declined"]).await?;
    ensure!(scene.request(NAMESPACE, "second").await? == "10Gi");

    // Delete what was declined, by its name: it is asked about again.
    let declined = approval(&scene, &volumes[1]).await?;
    console.keys("/pvc=second\r").await?;
    console.shows(&["1 of 6"]).await?;
    console.asks("D", "Delete this?").await?;
    console.keys(&names::approval_name(RULE, &volumes[1])).await?;
    console.yes("\r\t").await?;
    scene
        .until("another question", async || {
            let now = scene.approval(NAMESPACE, RULE, &volumes[1]).await?;
            Ok(now.filter(|a| a.uid() != declined.uid()).map(drop))
        })
        .await?;
    console.keys("F").await?;

    // Changed by somebody else while the question is open: withdrawn.
    console.keys("/pvc=third\r").await?;
    console.shows(&["1 of 6"]).await?;
    console.asks("a", "Approve this?").await?;
    scene.answer(NAMESPACE, &names::approval_name(RULE, &volumes[2]), "declined").await?;
    console.shows(&["withdrawn, nothing was written"]).await?;
    // A late answer finds a notice, which only Esc and Enter close once nobody types any more.
    console.keys("y1").await?;
    console.asks("", "esc goes on").await?;
    console.keys("\r").await?;
    let decision = until_decided(&scene, &volumes[2]).await?;
    ensure!(decision.outcome == Outcome::Declined && scene.request(NAMESPACE, "third").await? == "10Gi");
    console.keys("F").await?;

    // Changed while the decision is held: not sent.
    console.keys("/pvc=fourth\r").await?;
    console.shows(&["1 of 6"]).await?;
    console.asks("a", "Approve this?").await?;
    console.keys("y").await?;
    console.shows(&["takes it back"]).await?;
    scene.answer(NAMESPACE, &names::approval_name(RULE, &volumes[3]), "declined").await?;
    console.shows(&["not approved: pg1/fourth"]).await?;
    ensure!(until_decided(&scene, &volumes[3]).await?.outcome == Outcome::Declined);
    console.keys("F").await?;

    // Two at once, with the count.
    console.keys("/state=pending pvc=fifth,sixth\r").await?;
    console.shows(&["2 of 6"]).await?;
    console.keys("*").await?;
    console.shows(&["2 marked"]).await?;
    console.asks("a", "Approve these 2?").await?;
    console.yes("2\r\t").await?;
    scene.until_request(NAMESPACE, "fifth", "20Gi").await?;
    scene.until_request(NAMESPACE, "sixth", "20Gi").await?;
    console.shows(&["2 approved"]).await?;

    // On the way out, and in the log, stands who decided what and why.
    console.keys("q").await?;
    ensure!(console.ends().await?.success());
    console.shows(&["reason: cleanup runs at six", "done"]).await?;
    let log = std::fs::read_to_string(console.state().join("autopilot/decisions.jsonl"))?;
    ensure!(log.lines().count() == 6, "{log}");
    ensure!(log.lines().filter(|l| l.contains("\"outcome\":\"done\"")).count() == 5, "{log}");
    console.until_given_back().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_why_and_writes_nothing() -> Result<()> {
    let ConsoleScene { scene, volumes } = waiting(&["first"]).await?;
    let kubeconfig = scene.cluster.kubeconfig(VIEWER, None)?;
    let mut viewer = Console::start(&kubeconfig, &[], &[])?;
    viewer.shows(&["live", "first", "as vera", "RBAC: you may not patch actionapprovals"]).await?;
    viewer.keys("axD").await?;
    viewer.shows(&["delete: RBAC: you may not delete"]).await?;
    ensure!(!viewer.screen().contains("this?"));

    let kubeconfig = scene.cluster.kubeconfig(ADMIN_TOKEN, None)?;
    let mut reader = Console::start(&kubeconfig, &["--read-only"], &[])?;
    reader.shows(&["live", "first", "read-only"]).await?;
    reader.keys("a").await?;
    reader.shows(&["approve: read-only"]).await?;
    ensure!(!reader.screen().contains("this?"));
    ensure!(approval(&scene, &volumes[0]).await?.spec.approval_state.as_deref() == Some("pending"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_is_ended_notes_what_was_held() -> Result<()> {
    let ConsoleScene { scene, volumes } = waiting(&["first"]).await?;
    let kubeconfig = scene.cluster.kubeconfig(ADMIN_TOKEN, None)?;
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut console = Console::start(&kubeconfig, &[], &[])?;
        console.shows(&["live", "first"]).await?;
        console.asks("a", "Approve this?").await?;
        console.keys("y").await?;
        console.shows(&["takes it back"]).await?;
        console.signal(signal)?;
        console.ends().await?;
        let log = std::fs::read_to_string(console.state().join("autopilot/decisions.jsonl"))?;
        ensure!(log.lines().count() == 1 && log.contains("\"outcome\":\"not sent\""), "{signal:?}: {log}");
    }
    // A panic is no excuse.
    let mut console = Console::start(&kubeconfig, &[], &[("AUTOPILOT_PANIC", "1")])?;
    console.shows(&["live", "first"]).await?;
    console.asks("a", "Approve this?").await?;
    console.keys("y").await?;
    console.shows(&["takes it back"]).await?;
    console.keys("!").await?;
    ensure!(!console.ends().await?.success());
    console.until_given_back().await?;
    console.shows(&["asked for", "not sent (the console failed)"]).await?;
    let log = std::fs::read_to_string(console.state().join("autopilot/decisions.jsonl"))?;
    ensure!(log.lines().count() == 1 && log.contains("\"outcome\":\"not sent\""), "{log}");
    ensure!(approval(&scene, &volumes[0]).await?.spec.approval_state.as_deref() == Some("pending"));
    Ok(())
}
