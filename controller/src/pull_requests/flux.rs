//! Obstacles between a merge and the cluster, according to Flux.

use std::collections::BTreeSet;
use std::fmt;

use autopilot_shared::error::chain;
use autopilot_shared::text::one_line;
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::act::FIELD_MANAGER;
use crate::pull_requests::plan::Finding;
use crate::pull_requests::worker::Merged;

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const SOURCE: &str = "source.toolkit.fluxcd.io";
/// Most objects of a kind that are read; more would be a strange cluster.
const LIMIT: u32 = 500;
/// Longest message that is repeated.
const LONGEST: usize = 300;

/// Namespace and name of an object of Flux.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<&DynamicObject> for ObjectName {
    fn from(object: &DynamicObject) -> Self {
        ObjectName { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// A Kustomization of Flux.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kustomization {
    pub(crate) name: ObjectName,
    /// Name of its GitRepository.
    pub(crate) source: ObjectName,
    /// Its path, without `./` and slashes at the ends.
    pub(crate) path: String,
    /// It is suspended.
    pub(crate) suspended: bool,
    /// The namespace that it puts everything into.
    pub(crate) target_namespace: Option<String>,
    /// The reason why it is not ready.
    pub(crate) failing: Option<String>,
    /// The revision that it applied last.
    pub(crate) applied: String,
}

/// A GitRepository of Flux.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GitSource {
    pub(crate) name: ObjectName,
    /// The repository that it fetches.
    pub(crate) url: String,
    /// The branch that it fetches; empty if it names none.
    pub(crate) branch: String,
    /// It is suspended.
    pub(crate) suspended: bool,
    /// The reason why it is not ready.
    pub(crate) failing: Option<String>,
    /// The revision that it fetched last.
    pub(crate) fetched: String,
    /// Time of that fetch.
    pub(crate) updated: Option<Timestamp>,
}

/// Reads what stands in the way of a merge.
pub(crate) async fn findings(client: &Client, asked: &Merged) -> Vec<Finding> {
    let kustomizations = list(client, KUSTOMIZE, "Kustomization").await;
    let sources = list(client, SOURCE, "GitRepository").await;
    match (kustomizations, sources) {
        (Some(kustomizations), Some(sources)) => {
            let kustomizations: Vec<Kustomization> = kustomizations.iter().map(kustomization).collect();
            let sources: Vec<GitSource> = sources.iter().map(source).collect();
            diagnose(&kustomizations, &sources, asked)
        }
        _ => vec![Finding::Unknown],
    }
}

/// Asks Flux to fetch now; what is applied follows from that.
pub(crate) async fn request_reconcile(client: &Client, asked: &Merged) {
    let (Some(kustomizations), Some(sources)) =
        (list(client, KUSTOMIZE, "Kustomization").await, list(client, SOURCE, "GitRepository").await)
    else {
        return;
    };
    let kustomizations: Vec<Kustomization> = kustomizations.iter().map(kustomization).collect();
    let sources: Vec<GitSource> = sources.iter().map(source).collect();
    let names: BTreeSet<&ObjectName> =
        applying(&kustomizations, &sources, asked).into_iter().map(|(_, source)| &source.name).collect();
    let now = Timestamp::now().to_string();
    let patch = json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": now } } });
    for ObjectName { namespace, name } in names {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(SOURCE, "v1", "GitRepository"));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        if let Err(error) = api.patch(name, &params, &Patch::Merge(&patch)).await {
            tracing::warn!(namespace, name, error = chain(&error), "Flux was not asked to fetch");
        }
    }
}

/// Returns all objects of a kind; `None` if they cannot be read, most likely because there is no Flux.
async fn list(client: &Client, group: &str, kind: &str) -> Option<Vec<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let listed = api.list(&ListParams::default().limit(LIMIT)).await;
    listed.ok().map(|list| list.items)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the reason why an object is not ready.
fn failing(data: &Value) -> Option<String> {
    let conditions = data.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready");
    let ready = ready.filter(|c| c["status"] == "False")?;
    let message = ready["message"].as_str().unwrap_or_default();
    Some(one_line(message, LONGEST))
}

