//! The finalizer of a rule: set before anything else, removed when its approvals are gone.

use autopilot_shared::api::{AutopilotRule, FINALIZER};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::view::RuleView;
use crate::decide::approval::cleanup::remove;
use crate::decide::effect::{RuleEffect, Target};
use crate::decide::view::{Approval, Settings};

/// The step for a rule that is being deleted.
#[derive(Debug, PartialEq)]
pub(crate) enum Removal {
    /// The next write.
    Write(Box<RuleEffect>),
    /// Its approvals are on their way out: it waits for them.
    LookAgain,
    /// Nothing: it has no finalizer of ours.
    Done,
}

/// Returns the write that sets our finalizer; `None` if it is set.
pub(crate) fn add(view: &RuleView<'_>) -> Option<RuleEffect> {
    if view.raw.has_finalizer() {
        return None;
    }
    let finalizers = view.raw.finalizers().iter().cloned().chain([FINALIZER.to_owned()]).collect();
    Some(RuleEffect::AddFinalizer { target: view.target(), finalizers })
}

/// Returns what a rule needs that is being deleted: its approvals go first, then our finalizer. An approval that waits for
/// somebody else's finalizer holds up nothing but itself.
pub(crate) fn remove_finalizers_of_rule<'a>(
    settings: &Settings,
    rule: &AutopilotRule,
    approvals: impl Iterator<Item = &'a Approval>,
    now: Timestamp,
) -> Removal {
    let approvals: Vec<&Approval> =
        approvals.filter(|a| !a.raw.is_deleting() || a.raw.has_finalizer()).collect();
    if let Some(effect) = approvals.iter().find_map(|approval| remove(settings, approval, now)) {
        return Removal::Write(Box::new(RuleEffect::Approval(effect)));
    }
    if !approvals.is_empty() {
        return Removal::LookAgain;
    }
    let Some(index) = rule.finalizer_index() else { return Removal::Done };
    let target = Target {
        namespace: String::new(),
        name: rule.name_any(),
        uid: rule.uid().unwrap_or_default(),
        version: rule.resource_version().unwrap_or_default(),
    };
    Removal::Write(Box::new(RuleEffect::RemoveFinalizer { target, index }))
}
