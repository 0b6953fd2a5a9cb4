//! The binary, as a script calls it.

use std::path::Path;
use std::process::Stdio;

use autopilot_tui::cli::OK;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fixture::approval_json;
use crate::server::Server;
use crate::watcher::{SOON, seen};

/// Runs until it is dropped.
fn autopilot(kubeconfig: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_autopilot"))
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
                return line["approval"].as_str().unwrap().to_owned();
            }
        }
    });
    assert_eq!(gone.await.expect("nothing is said to be gone"), format!("pg1/{second}"));
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
