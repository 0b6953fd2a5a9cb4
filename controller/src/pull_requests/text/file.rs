//! The file that a pull request adds: its path and its content.

use std::collections::BTreeMap;

use autopilot_shared::api::{ActionApproval, LABEL_OBJECT, LABEL_RULE, Proposal, approval_state};
use autopilot_shared::digest;
use kube::ResourceExt as _;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use serde_saphyr::SerializeError;
use uuid::Uuid;

const APPROVAL: &str = "ActionApproval";
/// Longest part of a file's name that is the approval's: a UUID and an ending must fit into 255 bytes.
const LONGEST: usize = 200;
/// Most documents of one file that are read, against files made to exhaust us.
const DOCUMENTS: usize = 16;
/// Longest document that is read, in bytes; ours has a thousand.
const LONGEST_DOCUMENT: usize = 64 * 1024;
/// Annotation that keeps Flux from deleting the approval when its file goes.
pub(crate) const UNPRUNED: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Annotations of the approval: also Argo CD does not delete it, and Flux does not read `$` in it as a variable.
const ANNOTATIONS: [(&str, &str); 3] = [
    ("argocd.argoproj.io/sync-options", "Prune=false"),
    (UNPRUNED, "disabled"),
    ("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
];

/// Returns the path of a proposal's file: `<folder>/<approval>-<uuid>.yaml`.
pub fn path(folder: &str, approval: &str, cluster: &str, digest: &str) -> String {
    in_folder(folder, &format!("{}-{}.yaml", stem(approval), uuid(cluster, digest)))
}

/// Returns a path in a folder; the empty folder is the root.
pub(crate) fn in_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns the UUID of a proposal's file: the same for the same proposal, so that a retry writes the same file, and no
/// other cluster's.
pub fn uuid(cluster: &str, proposal: &str) -> String {
    let text = digest::hex(format!("autopilot file {cluster} {proposal}").as_bytes(), 32);
    // 32 hex digits always fit.
    let bits = u128::from_str_radix(&text, 16).unwrap_or_default();
    Uuid::new_v8(bits.to_be_bytes()).to_string()
}

/// Returns the UUID in the path of a file that can be one of this approval. Other approvals may have fitting names: the
/// content decides.
pub fn uuid_of<'a>(path: &'a str, approval: &str) -> Option<&'a str> {
    let name = path.rsplit('/').next()?.strip_suffix(".yaml")?;
    let uuid = name.strip_prefix(&stem(approval))?.strip_prefix('-')?;
    is_uuid(uuid).then_some(uuid)
}

/// Returns the UUID in the path of a file that can be one of any approval.
pub fn any_uuid(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?.strip_suffix(".yaml")?;
    let at = name.len().checked_sub(36).filter(|at| *at > 1 && name.is_char_boundary(*at))?;
    let (before, uuid) = name.split_at(at);
    (before.ends_with('-') && is_uuid(uuid)).then_some(uuid)
}

fn is_uuid(text: &str) -> bool {
    // Of the forms that are understood, only the one with hyphens has this length.
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn stem(approval: &str) -> String {
    if approval.len() <= LONGEST {
        return approval.to_owned();
    }
    let kept = &approval[..approval.floor_char_boundary(LONGEST - 11)];
    format!("{kept}-{}", digest::hex(approval.as_bytes(), 10))
}

/// Returns the content of the file: the approval, approved, bound to its proposal. The same for the same proposal,
/// whenever it is made.
///
/// # Errors
/// If the approval holds something that YAML cannot.
pub fn content(approval: &ActionApproval, proposal: &Proposal) -> Result<String, SerializeError> {
    let labels = approval.labels();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    let status = approval.status.as_ref();
    let previews = status.and_then(|s| s.action_previews.as_ref());
    let file = json!({
        "apiVersion": "autopilot.libopenstorage.org/v1alpha1",
        "kind": APPROVAL,
        "metadata": {
            "annotations": BTreeMap::from(ANNOTATIONS),
            "creationTimestamp": null,
            "labels": { LABEL_OBJECT: label(LABEL_OBJECT), LABEL_RULE: label(LABEL_RULE) },
            "name": approval.name_any(),
            "namespace": approval.namespace(),
        },
        "spec": {
            "actions": [{
                "name": proposal.action,
                "params": proposal.params,
                "proposal": proposal.digest,
            }],
            "approvalState": approval_state::APPROVED,
        },
        "status": {
            "Rule": status.and_then(|s| s.rule.as_ref()),
            "actionPreviews": previews,
            "lastProcessTimestamp": proposal.at.as_ref().map(|at| whole_second(at.0)),
        },
    });
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: false,
        compact_list_indent: true,
    };
    serde_saphyr::to_string_with_options(&Sorted(&file), options)
}

fn whole_second(at: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Keys in order, whatever a dependency makes of JSON's maps.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let sorted: BTreeMap<&String, &Value> = map.iter().collect();
                let mut out = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    out.serialize_entry(key, &Sorted(value))?;
                }
                out.end()
            }
            Value::Array(list) => {
                let mut out = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    out.serialize_element(&Sorted(value))?;
                }
                out.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// Content of a file of the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileContent {
    /// The approval in it; `None` if there is none.
    pub approval: Option<FiledApproval>,
    /// The documents that others added, as they wrote them; empty if there are none.
    pub others: String,
}

/// An approval as a file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiledApproval {
    /// Namespace of the approval.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Digest of its proposal; empty if there is none.
    pub digest: String,
    /// State, and name and parameters of its actions.
    pub request: FiledRequest,
}

