//! Objects as the API sends them: the parts that are kept, without `managedFields`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// Metadata, as far as it is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Version.
    pub resource_version: String,
    /// Time of its creation.
    pub creation_timestamp: Option<Timestamp>,
    /// Time at which its deletion was requested.
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `None` if there are none at all.
    pub annotations: Option<BTreeMap<String, IgnoredAny>>,
    /// Spec's version.
    pub generation: Option<i64>,
}

/// An object.
#[derive(Clone, Debug, Deserialize)]
pub struct Object<S, T> {
    /// Metadata.
    #[serde(default)]
    pub metadata: Meta,
    /// Spec.
    #[serde(default = "none")]
    pub spec: Option<S>,
    /// Status.
    #[serde(default = "none")]
    pub status: Option<T>,
    /// Error because of which the rest could not be read.
    #[serde(skip)]
    pub unreadable: Option<String>,
}

fn none<T>() -> Option<T> {
    None
}

impl<S: DeserializeOwned, T: DeserializeOwned> Object<S, T> {
    /// Reads what can be read of an object. An object that another version wrote, or that a person broke, is still there: its
    /// name is kept, and why the rest is not.
    pub fn read(value: &Value) -> Object<S, T> {
        Object::deserialize(value).unwrap_or_else(|error| Object {
            metadata: Meta::read(&value["metadata"]),
            spec: None,
            status: None,
            unreadable: Some(error.to_string()),
        })
    }
}

impl Meta {
    /// Reads as much as can be read.
    pub(crate) fn read(value: &Value) -> Meta {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Meta::deserialize(value).unwrap_or_else(|_| Meta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..Meta::default()
        })
    }
}

/// An event of the cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// Metadata.
    pub metadata: Meta,
    /// `Transition`, …
    pub reason: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The object that it is about.
    pub involved_object: Involved,
    /// Time of the first occurrence.
    pub first_timestamp: Option<Timestamp>,
    /// Time of the last occurrence.
    pub last_timestamp: Option<Timestamp>,
    /// Time of the occurrence, from newer clients.
    pub event_time: Option<Timestamp>,
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Involved {
    /// Name.
    pub name: String,
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Page<K> {
    /// Version of the list, and its next page.
    #[serde(default)]
    pub metadata: PageMeta,
    /// Its objects.
    #[serde(default = "Vec::new")]
    pub items: Vec<K>,
}

/// Version of a list, and its next page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageMeta {
    /// Version of the whole list.
    pub resource_version: String,
    /// Token of the next page; empty at the end.
    #[serde(rename = "continue")]
    pub continue_: Option<String>,
    /// Approximate number of remaining objects.
    pub remaining_item_count: Option<u64>,
}
