//! AutopilotRule: cluster-scoped; what to watch, when to act and how.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, MicroTime};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Desired behaviour of one rule. All times are whole seconds. Source of fields and defaults: the original's API
/// (`autopilotrule.go`) and its reference pages.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "autopilot.libopenstorage.org",
    version = "v1alpha1",
    kind = "AutopilotRule",
    plural = "autopilotrules",
    singular = "autopilotrule",
    shortname = "ar",
    status = "AutopilotRuleStatus",
    derive = "PartialEq",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        priority = 1
    ),
    printcolumn(
        name = "Data",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"DataAvailable\")].status",
        priority = 1
    ),
    printcolumn(name = "Enforcement", type_ = "string", json_path = ".spec.enforcement", priority = 1),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.objects", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct AutopilotRuleSpec {
    /// Among rules of one object the higher weight acts first. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Seconds between two queries of the conditions. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub poll_interval: Option<i64>,
    /// `approvalRequired`: a person is asked first. Anything else: no approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<String>,
    /// Ours. `true`: cancels what is not decided yet and starts nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Labels of the objects; empty selects all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Labels of the objects' namespaces; empty selects all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// When to act.
    #[serde(default)]
    pub conditions: RuleConditions,
    /// What to do. One action.
    #[serde(default)]
    pub actions: Vec<RuleAction>,
    /// Seconds after an action in which the object does not trigger again. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub actions_cool_down_period: Option<i64>,
    /// Kept, not obeyed: the action windows of later versions of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_window: Option<ActionWindow>,
}

/// The conditions of a rule: expressions, how many must match, and for how long.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RuleConditions {
    /// Each asks one PromQL expression and compares its value.
    #[serde(default)]
    pub expressions: Vec<RuleExpression>,
    /// Seconds that the conditions must hold before anything follows. Default 30.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub for_: Option<i64>,
    /// How many expressions must match; 0 or absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub required_matches: Option<i64>,
    /// Empty, `monitoring` or `metrics`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Name or type of a configured metric provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// One comparison. Exactly one of `key` and `keyAlias`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RuleExpression {
    /// PromQL without a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A named expression: `PoolProvDeviationPerc` or `PoolUsageDeviationPerc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_alias: Option<String>,
    /// Kept, not understood: the field of later versions of the original (Datadog).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// How the value compares: In, NotIn, Exists, DoesNotExist, Gt, GtEq, Lt, LtEq, InRange, NotInRange.
    #[serde(default)]
    pub operator: String,
    /// Numbers as text; how many depends on the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}

/// One action of a rule.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RuleAction {
    /// `openstorage.io.action.<object type>/<verb>`.
    #[serde(default)]
    pub name: String,
    /// Parameters, all text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<BTreeMap<String, String>>,
}

/// When actions may start. Parsed and kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ActionWindow {
    /// Off when `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// IANA name of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<Window>>,
}

/// One window of an [`ActionWindow`].
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Window {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `02:00` or `2:00AM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// `04:00` or `4:00AM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// `Mon` or `Monday`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_of_week: Option<Vec<String>>,
}

/// Ours: the original has no status here.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutopilotRuleStatus {
    /// Generation of the spec that `conditions` speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (the rule is understood, and nothing else), `DataAvailable`, `Actionable`, `Suspended`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Objects that the rule selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
    /// Objects per state; states with none are absent.
    #[serde(default)]
    pub states: BTreeMap<String, i64>,
    /// Objects without data, at most 25 names of them.
    #[serde(default)]
    pub without_data: Vec<String>,
    /// Objects that existed at this time, but for those in `withoutData`, were told to be Normal once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized_through: Option<MicroTime>,
}
