//! What a decision about a rule is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::AutopilotRule;
use autopilot_shared::rule::{Rule, RuleProblem};
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::decide::effect::{Regarding, Target};
use crate::evaluate::availability::Availability;

/// Objects without data that a status names.
pub(crate) const WITHOUT_DATA_SHOWN: usize = 25;
/// `Initializing => Normal` events per rule and wave, beyond which the rest is announced in one.
pub(crate) const ANNOUNCED_ONE_BY_ONE: usize = 25;

/// Everything known of one rule that its own writes depend on.
#[derive(Debug)]
pub(crate) struct RuleView<'a> {
    /// The object.
    pub(crate) raw: &'a AutopilotRule,
    /// Its meaning, or what is wrong with it.
    pub(crate) parsed: &'a Result<Arc<Rule>, Vec<RuleProblem>>,
    /// When somebody wrote the spec last, as the API noted it.
    pub(crate) edited: Option<Timestamp>,
    /// Why the configuration lets no rule start anything.
    pub(crate) suspended: Option<&'static str>,
    /// Whether there is data for it.
    pub(crate) data: &'a Availability,
    /// Since when there have been objects without data.
    pub(crate) without_data_since: Option<Timestamp>,
    /// Objects without data, the first [`WITHOUT_DATA_SHOWN`] of them.
    pub(crate) without_data: Vec<ObjectRef<'a>>,
    /// Objects that became Normal, which no event has said yet.
    pub(crate) unannounced: Option<Unannounced<'a>>,
    /// Number of objects that the rule is about.
    pub(crate) objects: usize,
    /// Objects per state.
    pub(crate) counts: &'a BTreeMap<RuleState, i64>,
    /// There has been a deep look since this process started or the rule was edited.
    pub(crate) looked_deep: bool,
    /// No status before.
    pub(crate) next_status: Timestamp,
    /// Generation whose problems an event has said.
    pub(crate) announced_problems: Option<i64>,
    /// The outage that an event has said: since when it lasts.
    pub(crate) announced_outage: Option<Timestamp>,
}

/// Objects that became Normal, which no event has said yet.
#[derive(Debug, Default)]
pub(crate) struct Unannounced<'a> {
    /// Those that get events of their own.
    pub(crate) shown: Vec<ObjectRef<'a>>,
    /// Number of all others.
    pub(crate) rest: usize,
    /// Volume of the first of the others.
    pub(crate) first_of_rest: Option<&'a str>,
}

/// The selected objects, as the status needs them.
#[derive(Debug, Default)]
pub(crate) struct SelectedObjects<'a> {
    /// When the newest was created, in Unix seconds.
    pub(crate) newest: Option<i64>,
    /// Those that are neither Normal nor anything else yet.
    pub(crate) initializing: Vec<ObjectRef<'a>>,
}

/// A PVC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectRef<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its UID.
    pub(crate) uid: &'a str,
    /// Name of its volume.
    pub(crate) volume: &'a str,
    /// When it was created, in Unix seconds.
    pub(crate) created: i64,
}

impl RuleView<'_> {
    pub(crate) fn uid(&self) -> &str {
        self.raw.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            namespace: String::new(),
            name: self.raw.name_any(),
            uid: self.uid().to_owned(),
            version: self.raw.resource_version().unwrap_or_default(),
        }
    }

    pub(crate) fn regarding(&self) -> Regarding {
        Regarding::Rule { name: self.raw.name_any(), uid: self.uid().to_owned() }
    }
}
