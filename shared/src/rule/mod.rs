//! A parsed rule. Raw [`AutopilotRule`]s end here: what [`Rule::parse`] returns cannot be wrong.

mod action;
mod expression;
mod problem;
mod selector;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt as _;

pub use action::{Action, PoolVerb};
pub use expression::{Aliases, Expression, ExpressionError, Test};
pub use problem::RuleProblem;
pub use selector::Selector;

use problem::problem;

use crate::api::{ANNOTATION_SIZE_IN_GIT, APPROVAL_REQUIRED, AutopilotRule};
use crate::digest;

/// Seconds between two queries if the rule gives none. Source: the original up to 1.3.15.
const DEFAULT_POLL: u64 = 10;
/// Seconds that conditions must hold if the rule gives none. Source: the original's reference.
const DEFAULT_HOLD: u64 = 30;
/// Seconds of cool-down if the rule gives none. Source: the original's reference.
pub const DEFAULT_COOL_DOWN: u64 = 300;

/// A parsed rule. Times are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Name of the object.
    pub name: Arc<str>,
    /// UID of the object.
    pub uid: Arc<str>,
    /// Creation time of the object: of two rules the older goes first.
    pub created: Timestamp,
    /// Hash of the spec: a proposal belongs to one spec.
    pub hash: Arc<str>,
    /// Of two rules the higher weight goes first.
    pub weight: i64,
    /// Seconds between two queries; the configuration may ask for more.
    pub poll: u64,
    /// Seconds that the conditions must hold.
    pub hold: u64,
    /// Seconds after an action in which nothing triggers.
    pub cool_down: u64,
    /// `true`: actions need an approval.
    pub approval: bool,
    /// `true`: nothing new is started.
    pub suspended: bool,
    /// `true`: resizes although the size is in Git.
    pub ignore_size_in_git: bool,
    /// Selects objects by their labels.
    pub selector: Selector,
    /// Selects objects by the labels of their namespaces.
    pub namespaces: Selector,
    /// Conditions; at least one.
    pub expressions: Vec<Expression>,
    /// Number of them that must match; between 1 and all.
    pub required: usize,
    /// Name or type of the metric provider. `None` for the default one.
    pub provider: Option<String>,
    /// The one action.
    pub action: Action,
}

impl Rule {
    /// Parses a rule.
    ///
    /// # Errors
    /// All that is wrong with it, not only the first.
    pub fn parse(raw: &AutopilotRule) -> Result<Self, Vec<RuleProblem>> {
        let spec = &raw.spec;
        let mut wrong = Vec::new();

        let expressions: Vec<Expression> = spec
            .conditions
            .expressions
            .iter()
            .enumerate()
            .filter_map(|(i, e)| {
                Expression::parse(e)
                    .map_err(|e| {
                        wrong.push(problem(
                            format!("spec.conditions.expressions[{i}].{}", e.field),
                            e.problem,
                        ));
                    })
                    .ok()
            })
            .collect();
        if spec.conditions.expressions.is_empty() {
            wrong.push(problem("spec.conditions.expressions", "missing; give at least one"));
        }
        let count = spec.conditions.expressions.len();
        let required = match spec.conditions.required_matches.unwrap_or(0) {
            0 => count,
            n if n > 0 && usize::try_from(n).is_ok_and(|n| n <= count) => usize::try_from(n).unwrap_or(count),
            n => {
                wrong.push(problem(
                    "spec.conditions.requiredMatches",
                    format!("{n} of {count} expressions can never match; give 0 for all, or 1 to {count}"),
                ));
                count
            }
        };
        match spec.conditions.type_.as_deref().unwrap_or_default() {
            "" | "monitoring" | "metrics" => {}
            other => wrong.push(problem(
                "spec.conditions.type",
                format!("{other:?} is unknown; leave it empty, or use monitoring or metrics"),
            )),
        }
        let mut seconds = |field: &str, value: Option<i64>, default: u64| match value {
            None => default,
            Some(v) => u64::try_from(v).unwrap_or_else(|_| {
                wrong.push(problem(field, format!("{v} seconds is negative; give 0 or more")));
                default
            }),
        };
        let poll = seconds("spec.pollInterval", spec.poll_interval, DEFAULT_POLL);
        let hold = seconds("spec.conditions.for", spec.conditions.for_, DEFAULT_HOLD);
        let cool_down =
            seconds("spec.actionsCoolDownPeriod", spec.actions_cool_down_period, DEFAULT_COOL_DOWN);

        let mut select = |field: &str, raw: Option<&_>| match raw {
            None => Selector::default(),
            Some(raw) => Selector::parse(raw).unwrap_or_else(|(at, text)| {
                wrong.push(problem(format!("{field}.{at}"), text));
                Selector::default()
            }),
        };
        let selector = select("spec.selector", spec.selector.as_ref());
        let namespaces = select("spec.namespaceSelector", spec.namespace_selector.as_ref());

        let action = match &spec.actions[..] {
            [] => {
                wrong.push(problem("spec.actions", "missing; give one"));
                None
            }
            [one] => Action::parse(one).map_err(|more| wrong.extend(more)).ok(),
            many => {
                wrong.push(problem(
                    "spec.actions",
                    format!("{} actions; one rule takes one action, give each a rule of its own", many.len()),
                ));
                None
            }
        };
        match action {
            Some(action) if wrong.is_empty() => Ok(Rule {
                name: raw.name_any().into(),
                uid: raw.uid().unwrap_or_default().into(),
                created: raw.creation_timestamp().map(|t| t.0).unwrap_or_default(),
                hash: digest::of_json(&serde_json::to_value(spec).unwrap_or_default()).into(),
                weight: spec.weight.unwrap_or(0),
                poll,
                hold,
                cool_down,
                approval: spec.enforcement.as_deref() == Some(APPROVAL_REQUIRED),
                suspended: spec.suspend.unwrap_or(false),
                ignore_size_in_git: raw
                    .annotations()
                    .get(ANNOTATION_SIZE_IN_GIT)
                    .is_some_and(|v| v == "ignore"),
                selector,
                namespaces,
                expressions,
                required,
                provider: spec.conditions.provider.clone().filter(|p| !p.is_empty()),
                action,
            }),
            _ => Err(wrong),
        }
    }

    /// Returns whether this rule acts before another on the same object: higher weight, then older, then by name.
    pub fn goes_before(&self, other: &Rule) -> bool {
        (other.weight, self.created, &self.name) < (self.weight, other.created, &other.name)
    }

    /// Returns whether labels of an object and of its namespace are selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>, namespace: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels) && self.namespaces.matches(namespace)
    }
}
