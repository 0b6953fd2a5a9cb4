//! The kinds that are watched: where the API has them, and how their objects become rows.

use autopilot_shared::api::{
    ActionApprovalSpec, ActionApprovalStatus, AutopilotRuleObjectSpec, AutopilotRuleObjectStatus,
    AutopilotRuleSpec, AutopilotRuleStatus, GROUP,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::connection::KindName;
use crate::message::ClusterEvent;
use crate::rows::{Approval, EventRecord, Names, ObjectRow, RuleRow, wire};

/// A kind that is watched, and how its objects become rows.
pub(super) trait Watched: DeserializeOwned + Clone + Send + 'static {
    fn rows(items: Vec<Self>, names: &mut Names) -> ClusterEvent;
    fn meta(&self) -> &wire::Meta;
    /// Reads what can be read of an object that cannot be read whole.
    fn in_part(value: &Value) -> Self;
}

/// An object that was read in two steps, so that one that cannot be read does not take others with it. That costs time and
/// memory: only a kind of which something could not be read is read so.
#[derive(Clone)]
pub(super) struct Guarded<K>(K);

impl<'de, K: Watched> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Guarded(K::in_part(&value)))
    }
}

impl<K: Watched> Watched for Guarded<K> {
    fn rows(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        K::rows(items.into_iter().map(|item| item.0).collect(), names)
    }
    fn meta(&self) -> &wire::Meta {
        self.0.meta()
    }
    fn in_part(value: &Value) -> Self {
        Guarded(K::in_part(value))
    }
}

pub(super) type WireApproval = wire::Object<ActionApprovalSpec, ActionApprovalStatus>;
pub(super) type WireObject = wire::Object<AutopilotRuleObjectSpec, AutopilotRuleObjectStatus>;
pub(super) type WireRule = wire::Object<AutopilotRuleSpec, AutopilotRuleStatus>;

/// A kind with spec and status.
pub(super) trait IntoClusterEvents: Sized {
    fn cluster_event(items: Vec<Self>, names: &mut Names) -> ClusterEvent;
}

impl IntoClusterEvents for WireApproval {
    fn cluster_event(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        ClusterEvent::Approvals(items.into_iter().map(|o| Approval::from_wire(o, names)).collect())
    }
}

impl IntoClusterEvents for WireObject {
    fn cluster_event(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        ClusterEvent::Objects(items.into_iter().map(|o| ObjectRow::from_wire(o, names)).collect())
    }
}

impl IntoClusterEvents for WireRule {
    fn cluster_event(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        ClusterEvent::Rules(items.into_iter().map(|o| RuleRow::from_wire(o, names)).collect())
    }
}

impl<S, T> Watched for wire::Object<S, T>
where
    S: DeserializeOwned + Clone + Send + 'static,
    T: DeserializeOwned + Clone + Send + 'static,
    Self: IntoClusterEvents,
{
    fn rows(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        Self::cluster_event(items, names)
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
    fn in_part(value: &Value) -> Self {
        Self::read(value)
    }
}

impl Watched for wire::Event {
    fn rows(items: Vec<Self>, names: &mut Names) -> ClusterEvent {
        ClusterEvent::Events(items.iter().map(|e| EventRecord::from_wire(e, names)).collect())
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
    fn in_part(value: &Value) -> Self {
        wire::Event::deserialize(value).unwrap_or_else(|error| wire::Event {
            metadata: wire::Meta::read(&value["metadata"]),
            message: Some(format!("it cannot be read: {error}")),
            ..wire::Event::default()
        })
    }
}

/// Returns the path and the selector of a kind. Rules belong to no namespace; their events are in `default`.
pub(super) fn watch_path(kind: KindName, namespace: Option<&str>) -> (String, &'static str) {
    let group = format!("/apis/{GROUP}/v1alpha1");
    let within = namespace.map(|n| format!("/namespaces/{n}")).unwrap_or_default();
    match kind {
        KindName::Approvals | KindName::Objects => (format!("{group}{within}/{}", kind.plural()), ""),
        KindName::Rules => (format!("{group}/{}", kind.plural()), ""),
        KindName::Events => (
            "/api/v1/namespaces/default/events".to_owned(),
            "&fieldSelector=involvedObject.kind%3DAutopilotRule",
        ),
    }
}
