//! Credential plugins: they may ask before the terminal is taken, and not afterwards.

use std::path::PathBuf;
use std::time::Duration;

use autopilot_tui::cluster::Source;
use serde_json::{Value, json};

use autopilot_tui::connection::Trouble;
use autopilot_tui::model::{Model, Outage};

use crate::server::{Answer, Server};
use crate::watcher::{Watcher, times};

/// A user whose token comes from a script; what the script was told is in the file.
fn user(script: &str, file: &str) -> (Value, PathBuf) {
    let told = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
    let _ = std::fs::remove_file(&told);
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": "maria" },
    });
    let script = format!("{script}\necho '{answer}'");
    let user = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
        "env": [{ "name": "TOLD", "value": told }], "interactiveMode": "IfAvailable",
    } });
    (user, told)
}

#[tokio::test]
async fn a_plugin_asks_before_the_terminal_is_taken_and_never_afterwards() {
    let server = Server::start().await;
    let (user, told) = user("printf '%s\\n' \"$KUBERNETES_EXEC_INFO\" >> \"$TOLD\"", "plugin-told");
    let kubeconfig = server.kubeconfig("plugin", &user);
    let mut source = Source { kubeconfig: Some(kubeconfig), ..Source::default() };
    source.log_in().await;
    source.taken = true;
    let session = source.open().await.unwrap();
    session.renew().await.unwrap();
    let interactive: Vec<bool> = std::fs::read_to_string(&told)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["spec"]["interactive"].as_bool().unwrap())
        .collect();
    // For each client kube asks it several times.
    assert!(interactive[0] && interactive.len() > 2, "{interactive:?}");
    assert!(!interactive[1..].contains(&true), "{interactive:?}");
}

/// The runtime of this test has one thread: if the plugin had it, nobody would let the plugin go on.
#[tokio::test]
async fn while_a_plugin_runs_everything_else_goes_on() {
    let server = Server::start().await;
    let wait = "i=0; while [ ! -e \"$TOLD\" ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done";
    let (user, told) = user(wait, "plugin-waits");
    let source = Source { kubeconfig: Some(server.kubeconfig("slow-plugin", &user)), ..Source::default() };
    let opening = tokio::spawn(async move { source.open().await.map(drop) });
    tokio::time::timeout(Duration::from_secs(5), tokio::task::yield_now()).await.unwrap();
    std::fs::write(&told, "go on").unwrap();
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_plugin_that_fails_is_about_credentials_and_its_environment_is_not_told() {
    let server = Server::start().await;
    let (user, told) = user("echo 'log in first' >&2; exit 3", "plugin-secret");
    let kubeconfig = server.kubeconfig("failing-plugin", &user);
    let source = Source { kubeconfig: Some(kubeconfig), taken: true, ..Source::default() };
    let mut watcher = Watcher::start(source);
    watcher.until("trouble", |m| m.link.outage.is_some()).await;
    let Outage { trouble, text, .. } = watcher.model.link.outage.take().unwrap();
    assert_eq!(trouble, Trouble::Unauthorized);
    assert!(text.as_str().ends_with("log in first"), "{text}");
    assert!(!text.as_str().contains(told.to_str().unwrap()), "{text}");
}

/// Waits as long as the file is there, but not for ever.
const HANG: &str = "i=0; while [ -e \"$TOLD\" ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done";

#[tokio::test]
async fn a_plugin_that_hangs_is_told_and_waited_for() {
    let server = Server::start().await;
    let (user, hangs) = user(HANG, "plugin-hangs");
    std::fs::write(&hangs, "").unwrap();
    let kubeconfig = server.kubeconfig("hanging-plugin", &user);
    let source = Source { kubeconfig: Some(kubeconfig), taken: true, times: times(), ..Source::default() };
    let mut watcher = Watcher::start(source);
    let told = |m: &Model| {
        m.link.outage.as_ref().is_some_and(|o| o.text.as_str().contains("plugin does not answer"))
    };
    watcher.until("trouble", told).await;
    std::fs::remove_file(&hangs).unwrap();
    watcher.until("contact", |m| m.link.outage.is_none() && m.link.contact.is_some()).await;

    // The same while the console runs and its credentials expire.
    std::fs::write(&hangs, "").unwrap();
    server.otherwise(|_| {
        Some(Answer::Json(401, json!({ "kind": "Status", "code": 401, "message": "expired" })))
    });
    watcher.task.wake();
    watcher.until("trouble again", told).await;
    std::fs::remove_file(&hangs).unwrap();
    server.otherwise(|_| None);
    watcher.until("contact again", |m| m.link.outage.is_none()).await;
}
