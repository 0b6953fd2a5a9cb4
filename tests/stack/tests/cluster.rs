//! The harness's own cluster: what the end-to-end tests take for granted.

use std::time::Duration;

use anyhow::Result;
use autopilot_stack::{Behaviour, Cluster, ClusterOptions, CsiDriver, User, wait_for};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;

const LIMIT: Duration = Duration::from_secs(30);

async fn capacity(claims: &Api<PersistentVolumeClaim>, name: &str) -> Result<Option<String>> {
    let status = claims.get(name).await?.status;
    Ok(status.and_then(|status| status.capacity?.get("storage").map(|quantity| quantity.0.clone())))
}

#[tokio::test]
async fn rbac_decides_what_users_and_service_accounts_may() -> Result<()> {
    let reader = User { token: "reader-token".into(), name: "reader".into(), groups: vec!["readers".into()] };
    let cluster =
        Cluster::start(ClusterOptions { users: vec![reader], ..ClusterOptions::without_binder() }).await?;
    cluster.namespace("apps", &[]).await?;
    cluster.kubectl(&["create", "serviceaccount", "robot", "-n", "apps"]).await?.ok()?;
    let robot = cluster.service_account_token("apps", "robot").await?;

    for token in ["reader-token", robot.as_str()] {
        let refused = cluster.kubectl_as(token, &["get", "pvc", "-n", "apps"], None).await?;
        assert!(!refused.status.success() && refused.stderr.contains("orbidden"), "{refused:?}");
    }
    cluster
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: claims, namespace: apps}
rules:
- {apiGroups: [''], resources: [persistentvolumeclaims], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: claims, namespace: apps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: claims}
subjects:
- {kind: Group, name: readers, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: robot, namespace: apps}
",
        )
        .await?;
    for token in ["reader-token", robot.as_str()] {
        wait_for("the binding to count", LIMIT, async || {
            let output = cluster.kubectl_as(token, &["get", "pvc", "-n", "apps"], None).await?;
            Ok(output.status.success().then_some(()))
        })
        .await?;
    }

    // Frozen: the connection stands, no answer comes. Thawed: it comes.
    cluster.freeze_apiserver().await?;
    let question = cluster.kubectl(&["get", "namespace", "apps", "-o", "name"]);
    let mut question = std::pin::pin!(question);
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut question).await.is_err());
    cluster.thaw_apiserver().await?;
    assert_eq!(question.await?.ok()?.trim(), "namespace/apps");

    // Stopped: refused. Started: back on its port with its data.
    cluster.stop_apiserver().await;
    let refused = cluster.kubectl(&["get", "--raw", "/readyz"]).await?;
    assert!(refused.stderr.contains("refused"), "{refused:?}");
    cluster.start_apiserver().await?;
    let names = cluster.kubectl(&["get", "serviceaccounts", "-n", "apps", "-o", "name"]).await?.ok()?;
    assert_eq!(names.trim(), "serviceaccount/robot");
    Ok(())
}

#[tokio::test]
async fn the_driver_resizes_bound_claims_as_it_is_told() -> Result<()> {
    for controller_manager in [true, false] {
        let cluster =
            Cluster::start(ClusterOptions { controller_manager, ..ClusterOptions::default() }).await?;
        let driver = CsiDriver::start(&cluster).await?;
        cluster.namespace("apps", &[("team", "a")]).await?;
        driver.storage_class("grows", true).await?;
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.admin_client().await?, "apps");
        let ask = async |name: &str, size: &str| {
            let patch = format!("{{\"spec\":{{\"resources\":{{\"requests\":{{\"storage\":\"{size}\"}}}}}}}}");
            cluster.kubectl(&["patch", "pvc", name, "-n", "apps", "-p", &patch]).await?.ok()
        };
        let becomes = async |name: &str, size: &str| {
            wait_for(&format!("{name} to be {size}"), LIMIT, async || {
                Ok((capacity(&claims, name).await?.as_deref() == Some(size)).then_some(()))
            })
            .await
        };

        let volume = driver.provision("apps", "db", "10Gi", &[("app", "db")], "grows").await?;
        let uid = claims.get("db").await?.metadata.uid.unwrap_or_default();
        assert_eq!(volume, format!("pvc-{uid}"));
        assert_eq!(capacity(&claims, "db").await?.as_deref(), Some("10Gi"));

        if controller_manager {
            // The driver comes back by itself.
            cluster.restart_apiserver().await?;
        }
        ask("db", "20Gi").await?;
        becomes("db", "20Gi").await?;
        let size = cluster
            .kubectl(&["get", "pv", &volume, "-o", "jsonpath={.spec.capacity.storage}"])
            .await?
            .ok()?;
        assert_eq!(size, "20Gi");

        driver.set("apps", "db", Behaviour::Infeasible);
        ask("db", "40Gi").await?;
        let state = "jsonpath={.status.allocatedResourceStatuses.storage} {.status.conditions[*].type}";
        let shows = async |expected: &str| {
            wait_for(expected, LIMIT, async || {
                let shown = cluster.kubectl(&["get", "pvc", "db", "-n", "apps", "-o", state]).await?.ok()?;
                Ok((shown.trim() == expected).then_some(()))
            })
            .await
        };
        shows("ControllerResizeInfeasible ControllerResizeError").await?;
        driver.set("apps", "db", Behaviour::Failing("no space left in pool".into()));
        shows("ControllerResizeInProgress ControllerResizeError").await?;
        assert_eq!(capacity(&claims, "db").await?.as_deref(), Some("20Gi"));
        driver.set("apps", "db", Behaviour::Slow(Duration::from_millis(300)));
        becomes("db", "40Gi").await?;
        shows("").await?;

        let resizes: Vec<_> = driver.resizes().into_iter().map(|resize| (resize.from, resize.to)).collect();
        assert_eq!(resizes, [("10Gi".into(), "20Gi".into()), ("20Gi".into(), "40Gi".into())]);
        assert_eq!(driver.requests("apps", "db"), ["10Gi", "20Gi", "40Gi"]);

        // A claim takes its volume with it.
        cluster.kubectl(&["delete", "pvc", "db", "-n", "apps", "--timeout=20s"]).await?.ok()?;
        cluster.kubectl(&["wait", "--for=delete", &format!("pv/{volume}"), "--timeout=20s"]).await?.ok()?;
        if controller_manager {
            cluster.kubectl(&["delete", "namespace", "apps", "--timeout=30s"]).await?.ok()?;
        }
    }
    Ok(())
}