/// The request that a file makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiledRequest {
    state: String,
    actions: Vec<(String, BTreeMap<String, String>)>,
}

#[derive(Deserialize)]
struct RawFile {
    kind: String,
    metadata: RawMeta,
    #[serde(default)]
    spec: Option<RawSpec>,
}

#[derive(Deserialize)]
struct RawMeta {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    #[serde(default)]
    approval_state: Option<String>,
    #[serde(default)]
    actions: Option<Vec<RawAction>>,
}

#[derive(Deserialize)]
struct RawAction {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    params: Option<BTreeMap<String, String>>,
    #[serde(default)]
    proposal: Option<String>,
}

/// Reads the approval in the file at a path; `None` if there is none. It is the one that the name of the file was
/// made from, since anything else that people add is theirs; or else the first one.
pub fn read(path: &str, cluster: &str, text: &str) -> Option<FiledApproval> {
    look(path, cluster, text).approval
}

/// Reads the file at a path: the approval as [`read`] finds it, and the documents of others.
pub fn look(path: &str, cluster: &str, text: &str) -> FileContent {
    let documents: Vec<Document> = documents(text).into_iter().enumerate().map(Document::read).collect();
    let contents = || documents.iter().filter_map(|document| document.content.as_ref());
    let uuid = any_uuid(path).filter(|_| !cluster.is_empty());
    let named = |content: &FiledApproval| uuid.is_some_and(|u| u == self::uuid(cluster, &content.digest));
    let approval = contents().find(|content| named(content)).or(contents().next()).cloned();
    let same = |a: &FiledApproval, b: &FiledApproval| a.namespace == b.namespace && a.name == b.name;
    let is_others = |document: &&Document| match &document.content {
        Some(content) => !named(content) && !approval.as_ref().is_some_and(|ours| same(ours, content)),
        // An approval that cannot be read was ours; what is no object at all is nobody's.
        None => document.kind.as_ref().is_some_and(|kind| kind != APPROVAL),
    };
    let others: Vec<&str> =
        documents.iter().filter(is_others).map(|document| document.text.as_str()).collect();
    FileContent { others: others.join("---\n"), approval }
}

/// Returns the path that keeps the documents of others when the file at a path goes: no file of ours has such a name.
pub(crate) fn beside(path: &str, others: &str) -> String {
    let ours = any_uuid(path).and_then(|uuid| path.strip_suffix(".yaml")?.strip_suffix(uuid));
    format!("{}others-{}.yaml", ours.unwrap_or(path), digest::hex(others.as_bytes(), 10))
}

/// A document of a file.
struct Document {
    text: String,
    kind: Option<String>,
    /// The approval, if it is one.
    content: Option<FiledApproval>,
}

impl Document {
    fn read((at, text): (usize, String)) -> Self {
        let (kind, content) = match (at < DOCUMENTS).then(|| read_one(&text)).flatten() {
            Some((kind, content)) => (Some(kind), content),
            None => (kind(&text), None),
        };
        Document { text, kind, content }
    }
}

/// Finds the kind of an object that was not read: too long, too many aliases, not quite YAML.
fn kind(text: &str) -> Option<String> {
    let value = |text: &str| {
        let value =
            text.strip_prefix("kind")?.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let kind: String = value.chars().take_while(char::is_ascii_alphanumeric).collect();
        (!kind.is_empty()).then_some(kind)
    };
    let nested = || text.match_indices("kind").find_map(|(at, _)| value(&text[at..]));
    text.lines().find_map(value).or_else(nested)
}

/// Splits a file into its documents. A line that begins like a marker is one wherever it stands, also in a block of
/// text.
fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines() {
        let marker = ["---", "..."].into_iter().find_map(|marker| line.strip_prefix(marker));
        let rest = match marker.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            Some(rest) => {
                all.push(String::new());
                rest
            }
            None => line,
        };
        let blank = marker.is_some() && rest.trim().is_empty();
        if let Some(last) = all.last_mut().filter(|_| !blank) {
            last.push_str(rest);
            last.push('\n');
        }
    }
    all.retain(|document| !document.trim().is_empty());
    all
}

/// Returns the kind of an object and, if it is an approval, its content; `None` if it cannot be read.
fn read_one(text: &str) -> Option<(String, Option<FiledApproval>)> {
    if text.len() > LONGEST_DOCUMENT {
        return None;
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: 5_000, max_aliases: 100 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000 },
        with_snippet: false,
    };
    let raw: RawFile = serde_saphyr::from_str_with_options(text, options).ok()?;
    let Some(spec) = raw.spec.filter(|_| raw.kind == APPROVAL) else { return Some((raw.kind, None)) };
    let actions = spec.actions.unwrap_or_default();
    let digest = match actions.as_slice() {
        [one] => one.proposal.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let content = FiledApproval {
        namespace: raw.metadata.namespace.unwrap_or_default(),
        name: raw.metadata.name,
        digest,
        request: FiledRequest {
            state: spec.approval_state.unwrap_or_default(),
            actions: actions
                .into_iter()
                .map(|a| (a.name.unwrap_or_default(), a.params.unwrap_or_default()))
                .collect(),
        },
    };
    Some((raw.kind, Some(content)))
}

impl FiledApproval {
    /// Whether it asks for exactly this proposal of this approval.
    pub fn is(&self, namespace: &str, name: &str, proposal: &Proposal) -> bool {
        self.namespace == namespace
            && self.name == name
            && self.digest == proposal.digest
            && self.request.state == approval_state::APPROVED
            && self.request.actions
                == [(proposal.action.clone(), proposal.params.clone().unwrap_or_default())]
    }
}