fn kustomization(object: &DynamicObject) -> Kustomization {
    let data = &object.data;
    // Buckets and OCI repositories have names of their own.
    let git = text(data, "/spec/sourceRef/kind") == "GitRepository";
    let source = match text(data, "/spec/sourceRef/namespace") {
        own if own.is_empty() => object.namespace().unwrap_or_default(),
        other => other,
    };
    let target = text(data, "/spec/targetNamespace");
    Kustomization {
        name: object.into(),
        source: ObjectName {
            namespace: source,
            name: if git { text(data, "/spec/sourceRef/name") } else { String::new() },
        },
        path: trimmed(&text(data, "/spec/path")),
        suspended: data.pointer("/spec/suspend") == Some(&Value::Bool(true)),
        target_namespace: Some(target).filter(|t| !t.is_empty()),
        failing: failing(data),
        applied: text(data, "/status/lastAppliedRevision"),
    }
}

fn source(object: &DynamicObject) -> GitSource {
    let data = &object.data;
    GitSource {
        name: object.into(),
        url: text(data, "/spec/url"),
        branch: text(data, "/spec/ref/branch"),
        suspended: data.pointer("/spec/suspend") == Some(&Value::Bool(true)),
        failing: failing(data),
        fetched: text(data, "/status/artifact/revision"),
        updated: text(data, "/status/artifact/lastUpdateTime").parse().ok(),
    }
}

fn trimmed(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
    parts.join("/")
}

/// Returns the Kustomizations that apply the folder, with their sources.
fn applying<'a>(
    kustomizations: &'a [Kustomization],
    sources: &'a [GitSource],
    asked: &Merged,
) -> Vec<(&'a Kustomization, &'a GitSource)> {
    let wanted = asked.repository.to_lowercase();
    let fits = |url: &str| {
        let url = url.to_lowercase();
        let url = url.strip_suffix('/').unwrap_or(&url);
        let url = url.strip_suffix(".git").unwrap_or(url);
        url.strip_suffix(&wanted).is_some_and(|before| before.ends_with(['/', ':']))
    };
    let covers = |kustomization: &Kustomization| {
        kustomization.path.is_empty()
            || asked.folder == kustomization.path
            || asked.folder.strip_prefix(&kustomization.path).is_some_and(|rest| rest.starts_with('/'))
    };
    let follows = |s: &GitSource| s.branch.is_empty() || s.branch == asked.base;
    let source = |kustomization: &Kustomization| {
        sources.iter().find(|s| s.name == kustomization.source && fits(&s.url) && follows(s))
    };
    kustomizations.iter().filter(|s| covers(s)).filter_map(|s| Some((s, source(s)?))).collect()
}

