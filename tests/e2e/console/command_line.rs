//! The command line: the same answers, and exit codes that scripts can use.

use std::process::Output;

use anyhow::{Result, ensure};
use autopilot_shared::api::Outcome;
use autopilot_shared::names;
use autopilot_stack::ADMIN_TOKEN;
use serde_json::Value;
use tokio::process::Command;

use crate::scene::{ConsoleScene, NAMESPACE, RULE, VIEWER, approval, until_decided, waiting};
use autopilot_tests::pty::binary;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_does_what_the_console_does() -> Result<()> {
    let ConsoleScene { scene, volumes } = waiting(&["first", "second"]).await?;
    let admin = scene.cluster.kubeconfig(ADMIN_TOKEN, None)?;
    let viewer = scene.cluster.kubeconfig(VIEWER, None)?;
    let state = scene.cluster.dir().join("state");
    let run = async |kubeconfig: &std::path::Path, args: &[&str]| -> Result<(i32, String, String)> {
        let mut command = Command::new(binary()?);
        command
            .args(args)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env("XDG_STATE_HOME", &state)
            .env("XDG_CONFIG_HOME", &state);
        let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((status.code().unwrap_or(-1), text(stdout), text(stderr)))
    };
    let (code, out, _) = run(&admin, &["get", "approvals"]).await?;
    ensure!(code == 0 && out.contains("first") && out.contains("10Gi → 20Gi"), "{out}");
    let (code, out, _) = run(&admin, &["get", "approvals", "-o", "json", "--filter", "pvc=first"]).await?;
    let list: Value = serde_json::from_str(&out)?;
    ensure!(code == 0 && list["items"].as_array().is_some_and(|i| i.len() == 1), "{out}");
    for resource in ["objects", "rules"] {
        let (code, out, _) = run(&admin, &["get", resource, "-o", "wide"]).await?;
        ensure!(code == 0 && out.contains(RULE), "{out}");
    }
    let (code, _, err) = run(&admin, &["approve", "nothing", "--yes"]).await?;
    ensure!(code == 3, "{err}");
    let (code, _, err) = run(&viewer, &["approve", "first", "--yes"]).await?;
    ensure!(code == 5 && err.contains("denied"), "{err}");
    let (code, _, err) = run(&admin, &["approve", "first"]).await?;
    ensure!(code == 1 && err.contains("--yes"), "{err}");
    let (code, _, err) =
        run(&admin, &["approve", "first", "--yes", "--proposal", "0000000000000000"]).await?;
    ensure!(code == 4, "{err}");
    let (code, out, _) = run(&admin, &["approve", "first", "--dry-run"]).await?;
    ensure!(code == 0 && out.contains("dry run"), "{out}");
    ensure!(approval(&scene, &volumes[0]).await?.spec.approval_state.as_deref() == Some("pending"));
    let (code, _, err) = run(&admin, &["decline", "first", "--yes"]).await?;
    ensure!(code == 2 && err.contains("--reason"), "{err}");

    let (code, out, err) =
        run(&admin, &["decline", "first", "--yes", "--reason", "not now", "-o", "json"]).await?;
    let line: Value = serde_json::from_str(&out)?;
    ensure!(code == 0 && line["outcome"] == "done" && line["reason"] == "not now", "{out} {err}");
    let decision = until_decided(&scene, &volumes[0]).await?;
    ensure!(
        decision.outcome == Outcome::Declined && decision.reason == "not now" && decision.via == "console"
    );
    let (code, _, err) = run(&admin, &["approve", "first", "--yes"]).await?;
    ensure!(code == 4 && err.contains("already declined"), "{err}");
    let name = names::approval_name(RULE, &volumes[0]);
    let (code, _, err) = run(&admin, &["delete", &format!("{NAMESPACE}/{name}"), "--yes"]).await?;
    ensure!(code == 0, "{err}");
    let (code, _, err) = run(&admin, &["approve", "second", "--yes"]).await?;
    ensure!(code == 0, "{err}");
    scene.until_request(NAMESPACE, "second", "20Gi").await?;

    let (code, out, _) = run(&admin, &["check"]).await?;
    ensure!(code == 0 && !out.lines().any(|l| l.starts_with("no ")), "{out}");
    let (code, out, _) = run(&viewer, &["check"]).await?;
    ensure!(code == 0 && out.contains("no   you may not patch"), "{out}");
    let (code, out, _) = run(&admin, &["--snapshot", "rules", "--size", "90x20"]).await?;
    ensure!(code == 0 && out.contains(RULE) && out.contains("live"), "{out}");
    let (code, out, _) = run(&admin, &["watch", "--timeout", "3", "-o", "json"]).await?;
    ensure!(code == 0 && out.lines().any(|l| l.contains("\"object\":\"second\"")), "{out}");
    Ok(())
}
