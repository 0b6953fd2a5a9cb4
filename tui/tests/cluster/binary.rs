//! The binary, as a script calls it.

use std::path::Path;
use std::process::Stdio;

use autopilot_tui::cli::exit_code::{DENIED, OK};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fixture::{approval_json, harmless};
use crate::server::{Answer, Server};
use crate::watcher::{SOON, seen};

/// Runs until it is dropped. What a script runs in the background ignores SIGINT, and so does what that starts: here it
/// means what it does in a terminal.
fn autopilot(kubeconfig: &Path, args: &[&str]) -> Child {
    Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_autopilot")])
        .args(args)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .env("AUTOPILOT_CONFIG", "/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn watch_says_what_went_while_nobody_could_tell() {
    let server = Server::start().await;
    for (number, claim) in [(1, "first"), (2, "second")] {
        server.put("actionapprovals", approval_json(number, "pg1", claim, "82", 5));
    }
    let kubeconfig = server.kubeconfig("watch", &json!({ "token": "maria" }));
    let mut child = autopilot(&kubeconfig, &["watch", "-o", "json"]);
    seen("a watch", || server.count(|a| a.watches("actionapprovals")) > 0).await;
    let second = approval_json(2, "pg1", "second", "82", 5)["metadata"]["name"].as_str().unwrap().to_owned();
    server.vanish("actionapprovals", &second);
    let expired = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                          "reason": "Expired", "message": "too old resource version" });
    server.say("actionapprovals", json!({ "type": "ERROR", "object": expired }));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let gone = timeout(SOON, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["change"] == "gone" {
                return line;
            }
        }
    });
    let gone = gone.await.expect("nothing is said to be gone");
    assert_eq!(gone["approval"], second.as_str());
    // It has the shape of every other line.
    assert_eq!(
        (&gone["namespace"], &gone["uid"], &gone["object"]),
        (&json!("pg1"), &json!("uid-2"), &json!("second"))
    );
}

#[tokio::test]
async fn nobody_reading_to_the_end_is_no_failure() {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    let kubeconfig = server.kubeconfig("head", &json!({ "token": "maria" }));
    for args in [
        &["get", "approvals"][..],
        &["get", "approvals", "-o", "json"],
        &["check"],
        &["keys"],
        &["man"],
        &["completions", "bash"],
        &["--snapshot", "approvals"],
    ] {
        let mut child = autopilot(&kubeconfig, args);
        drop(child.stdout.take());
        let ended = timeout(SOON, child.wait_with_output()).await.expect("it hangs").unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(i32::from(OK)) && said.is_empty(), "{args:?}: {ended:?} {said}");
    }
}

#[tokio::test]
async fn watch_without_the_right_to_list_ends_as_other_commands_do() {
    let server = Server::start().await;
    server.otherwise(|asked| {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
                             "reason": "Forbidden", "message": "maria may not \u{1b}[31mlist\u{202e} actionapprovals" });
        asked.path.ends_with("/actionapprovals").then_some(Answer::Json(403, status))
    });
    let kubeconfig = server.kubeconfig("watch-denied", &json!({ "token": "maria" }));
    for args in [
        &["watch"][..],
        &["get", "approvals"],
        &["get", "approvals", "-o", "wide"],
        &["approve", "x", "--yes"],
    ] {
        let child = autopilot(&kubeconfig, args);
        let ended = timeout(SOON, child.wait_with_output()).await.expect("it goes on").unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(i32::from(DENIED)), "{args:?}: {said}");
        assert!(said.contains("maria may not") && said.split('\n').all(harmless), "{args:?}: {said:?}");
    }
}

