//! The files in `deploy` that are written by hand: what the controller may do, and what the guide's commands
//! find.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use std::path::{Path, PathBuf};

use autopilot_shared::config::Config;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn files(part: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join(part)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn objects(part: &str, kind: &str) -> Vec<Value> {
    files(part).iter().flat_map(|path| documents(path)).filter(|object| object["kind"] == kind).collect()
}

fn only(part: &str, kind: &str) -> Value {
    let mut objects = objects(part, kind);
    assert_eq!(objects.len(), 1, "{kind}");
    objects.remove(0)
}

/// `group/resource [name]: verbs`, sorted.
fn permissions(part: &str, kind: &str) -> Vec<String> {
    let role = only(part, kind);
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        serde_json::from_value(rule.get(key).cloned().unwrap_or(json!([]))).unwrap()
    };
    let mut all = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        let known = ["apiGroups", "resources", "resourceNames", "verbs"];
        assert!(rule.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{rule}");
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                let names = match texts(rule, "resourceNames").join(" ") {
                    names if names.is_empty() => names,
                    names => format!(" [{names}]"),
                };
                all.push(format!("{group}/{resource}{names}: {}", texts(rule, "verbs").join(" ")));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn the_controller_may_do_this_and_no_more() {
    assert_eq!(
        permissions("rbac", "ClusterRole"),
        [
            "/events: create",
            "/namespaces: list watch",
            "/persistentvolumeclaims: get list watch patch",
            "/resourcequotas: list watch",
            "autopilot.libopenstorage.org/actionapprovals/status: patch",
            "autopilot.libopenstorage.org/actionapprovals: get list watch create patch delete",
            "autopilot.libopenstorage.org/autopilotruleobjects/status: patch",
            "autopilot.libopenstorage.org/autopilotruleobjects: get list watch create delete",
            "autopilot.libopenstorage.org/autopilotrules/finalizers: update",
            "autopilot.libopenstorage.org/autopilotrules/status: patch",
            "autopilot.libopenstorage.org/autopilotrules: get list watch patch",
            "storage.k8s.io/storageclasses: list watch",
        ]
    );
    assert_eq!(
        permissions("rbac", "Role"),
        [
            "/configmaps [autopilot-config]: get list watch",
            "coordination.k8s.io/leases [autopilot]: get update",
            "coordination.k8s.io/leases: create",
        ]
    );
}

#[test]
fn pull_requests_take_this_besides_and_no_more() {
    assert_eq!(
        permissions("gitops", "ClusterRole"),
        [
            "/namespaces [kube-system]: get",
            "/pods: list",
            "apps/replicasets: get",
            "batch/jobs: get",
            "kustomize.toolkit.fluxcd.io/kustomizations: list",
            "source.toolkit.fluxcd.io/gitrepositories: list",
        ]
    );
    assert_eq!(permissions("gitops", "Role"), ["/secrets [aut-github]: get list watch"]);
    assert_eq!(
        permissions("gitops-sync", "ClusterRole"),
        ["source.toolkit.fluxcd.io/gitrepositories: patch"]
    );
}

#[test]
fn the_roles_are_bound_to_the_service_account_and_to_nobody_else() {
    let account = only("rbac", "ServiceAccount");
    let subject = json!([{
        "kind": "ServiceAccount",
        "name": account["metadata"]["name"],
        "namespace": account["metadata"]["namespace"],
    }]);
    assert_eq!(account["metadata"]["namespace"], "kube-system");
    for (part, binding, role) in [
        ("rbac", "ClusterRoleBinding", "ClusterRole"),
        ("rbac", "RoleBinding", "Role"),
        ("gitops", "ClusterRoleBinding", "ClusterRole"),
        ("gitops", "RoleBinding", "Role"),
        ("gitops-sync", "ClusterRoleBinding", "ClusterRole"),
    ] {
        let binding = only(part, binding);
        assert_eq!(binding["subjects"], subject);
        assert_eq!(binding["roleRef"]["kind"], role);
        assert_eq!(binding["roleRef"]["name"], only(part, role)["metadata"]["name"]);
    }
    for part in ["rbac", "gitops"] {
        assert_eq!(only(part, "Role")["metadata"]["namespace"], "kube-system");
    }
}

#[test]
fn the_kustomization_names_every_file() {
    let listed = &documents(&folder().join("kustomization.yaml"))[0]["resources"];
    let mut listed: Vec<String> = serde_json::from_value(listed.clone()).unwrap();
    listed.sort();
    let there: Vec<String> = ["crds", "manager", "rbac"]
        .iter()
        .flat_map(|part| files(part))
        .map(|path| path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn the_guides_commands_find_the_deployment_and_its_metrics() {
    let deployment = only("manager", "Deployment");
    let labels = json!({ "name": "autopilot", "tier": "control-plane" });
    assert_eq!(deployment["metadata"]["labels"], labels);
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"], labels);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], concat!("autopilot-controller:", env!("CARGO_PKG_VERSION")));

    let service = only("manager", "Service");
    assert_eq!(service["metadata"]["labels"]["name"], "autopilot-service");
    assert_eq!(service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["ports"][0]["name"], "autopilot");
    assert_eq!(service["spec"]["ports"][0]["port"], 9628);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);
    assert_eq!(container["ports"][0]["containerPort"], 9628);
}

#[test]
fn the_shipped_configuration_is_the_default_one() {
    let config = only("manager", "ConfigMap");
    assert_eq!(config["metadata"]["name"], "autopilot-config");
    let text = config["data"]["config.yaml"].as_str().unwrap();
    assert_eq!(Config::parse(text).unwrap(), Config::default());
}