/// Returns what stands in the way, the most telling first. Pure.
pub(crate) fn diagnose(
    kustomizations: &[Kustomization],
    sources: &[GitSource],
    asked: &Merged,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (kustomization, source) in applying(kustomizations, sources, asked) {
        let kustomization_name = format!("Kustomization {}", kustomization.name);
        let source_name = format!("GitRepository {}", source.name);
        // By time: what Flux reads may be a mirror, whose commits have other names.
        let behind = asked.after.zip(source.updated).is_some_and(|(after, updated)| updated < after);
        if kustomization.suspended {
            found.push(Finding::Suspended { object: kustomization_name });
        } else if source.suspended {
            found.push(Finding::Suspended { object: source_name });
        } else if let Some(message) = &source.failing {
            found.push(Finding::Failing { object: source_name, message: message.clone() });
        } else if let Some(message) = &kustomization.failing {
            found.push(Finding::Failing { object: kustomization_name, message: message.clone() });
        } else if let Some(other) = kustomization.target_namespace.as_ref().filter(|t| **t != asked.namespace)
        {
            found.push(Finding::OtherNamespace { object: kustomization_name, namespace: other.clone() });
        } else if behind {
            found.push(Finding::Behind { object: source_name });
        } else if kustomization.applied != source.fetched {
            found.push(Finding::Behind { object: kustomization_name });
        } else {
            found.push(Finding::Applied { object: kustomization_name, path: kustomization.path.clone() });
        }
    }
    if found.is_empty() {
        found.push(Finding::NoKustomization);
    }
    // A Kustomization that applied it explains more than others that did not.
    found.sort_by_key(|f| !matches!(f, Finding::Applied { .. }));
    found
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn asked() -> Merged {
        Merged {
            repository: "Acme/fleet".to_owned(),
            base: "main".to_owned(),
            folder: "clusters/prod/approvals".to_owned(),
            namespace: "pg1".to_owned(),
            after: Some(Timestamp::UNIX_EPOCH),
        }
    }

    fn named(name: &str) -> ObjectName {
        ObjectName { namespace: "flux-system".to_owned(), name: name.to_owned() }
    }

    fn repository() -> GitSource {
        GitSource {
            name: named("fleet"),
            url: "ssh://git@github.com/acme/fleet.git".into(),
            fetched: "main@sha1:abc".into(),
            updated: Some(Timestamp::UNIX_EPOCH),
            ..GitSource::default()
        }
    }

    fn applies(path: &str) -> Kustomization {
        Kustomization {
            name: named("apps"),
            source: named("fleet"),
            path: trimmed(path),
            applied: "main@sha1:abc".into(),
            ..Kustomization::default()
        }
    }

    #[test]
    fn every_obstacle_is_named() {
        let apps = "Kustomization flux-system/apps".to_owned();
        let fleet = "GitRepository flux-system/fleet".to_owned();
        let whole = applies("./");
        let cases: [(Kustomization, GitSource, Finding); 11] = [
            (applies("./other"), repository(), Finding::NoKustomization),
            (applies("clusters/pro"), repository(), Finding::NoKustomization),
            (
                whole.clone(),
                GitSource { url: "https://github.com/x-acme/fleet".into(), ..repository() },
                Finding::NoKustomization,
            ),
            (
                Kustomization { suspended: true, ..whole.clone() },
                repository(),
                Finding::Suspended { object: apps.clone() },
            ),
            (
                applies("./clusters/prod"),
                GitSource { suspended: true, ..repository() },
                Finding::Suspended { object: fleet.clone() },
            ),
            (
                Kustomization { failing: Some("dry-run failed".into()), ..whole.clone() },
                repository(),
                Finding::Failing { object: apps.clone(), message: "dry-run failed".into() },
            ),
            (
                Kustomization { target_namespace: Some("other".into()), ..whole.clone() },
                repository(),
                Finding::OtherNamespace { object: apps.clone(), namespace: "other".into() },
            ),
            (
                whole.clone(),
                GitSource {
                    updated: Some(Timestamp::UNIX_EPOCH - SignedDuration::from_secs(1)),
                    ..repository()
                },
                Finding::Behind { object: fleet },
            ),
            (whole.clone(), GitSource { branch: "release".into(), ..repository() }, Finding::NoKustomization),
            (
                Kustomization { applied: "main@sha1:old".into(), ..whole.clone() },
                repository(),
                Finding::Behind { object: apps.clone() },
            ),
            (whole, repository(), Finding::Applied { object: apps, path: String::new() }),
        ];
        for (kustomization, source, finding) in cases {
            assert_eq!(diagnose(&[kustomization], &[source], &asked()), [finding]);
        }
    }

    #[test]
    fn objects_are_read_as_flux_writes_them() {
        let object: DynamicObject = serde_json::from_value(serde_json::json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": "apps", "namespace": "flux-system" },
            "spec": { "path": "./clusters/prod/", "suspend": true, "sourceRef": { "kind": "GitRepository", "name": "fleet" } },
            "status": {
                "lastAppliedRevision": "main@sha1:abc",
                "conditions": [{ "type": "Ready", "status": "False", "message": "no\nway" }],
            },
        }))
        .unwrap();
        let read = kustomization(&object);
        assert_eq!((read.name, read.source), (named("apps"), named("fleet")));
        assert_eq!((read.path.as_str(), read.suspended), ("clusters/prod", true));
        assert_eq!(read.failing.as_deref(), Some("no way"));
    }
}
