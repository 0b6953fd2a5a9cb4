//! The kinds that are watched: where the API has them, and how their objects become rows.

use autopilot_shared::api::{
    ActionApprovalSpec, ActionApprovalStatus, AutopilotRuleObjectSpec, AutopilotRuleObjectStatus,
    AutopilotRuleSpec, AutopilotRuleStatus, GROUP,
};
use serde::de::DeserializeOwned;

use crate::model::link::KindName;
use crate::record::wire;
use crate::record::{Approval, EventRecord, Names, ObjectRow, RuleRow};
use crate::update::Feed;

/// How objects of a kind become rows.
pub(super) trait Watched: DeserializeOwned + Clone + Send + 'static {
    fn rows(items: Vec<Self>, names: &mut Names) -> Feed;
    fn meta(&self) -> &wire::Meta;
}

pub(super) type WireApproval = wire::Object<ActionApprovalSpec, ActionApprovalStatus>;
pub(super) type WireObject = wire::Object<AutopilotRuleObjectSpec, AutopilotRuleObjectStatus>;
pub(super) type WireRule = wire::Object<AutopilotRuleSpec, AutopilotRuleStatus>;

impl Watched for WireApproval {
    fn rows(items: Vec<Self>, names: &mut Names) -> Feed {
        Feed::Approvals(items.into_iter().map(|o| Approval::from_wire(o, names)).collect())
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
}

impl Watched for WireObject {
    fn rows(items: Vec<Self>, names: &mut Names) -> Feed {
        Feed::Objects(items.into_iter().map(|o| ObjectRow::from_wire(o, names)).collect())
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
}

impl Watched for WireRule {
    fn rows(items: Vec<Self>, names: &mut Names) -> Feed {
        Feed::Rules(items.into_iter().map(|o| RuleRow::from_wire(o, names)).collect())
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
}

impl Watched for wire::Event {
    fn rows(items: Vec<Self>, names: &mut Names) -> Feed {
        Feed::Events(items.iter().map(|e| EventRecord::from_wire(e, names)).collect())
    }
    fn meta(&self) -> &wire::Meta {
        &self.metadata
    }
}

/// Path and selector of a kind. Rules belong to no namespace; their events are in `default`.
pub(super) fn path(kind: KindName, namespace: Option<&str>) -> (String, &'static str) {
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
