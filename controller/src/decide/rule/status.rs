//! The status of a rule, as it should be.

use autopilot_shared::api::AutopilotRuleStatus;
use autopilot_shared::rule::{Action, RuleProblem};
use autopilot_shared::text::truncate;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::view::{RuleView, SelectedObjects, WITHOUT_DATA_SHOWN};
use crate::decide::effect::RuleEffect;
use crate::evaluate::availability::Availability;

/// Most characters of a condition's message.
const MESSAGE_LIMIT: usize = 1000;

/// Returns the write of the status; `None` if it is as it should be.
pub(super) fn due(view: &RuleView<'_>, selected: &SelectedObjects<'_>, now: Timestamp) -> Option<RuleEffect> {
    let wanted = wanted(view, selected, now);
    let same = view.raw.status.as_ref() == Some(&wanted);
    (!same).then(|| RuleEffect::Status { target: view.target(), status: Box::new(wanted) })
}

/// Returns the status as it should be.
pub(crate) fn wanted(
    view: &RuleView<'_>,
    selected: &SelectedObjects<'_>,
    now: Timestamp,
) -> AutopilotRuleStatus {
    let old = view.raw.status.clone().unwrap_or_default();
    let generation = view.raw.metadata.generation;
    // After a restart what was known of this spec stands until it has been asked again: a start is no news.
    let stands = !view.looked_deep
        && view.objects > 0
        && old.observed_generation == generation
        && old.conditions.iter().any(|c| c.type_ == "DataAvailable" && c.observed_generation == generation);
    let without_data = named(view, selected, &old, stands);
    let mut conditions = Conditions { all: old.conditions, generation, now };
    set_understood(view, &mut conditions);
    set_data_available(view, &mut conditions, stands);
    set_suspended(view, &mut conditions);
    let known = old.initialized_through.as_ref().map(|t| t.0.as_second());
    let through = initialized_through(selected, &without_data).max(known);
    AutopilotRuleStatus {
        observed_generation: generation,
        conditions: conditions.all,
        objects: Some(i64::try_from(view.objects).unwrap_or(i64::MAX)),
        states: view.counts.iter().map(|(state, n)| (state.as_str().to_owned(), *n)).collect(),
        without_data,
        initialized_through: through.and_then(|s| Timestamp::from_second(s).ok()).map(MicroTime),
    }
}

/// Returns the problems of a rule as one sentence.
pub(super) fn sentence(problems: &[RuleProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The conditions of a status that is being made.
struct Conditions {
    all: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Conditions {
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let message = truncate(message, MESSAGE_LIMIT).to_owned();
        match self.all.iter_mut().find(|c| c.type_ == kind) {
            Some(known) => {
                if known.status != status {
                    known.last_transition_time = Time(whole_seconds(self.now));
                }
                known.status = status.to_owned();
                known.reason = reason.to_owned();
                known.message = message;
                known.observed_generation = self.generation;
            }
            None => self.all.push(Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message,
                last_transition_time: Time(whole_seconds(self.now)),
                observed_generation: self.generation,
            }),
        }
    }
}

fn set_understood(view: &RuleView<'_>, conditions: &mut Conditions) {
    let rule = match view.parsed {
        Ok(rule) => rule,
        Err(problems) => {
            conditions.set("Ready", "False", "InvalidRule", &sentence(problems));
            return;
        }
    };
    conditions.set("Ready", "True", "Understood", "the rule is understood");
    let (status, reason, text) = match &rule.action {
        Action::Pool { .. } if !rule.selector.is_empty() => (
            "False",
            "NoStorageProvider",
            "no storage provider is configured that could act on pools; spec.selector is not supported on pool rules, \
             and all pools that samples name are evaluated",
        ),
        Action::Pool { .. } => (
            "False",
            "NoStorageProvider",
            "no storage provider is configured that could act on pools; they are only evaluated",
        ),
        Action::ResizeVolume { .. } => ("True", "Resize", "PVCs are resized through Kubernetes"),
    };
    conditions.set("Actionable", status, reason, text);
}

/// `stands`: what the status says of the data stands until the metrics have been asked again.
fn set_data_available(view: &RuleView<'_>, conditions: &mut Conditions, stands: bool) {
    match view.data {
        Availability::Unknown if view.parsed.is_err() => {
            conditions.set("DataAvailable", "Unknown", "InvalidRule", "not asked");
        }
        Availability::Unknown if stands => {}
        Availability::Unknown => {
            let message = "no object is selected, or not asked yet";
            conditions.set("DataAvailable", "Unknown", "NotAsked", message);
        }
        Availability::Available(remark) => conditions.set("DataAvailable", "True", "DataAvailable", remark),
        Availability::Missing(reason, message) => {
            conditions.set("DataAvailable", "False", reason, message);
        }
    }
}

fn set_suspended(view: &RuleView<'_>, conditions: &mut Conditions) {
    match view.suspended {
        _ if view.parsed.as_ref().is_ok_and(|rule| rule.suspended) => {
            let message = "spec.suspend is true: nothing new is started";
            conditions.set("Suspended", "True", "SpecSuspend", message);
        }
        Some(why) => conditions.set("Suspended", "True", "Configuration", why),
        None => conditions.set("Suspended", "False", "Active", ""),
    }
}

/// Returns the objects that the status names: those that are Initializing still although the mark covers them, since
/// without its name the status would say of one that it was announced, and those without data. What was named before comes
/// first, so that two controllers do not write each other's order.
fn named(
    view: &RuleView<'_>,
    selected: &SelectedObjects<'_>,
    old: &AutopilotRuleStatus,
    stands: bool,
) -> Vec<String> {
    let mark = old.initialized_through.as_ref().map_or(i64::MIN, |t| t.0.as_second());
    let covered = selected.initializing.iter().filter(|object| object.created <= mark);
    let without = view.without_data.iter().filter(|_| !stands);
    let mut wanted: Vec<&str> = Vec::new();
    for name in covered.chain(without).map(|object| object.volume).take(2 * WITHOUT_DATA_SHOWN) {
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let known = old.without_data.iter().map(String::as_str).filter(|name| stands || wanted.contains(name));
    let mut all: Vec<&str> = known.collect();
    let more: Vec<&str> = wanted.iter().copied().filter(|name| !all.contains(name)).collect();
    all.extend(more);
    all.truncate(WITHOUT_DATA_SHOWN);
    all.into_iter().map(str::to_owned).collect()
}

/// Returns up to which time of creation, in Unix seconds, all objects have left Initializing, but for those that the status
/// names. Everything that left Initializing has been announced when this is decided.
fn initialized_through(selected: &SelectedObjects<'_>, without_data: &[String]) -> Option<i64> {
    let unnamed =
        selected.initializing.iter().filter(|object| !without_data.iter().any(|w| w == object.volume));
    // An object that waits for data keeps the mark where it is, unless it is named.
    let waits = unnamed.map(|object| object.created).min();
    let newest = selected.newest?;
    Some(waits.map_or(newest, |waits| newest.min(waits - 1)))
}

/// Returns what the API keeps of a time in a condition.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
