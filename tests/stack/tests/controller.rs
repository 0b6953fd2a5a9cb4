//! The process under test, played by a shell.

use std::time::Duration;

use anyhow::Result;
use autopilot_stack::{Controller, ControllerCommand, wait_for};

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> ControllerCommand {
    ControllerCommand {
        binary: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        ..ControllerCommand::default()
    }
    .env("WORD", "hello")
}

#[tokio::test]
async fn its_output_is_kept_and_its_end_is_seen() -> Result<()> {
    let script = "trap 'echo bye; exit 3' TERM; echo $WORD >&2; while :; do sleep 0.05; done";
    let controller = Controller::start(shell(script))?;
    assert_eq!(controller.wait_for_log("hello", LIMIT).await?, "hello");
    assert!(controller.is_running()?);
    controller.sigterm()?;
    assert_eq!(controller.wait(LIMIT).await?.code(), Some(3));
    assert_eq!(controller.log(), "hello\nbye\n");
    assert!(controller.sigterm().is_err(), "an ended process gets no signal");

    let failed = Controller::start(shell("echo broken; exit 1"))?;
    let error = format!("{:#}", failed.wait_for_log("ready", LIMIT).await.unwrap_err());
    assert!(error.contains("exit status: 1") && error.contains("broken"), "{error}");
    Ok(())
}

#[tokio::test]
async fn it_ends_with_its_owner() -> Result<()> {
    let controller = Controller::start(shell("exec sleep 600"))?;
    let entry = format!("/proc/{}", controller.process().pid());
    assert!(std::path::Path::new(&entry).exists());
    drop(controller);
    assert!(!std::path::Path::new(&entry).exists());

    let missing = ControllerCommand { binary: "/no/such/controller".into(), ..ControllerCommand::default() };
    assert!(Controller::start(missing).is_err());
    let error = wait_for::<(), _, _>("the impossible", Duration::from_millis(120), async || {
        anyhow::bail!("not today")
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("waited 0.1 s for the impossible"), "{error}");
    assert!(error.to_string().contains("not today"), "{error}");
    Ok(())
}
