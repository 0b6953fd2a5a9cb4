//! The walk-through as a person reads it.

use std::time::Instant;

use anyhow::Result;
use kube::ResourceExt as _;

use super::pace::Pace;
use super::print::{heading, title};
use super::stage::Stage;
use super::walk::{NAMESPACE, RULE, Walk};

/// Plays the whole scenario, and checks it on the way.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn play(pace: Pace) -> Result<()> {
    let start = Instant::now();
    title("Autopilot, from a metric to a resized volume");
    println!(
        "Everything here is real: etcd, kube-apiserver, kube-controller-manager and Prometheus run on this machine,\n\
         kubectl talks to them, and the controller has the permissions of deploy/rbac and no other. Only the storage is\n\
         played: a CSI driver that resizes volumes at once, and an exporter with the volumes' usage.\n"
    );
    println!("Starting the servers ...\n");
    let mut stage = Stage::new(pace).await?;

    heading("Install");
    stage.install().await?;
    stage.start_controller().await?;
    println!("autopilot-controller runs with the token of ServiceAccount kube-system/autopilot.\n");

    heading("Two volumes of a database");
    let mut walk = Walk::new(&stage, NAMESPACE, "db", RULE).await?;
    walk.until_usage(30.0).await?;

    heading("The rule");
    let shell = &stage.shell;
    shell.run("cat tests/fixtures/volume-resize.yaml").await?;
    shell.run("kubectl apply -f tests/fixtures/volume-resize.yaml").await?;
    if pace == Pace::GUIDE {
        println!(
            "Its times are the defaults: poll every 10 s, `for` 30 s, cool-down 300 s. This takes a while.\n"
        );
    } else {
        println!(
            "Shortened here: poll, `for` and cool-down are seconds instead of 10 s, 30 s and 300 s.\n\
             REAL_TIME=1 leaves the rule untouched.\n"
        );
        stage.set_times(RULE).await?;
    }
    walk.starts_normal().await?;
    walk.show_events().await?;
    shell.run(&format!("kubectl get autopilotrule {RULE} -o wide")).await?;

    heading("The volume fills, and a person is asked");
    let question = walk.is_asked(6.0, 60.0, "PVC will resize from 10Gi to 20Gi").await?;

    heading("Ending 1: approve");
    walk.approve(&question.name_any(), &["10Gi", "20Gi"]).await?;
    println!("The claim tells the story as well:\n");
    shell.run("kubectl describe pvc pgbench-data -n pg1 | grep Transition").await?;

    heading("Ending 2: decline");
    println!("The volume fills again.\n");
    let question = walk.is_asked(17.0, 85.0, "PVC will resize from 20Gi to 40Gi").await?;
    walk.decline(&question.name_any()).await?;
    walk.stays_quiet().await?;

    heading("Ending 3: delete the declined approval");
    println!("Whoever deletes it wants to be asked again.\n");
    walk.delete_declined(&question).await?;

    heading("Ending 4: no enforcement");
    println!(
        "Without `enforcement` nobody is asked. The open question is taken back, and the volume grows once.\n"
    );
    walk.remove_enforcement().await?;
    walk.resizes_alone(&["ActionAwaitingApproval => Triggered"], &["10Gi", "20Gi", "40Gi"]).await?;

    heading("What happened to each volume");
    shell.run("kubectl get aro -n pg1 -o wide").await?;
    println!("The history of pgbench-data, with what people answered:\n");
    shell
        .run(
            "kubectl get aro -n pg1 -o jsonpath='{range .items[*].status.items[*]}\
             {.lastProcessTimestamp}{\"  \"}{.state}{\"  \"}{.reason}{\"\\n\"}{end}'",
        )
        .await?;
    walk.check_untouched().await?;
    shell.run("kubectl get pvc -n pg1").await?;
    println!(
        "pgbench-state was at 90 % all the time. It has no label that the rule selects: no write, no event, no approval.\n"
    );
    stage.stop_controller().await?;
    println!("All as it should be, after {} s.", start.elapsed().as_secs());
    Ok(())
}
