//! Pasted text, which confirms nothing; and names in any script leave the columns where they are.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::{ANNOTATION_REASON, ActionApproval};
use autopilot_stack::ADMIN_TOKEN;
use autopilot_stack::Cluster;
use kube::{Api, ResourceExt as _};

use crate::console::{Console, STEP};
use crate::scene::put;

/// Pastes text with and without brackets, at a question and before one: nothing is written but the reason that was pasted.
pub(crate) async fn pasting_confirms_nothing(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin_client().await?;
    cluster.namespace("pasted", &[]).await?;
    put(&client, "pasted", "first", |_| {}).await?;
    let api = Api::<ActionApproval>::namespaced(client, "pasted");
    let state = async || -> Result<Option<String>> { Ok(api.get("first").await?.spec.approval_state) };
    let args = ["--namespace", "pasted"];
    let mut console = Console::start(&cluster.kubeconfig(ADMIN_TOKEN, None)?, &args, &[])?;
    console.shows(&["live", "first", "10Gi → 20Gi"]).await?;
    let log = console.state().join("autopilot/decisions.jsonl");

    // Before a question: keys that would ask and answer.
    console.paste("ayyy\r")?;
    console.shows(&["pasted text is no command"]).await?;
    // Without brackets: the question may open, and what comes at once does not answer it.
    console.rush("ay\ryy")?;
    console.shows(&["Approve this?"]).await?;
    console.keys("\u{1b}").await?;
    console.until("no question", STEP, |s| !s.contains("Approve this?")).await?;

    // At a question that is ready: with brackets, with an end of brackets in what is pasted, and without.
    console.asks("a", "Approve this?").await?;
    console.paste("y\ryes\t\r")?;
    console.shows(&["pasted text confirms nothing", "Approve this?"]).await?;
    // What follows that end is keys, at once: the return answers with the default, which is No, and `y` shows the YAML.
    console.paste("y\u{1b}[201~y\ry")?;
    console.shows(&["apiVersion"]).await?;
    console.keys("\u{7f}").await?;
    console.asks("a", "Approve this?").await?;
    console.rush("yy\ry")?;
    console.shows(&["taken back, nothing was written: that was pasted"]).await?;

    // What must be typed cannot be pasted.
    console.asks("D", "Delete this?").await?;
    console.paste("first\r\t\r")?;
    console.shows(&["pasted text confirms nothing", "missing: name of the approval"]).await?;
    console.keys("\u{1b}").await?;
    console.until("no question", STEP, |s| !s.contains("Delete this?")).await?;
    ensure!(state().await?.as_deref() == Some("pending") && !log.exists(), "something was decided");

    // A reason may be pasted. It stays in its field, and is text.
    console.asks("x", "Decline this?").await?;
    console.paste("from the chat:\r\t\ty \u{202e}later\u{1b}[31m")?;
    console.shows(&["from the chat:", "Decline this?"]).await?;
    console.yes("\t\t").await?;
    console.shows(&["declined pasted/first"]).await?;
    ensure!(state().await?.as_deref() == Some("declined"));
    let reason =
        api.get("first").await?.annotations().get(ANNOTATION_REASON).cloned().context("no reason")?;
    let clean = reason.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}');
    ensure!(reason.starts_with("from the chat:\n") && reason.contains("later") && clean, "{reason:?}");
    ensure!(std::fs::read_to_string(&log)?.lines().count() == 1);
    Ok(())
}

/// Shows wide, joined, stacked and narrow characters: what stands right of them is where it is in every row.
pub(crate) async fn wide_names_keep_the_columns(cluster: &Cluster) -> Result<()> {
    let names = [
        "plain",
        "日本語データ",
        "한국어볼륨데이터",
        "größe-e\u{301}u\u{308}",
        "👩\u{200d}👩\u{200d}👧-家族",
        "❤\u{fe0f}-disk",
        "🇩🇪-flag",
        "ｆｕｌｌ",
    ];
    let client = cluster.admin_client().await?;
    cluster.namespace("wide", &[]).await?;
    for (at, name) in names.iter().enumerate() {
        put(&client, "wide", &format!("wide-{at}"), |object| {
            object["status"]["actionPreviews"][0]["involvedObjects"][0]["name"] = (*name).into();
        })
        .await?;
    }
    let args = ["--namespace", "wide"];
    let mut console = Console::start(&cluster.kubeconfig(ADMIN_TOKEN, None)?, &args, &[])?;
    console.shows(&["live", "1 Approvals 8", "日本語データ", "größe", "家族"]).await?;
    for (columns, rows) in [(120, 40), (60, 16), (80, 24), (200, 50), (97, 20)] {
        console.resize(columns, rows)?;
        let what = format!("one column at {columns}x{rows}");
        console
            .until(&what, STEP, |_| {
                // Until then it is the picture of the size before.
                let drawn = console.columns("●", "live") == [columns - 7];
                let arrows = console.columns("→", "pending");
                drawn && arrows.len() == names.len() && arrows.iter().all(|at| *at == arrows[0])
            })
            .await?;
    }
    // Scrolled over, and in full.
    console.keys("jjjjkkG\r").await?;
    console.shows(&["requests.storage: 20Gi"]).await?;
    console.keys("\u{7f}/家族\r").await?;
    console.shows(&["1 of 8", "家族"]).await?;
    ensure!(console.columns("→", "pending").len() == 1, "{}", console.screen());
    Ok(())
}
