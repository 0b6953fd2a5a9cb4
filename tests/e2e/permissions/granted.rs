//! The permissions of the service account as the API server sees them, and those that are used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::AutopilotRule;
use autopilot_stack::{FaultProxy, Recorded};
use autopilot_tests::objects::original_approval;
use autopilot_tests::{RuleText, Scene, SceneOptions};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// In every namespace: `group/resource [names]`, and the verbs.
const EVERYWHERE: &[(&str, &str)] = &[
    ("/events", "create"),
    ("/namespaces", "list watch"),
    ("/persistentvolumeclaims", "get list patch watch"),
    ("/resourcequotas", "list watch"),
    ("autopilot.libopenstorage.org/actionapprovals", "create delete get list patch watch"),
    ("autopilot.libopenstorage.org/actionapprovals/status", "patch"),
    ("autopilot.libopenstorage.org/autopilotruleobjects", "create delete get list watch"),
    ("autopilot.libopenstorage.org/autopilotruleobjects/status", "patch"),
    ("autopilot.libopenstorage.org/autopilotrules", "get list patch watch"),
    ("autopilot.libopenstorage.org/autopilotrules/finalizers", "update"),
    ("autopilot.libopenstorage.org/autopilotrules/status", "patch"),
    ("storage.k8s.io/storageclasses", "list watch"),
];

/// In its own namespace, besides.
const AT_HOME: &[(&str, &str)] = &[
    ("/configmaps [autopilot-config]", "get list watch"),
    ("coordination.k8s.io/leases", "create"),
    ("coordination.k8s.io/leases [autopilot]", "get update"),
];

/// Granted by Kubernetes to every account: to ask what it may do, and who it is.
const EVERYBODY: &[(&str, &str)] = &[
    ("authentication.k8s.io/selfsubjectreviews", "create"),
    ("authorization.k8s.io/selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io/selfsubjectrulesreviews", "create"),
];

/// Granted for what does not happen in every run.
const SELDOM: &[(&str, &str)] = &[
    // Read again after a write that met a newer version.
    ("autopilot.libopenstorage.org/autopilotrules", "get"),
    ("autopilot.libopenstorage.org/autopilotruleobjects", "get"),
    ("autopilot.libopenstorage.org/actionapprovals", "get"),
    ("/persistentvolumeclaims", "get"),
    // Asked for by the admission plugin OwnerReferencesPermissionEnforcement, never by a request of ours.
    ("autopilot.libopenstorage.org/autopilotrules/finalizers", "update"),
    ("/configmaps [autopilot-config]", "get"),
];

fn table(parts: &[&[(&str, &str)]]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for (what, verbs) in parts.concat() {
        all.entry(what.to_owned()).or_default().extend(verbs.split(' ').map(str::to_owned));
    }
    all
}

