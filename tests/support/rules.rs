//! Rules as the tests write them.

use serde_json::{Value, json};

/// Usage in percent, from Portworx' series.
pub const PX_KEY: &str = "100 * (px_volume_usage_bytes / px_volume_capacity_bytes)";
/// Usage in percent, from the kubelet's series.
pub const KUBELET_KEY: &str = "100 * (kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes)";

/// A rule after the guide's: PVCs labelled `app=postgres` in namespaces labelled `type=db`, over 50 %, doubled.
#[derive(Clone, Debug)]
pub struct RuleText {
    name: String,
    spec: Value,
}

impl RuleText {
    /// Returns the rule with a `for`, poll interval and cool-down of a second, and approval.
    pub fn new(name: &str) -> Self {
        RuleText {
            name: name.to_owned(),
            spec: json!({
                "enforcement": "approvalRequired",
                "pollInterval": 1,
                "actionsCoolDownPeriod": 1,
                "selector": { "matchLabels": { "app": "postgres" } },
                "namespaceSelector": { "matchLabels": { "type": "db" } },
                "conditions": {
                    "for": 1,
                    "expressions": [{ "key": PX_KEY, "operator": "Gt", "values": ["50"] }],
                },
                "actions": [{
                    "name": "openstorage.io.action.volume/resize",
                    "params": { "scalepercentage": "100", "maxsize": "400Gi" },
                }],
            }),
        }
    }

    /// Replaces a field of the spec, by JSON pointer (`/conditions/for`); `null` removes it.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        if let Some(parent) = self.spec.pointer_mut(parent) {
            match (parent, value) {
                (Value::Object(map), Value::Null) => {
                    map.remove(field);
                }
                (Value::Object(map), value) => {
                    map.insert(field.to_owned(), value);
                }
                (Value::Array(list), value) => {
                    if let Some(slot) = field.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                        *slot = value;
                    }
                }
                _ => {}
            }
        }
        self
    }

    /// Removes the approval.
    #[must_use]
    pub fn without_approval(self) -> Self {
        self.set("/enforcement", Value::Null)
    }

    /// Returns the object, as JSON, which is YAML.
    pub fn text(&self) -> String {
        json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1",
            "kind": "AutopilotRule",
            "metadata": { "name": self.name },
            "spec": self.spec,
        })
        .to_string()
    }
}