/// What it says until a line has this, and no more.
async fn said_until(mut child: Child, part: &str) -> (String, String) {
    let (mut lines, mut out) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    let said = async {
        while !out.contains(part) {
            assert!(lines.read_line(&mut out).await.unwrap() > 0, "it ended: {out:?}");
        }
    };
    timeout(SOON, said).await.expect("that is not said");
    child.start_kill().unwrap();
    let ended = child.wait_with_output().await.unwrap();
    (out, String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test]
async fn hostile_text_is_text_on_every_output() {
    let server = Server::start().await;
    let hostile = "grow\rshrink\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}dnwo\u{2066}x\u{2069}\u{200b}";
    let mut object = approval_json(1, "pg1", "first", "82", 5);
    object["status"]["actionPreviews"][0]["involvedObjects"][0]["name"] = hostile.into();
    object["status"]["proposal"]["to"] = hostile.into();
    object["status"]["Rule"]["Name"] = hostile.into();
    object["spec"]["approvalState"] = hostile.into();
    object["spec"]["actions"][0]["proposal"] = hostile.into();
    object["status"]["pullRequest"] = json!({ "number": 7, "url": hostile, "state": "open", "by": hostile });
    server.put("actionapprovals", object);
    let kubeconfig = server.kubeconfig("hostile", &json!({ "token": "maria" }));
    for args in [
        &["get", "approvals"][..],
        &["get", "approvals", "-o", "wide"],
        &["get", "approvals", "-o", "json"],
        &["get", "approvals", "-o", "yaml"],
        &["--snapshot", "approvals", "--size", "160x20"],
        &["watch"],
        &["watch", "-o", "json"],
    ] {
        let child = autopilot(&kubeconfig, args);
        let (out, err) = if args[0] == "watch" {
            said_until(child, "shrink").await
        } else {
            let ended = timeout(SOON, child.wait_with_output()).await.expect("it hangs").unwrap();
            (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
        };
        let all = [&out, &err].into_iter().all(|text| text.split('\n').all(harmless));
        assert!(out.contains("shrink") && all, "{args:?}: {out:?} {err:?}");
    }
}

#[tokio::test]
async fn a_credential_plugin_that_hangs_is_named_and_can_be_left() {
    let server = Server::start().await;
    let user = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["30"],
        "interactiveMode": "IfAvailable",
    } });
    let kubeconfig = server.kubeconfig("hanging-at-start", &user);
    // The console, before it takes the terminal, and the command line.
    for args in [&[][..], &["get", "approvals"]] {
        let mut child = autopilot(&kubeconfig, args);
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = timeout(SOON, said.next_line()).await.expect("nothing is said").unwrap();
        assert_eq!(
            line.as_deref(),
            Some("autopilot: waiting for the credential plugin sleep (Ctrl-C leaves)"),
            "{args:?}"
        );
        // What Ctrl-C sends.
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        let ended = timeout(SOON, child.wait()).await.expect("Ctrl-C does nothing").unwrap();
        assert!(!ended.success());
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_and_the_others_are_decided() {
    let server = Server::start().await;
    server.put("actionapprovals", approval_json(1, "pg1", "first", "82", 5));
    let mut odd = approval_json(2, "pg1", "second", "82", 5);
    odd["status"]["decision"] = json!({ "digest": "d", "outcome": "perhaps" });
    let name = odd["metadata"]["name"].as_str().unwrap().to_owned();
    server.put("actionapprovals", odd);
    let kubeconfig = server.kubeconfig("odd", &json!({ "token": "maria" }));
    let call = async |args: &[&str]| {
        let ended = timeout(SOON, autopilot(&kubeconfig, args).wait_with_output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
    };
    let (code, out, err) = call(&["get", "approvals"]).await;
    assert!(code == i32::from(OK) && out.contains("first") && out.contains("unclear"), "{out} {err}");
    assert!(err.contains(&format!("pg1/{name} cannot be read: unknown variant `perhaps`")), "{err}");
    let (code, out, err) = call(&["approve", "first", "--yes", "--dry-run"]).await;
    assert!(code == i32::from(OK) && out.contains("approved"), "{out} {err}");
    let (code, _, err) = call(&["approve", &name, "--yes", "--dry-run"]).await;
    assert!(code != i32::from(OK) && err.contains("it cannot be read"), "{err}");
    assert_eq!(server.count(|a| a.method == "PATCH"), 1);
}