/// Returns what an account may do in a namespace, by its own question.
async fn granted(client: &Client, namespace: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let answer =
        Api::<SelfSubjectRulesReview>::all(client.clone()).create(&PostParams::default(), &review).await?;
    let status = answer.status.unwrap_or_default();
    ensure!(!status.incomplete, "the server does not know all");
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for rule in status.resource_rules {
        let names = match rule.resource_names.unwrap_or_default().join(" ") {
            names if names.is_empty() => names,
            names => format!(" [{names}]"),
        };
        for group in rule.api_groups.unwrap_or_default() {
            for resource in rule.resources.iter().flatten() {
                all.entry(format!("{group}/{resource}{names}")).or_default().extend(rule.verbs.clone());
            }
        }
    }
    for rule in status.non_resource_rules {
        ensure!(rule.verbs == ["get"], "{rule:?}");
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_account_may_do_exactly_what_the_table_says() -> Result<()> {
    let scene = Scene::start(SceneOptions::default()).await?;
    scene.cluster.namespace("pg1", &[]).await?;
    let account = scene.cluster.client(&scene.token).await?;
    for (namespace, expected) in [
        ("kube-system", table(&[EVERYWHERE, AT_HOME, EVERYBODY])),
        ("pg1", table(&[EVERYWHERE, EVERYBODY])),
        ("default", table(&[EVERYWHERE, EVERYBODY])),
    ] {
        let found = granted(&account, namespace).await?;
        ensure!(found == expected, "{namespace}: found {found:#?}\nexpected {expected:#?}");
    }

    // What would be worth stealing is not to be had.
    let everywhere = ListParams::default();
    let denied = [
        Api::<Secret>::all(account.clone()).list(&everywhere).await.map(drop),
        Api::<Secret>::namespaced(account.clone(), "kube-system").list(&everywhere).await.map(drop),
        Api::<Secret>::namespaced(account.clone(), "kube-system").get("aut-github").await.map(drop),
        Api::<Pod>::all(account.clone()).list(&everywhere).await.map(drop),
        Api::<Node>::all(account.clone()).list(&everywhere).await.map(drop),
        Api::<ConfigMap>::namespaced(account.clone(), "kube-system").list(&everywhere).await.map(drop),
        Api::<ConfigMap>::namespaced(account.clone(), "pg1").list(&everywhere).await.map(drop),
        Api::<ServiceAccount>::all(account.clone()).list(&everywhere).await.map(drop),
        Api::<PersistentVolumeClaim>::namespaced(account.clone(), "pg1")
            .delete("any", &DeleteParams::default())
            .await
            .map(drop),
        Api::<AutopilotRule>::all(account.clone()).delete("any", &DeleteParams::default()).await.map(drop),
    ];
    for (i, answer) in denied.into_iter().enumerate() {
        let code = match answer {
            Err(kube::Error::Api(status)) => status.code,
            other => anyhow::bail!("request {i}: {other:?}"),
        };
        ensure!(code == 403, "request {i}: {code}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_cycles_need_every_permission_and_no_other() -> Result<()> {
    // Given a controller whose every request is noted.
    let mut scene = Scene::start(SceneOptions::default()).await?;
    let proxy = FaultProxy::to_cluster(&scene.cluster)?;
    scene.cluster.namespace("pg1", &[("type", "db")]).await?;
    let mut volumes = BTreeMap::new();
    for claim in ["approved", "declined", "deleted", "stale"] {
        let volume = scene.claim("pg1", claim, "10Gi", &[("app", "postgres")]).await?;
        scene.usage(&volume, 6.0, 10.0);
        volumes.insert(claim, volume);
    }
    scene.cluster.apply(&RuleText::new("ask").text()).await?;
    scene.controller_at(&proxy.url(), &[]).await?;
    let mut names = BTreeMap::new();
    for (claim, volume) in &volumes {
        let question = scene.until_pending("pg1", "ask", volume).await?;
        names.insert(*claim, question.metadata.name.unwrap_or_default());
    }

    // When questions are approved, declined, spoilt, lose their PVC and their rule,
    scene.answer("pg1", &names["approved"], "approved").await?;
    scene.until_request("pg1", "approved", "20Gi").await?;
    scene.usage(&volumes["approved"], 6.0, 20.0);
    scene.until_state("pg1", "ask", &volumes["approved"], RuleState::Normal).await?;
    scene.answer("pg1", &names["declined"], "declined").await?;
    scene.until_state("pg1", "ask", &volumes["declined"], RuleState::ActionsDeclined).await?;
    let spoilt =
        json!({ "spec": { "actions": [{ "name": "resize" }], "approvalState": "approved" } }).to_string();
    let patch = ["patch", "actionapproval", &names["stale"], "-n", "pg1", "--type=merge", "-p", &spoilt];
    scene.cluster.kubectl(&patch).await?.ok()?;
    scene.until_pending("pg1", "ask", &volumes["stale"]).await?;
    scene.cluster.kubectl(&["delete", "pvc", "deleted", "-n", "pg1"]).await?.ok()?;
    scene
        .until("the journal of the PVC that is gone is removed", async || {
            Ok(scene.journal("pg1", "ask", &volumes["deleted"]).await?.is_none().then_some(()))
        })
        .await?;
    scene.cluster.kubectl(&["delete", "autopilotrule", "ask"]).await?.ok()?;
    // The original's finalizer on something that it left is released.
    let left = original_approval("pvc-of-nobody", "nobody", "pg1", "nobody");
    scene.cluster.apply(&left).await?;
    scene.cluster.kubectl(&["delete", "actionapproval", "nobody-pvc-of-nobody", "-n", "pg1"]).await?.ok()?;
    scene.running()?.sigterm()?;
    let status = scene.running()?.wait(std::time::Duration::from_secs(20)).await?;
    ensure!(status.success(), "{status}");

    // then nothing was denied, and nothing was granted for nothing.
    let requests = proxy.requests();
    let denied: Vec<&Recorded> = requests.iter().filter(|r| matches!(r.status, Some(401 | 403))).collect();
    ensure!(denied.is_empty(), "{denied:#?}");
    let used: BTreeSet<(String, String)> = requests.iter().filter_map(used).collect();
    let unused: Vec<(String, String)> = table(&[EVERYWHERE, AT_HOME])
        .into_iter()
        .flat_map(|(what, verbs)| verbs.into_iter().map(move |verb| (what.clone(), verb)))
        .filter(|(what, verb)| {
            let bare = what.split(' ').next().unwrap_or(what).to_owned();
            !used.contains(&(bare, verb.clone())) && !SELDOM.contains(&(what.as_str(), verb.as_str()))
        })
        .collect();
    ensure!(unused.is_empty(), "granted and not used: {unused:#?}");
    Ok(())
}

/// Returns the permission that a request needs: `group/resource`, and the verb.
fn used(request: &Recorded) -> Option<(String, String)> {
    let path: Vec<&str> = request.resource().trim_matches('/').split('/').collect();
    let (group, rest) = match path.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    // A namespace stands before the resource, unless it is the resource.
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let (resource, name) = match rest {
        [resource] => ((*resource).to_owned(), None),
        [resource, name] => ((*resource).to_owned(), Some(name)),
        [resource, name, sub, ..] => (format!("{resource}/{sub}"), Some(name)),
        [] => return None,
    };
    let verb = match (request.method.as_str(), name) {
        ("GET", Some(_)) => "get",
        ("GET", None) if request.path.contains("watch=true") => "watch",
        ("GET", None) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        _ => return None,
    };
    Some((format!("{group}/{resource}"), verb.to_owned()))
}
