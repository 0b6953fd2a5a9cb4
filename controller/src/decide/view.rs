//! The input of a decision: everything seen of one (rule, object) pair.

use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRuleObjectStatus};
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use jiff::{SignedDuration, Timestamp};

use crate::evaluate::reading::Reading;

/// Settings of the whole controller that decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long data may be old after an action.
    pub metrics_lag: SignedDuration,
    /// How long a condition must not hold before an open approval is withdrawn.
    pub cancel_after: SignedDuration,
    /// All rules are suspended.
    pub suspended: bool,
    /// There is a configuration, and it cannot be understood: nobody knows what it suspends, or where the metrics are.
    /// Nothing is started, answered or withdrawn; what is latched is finished.
    pub unknown: bool,
    /// Where approvals become pull requests, if they do.
    pub forge: Option<ForgeSettings>,
}

impl Settings {
    /// Returns why no rule starts anything, for people; `None` if rules may.
    pub fn standstill(&self) -> Option<&'static str> {
        if self.unknown {
            Some("the configuration is not valid, and no good one is known")
        } else {
            self.suspended.then_some("all rules are suspended")
        }
    }
}

/// Limits of the forge, which decisions never ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgeSettings {
    /// How long after a merge the cluster may not know of it.
    pub sync_limit: SignedDuration,
    /// How long a deletion may wait for the forge.
    pub deletion_limit: SignedDuration,
}

/// A PVC as a decision sees it.
#[derive(Clone, Debug)]
pub struct ObjectView<'a> {
    /// Namespace of the PVC.
    pub namespace: &'a str,
    /// Name of the PVC.
    pub name: &'a str,
    /// UID of the PVC.
    pub uid: &'a str,
    /// Requested size.
    pub request: Size,
    /// The text of the request, where it is not the canonical one.
    pub request_text: Option<&'a str>,
    /// Size that the storage reports.
    pub capacity: Size,
    /// The rule selects it, and it is bound and not being deleted.
    pub selected: bool,
    /// Facts that may forbid a resize before anybody is asked.
    pub obstacles: Obstacles<'a>,
    /// The storage's report on a resize that is under way.
    pub resize: &'a ResizeReport,
}

/// Facts that may forbid a resize before anybody is asked.
#[derive(Clone, Debug, Default)]
pub struct Obstacles<'a> {
    /// Name of the StorageClass.
    pub class: Option<&'a str>,
    /// The class allows expansion; `None` when there is no such class.
    pub expandable: Option<bool>,
    /// The GitOps tool that owns the size.
    pub size_in_git: Option<&'a str>,
    /// Quotas of the namespace that count storage.
    pub quotas: &'a [QuotaRoom],
}

/// The room that a ResourceQuota leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRoom {
    /// Name of the quota.
    pub name: Box<str>,
    /// StorageClass that it counts; `None`: all.
    pub class: Option<Box<str>>,
    /// Bytes left; may be negative.
    pub left: i64,
}

/// The state of a resize, as the storage reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResizeReport {
    /// The storage gave up; why.
    pub infeasible: Option<Box<str>>,
    /// Why it is not finished.
    pub progress: Option<Box<str>>,
}

/// The journal of a pair, as read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// Namespace of the rule object.
    pub namespace: Arc<str>,
    /// Name of the rule object.
    pub name: Arc<str>,
    /// Its UID.
    pub uid: String,
    /// The version that was read: precondition of the next write.
    pub version: String,
    /// UID of the rule that owns it.
    pub owner: String,
    /// Labels `rule` and `object`, where it has them.
    pub labels: (Option<String>, Option<String>),
    /// Being deleted.
    pub deleting: bool,
    /// The journal proper.
    pub status: AutopilotRuleObjectStatus,
}

/// An approval, as read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Approval {
    /// The object, without managed fields.
    pub raw: ActionApproval,
    /// Who wrote `spec.approvalState`, from the managed fields.
    pub writers: Vec<Writer>,
}

/// A field manager of `spec.approvalState`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// `kubectl-patch`, `kustomize-controller`, …
    pub manager: String,
    /// By server-side apply.
    pub apply: bool,
}

/// Another rule's pair on the same object that goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precedence {
    /// Name of its rule.
    pub rule: Arc<str>,
    /// Its state.
    pub state: RuleState,
}

/// Everything seen of one pair.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Now.
    pub now: Timestamp,
    /// Random bits for a new proposal; nobody else has seen them.
    pub fresh: u128,
    /// Settings.
    pub settings: &'a Settings,
    /// Name of the rule.
    pub rule_name: &'a str,
    /// The rule, when it is understood and not being deleted.
    pub rule: Option<&'a Rule>,
    /// UID of the rule, understood or not.
    pub rule_uid: &'a str,
    /// Name of the volume.
    pub object_id: &'a str,
    /// The PVC, when there is one.
    pub object: Option<ObjectView<'a>>,
    /// The latest data.
    pub reading: &'a Reading,
    /// The state of a pair without a journalled state: `Initializing` or `Normal`.
    pub quiet: RuleState,
    /// When the PVC was created, in seconds since the epoch, if the rule's status, as it is known here, does not say that
    /// the object has left `Initializing`; another controller may have written that since. `None` if it says so.
    pub unannounced: Option<i64>,
    /// The journal.
    pub journal: Option<&'a Journal>,
    /// The approval under the usual name.
    pub plain: Option<&'a Approval>,
    /// The approval under the name that is used when the usual one is taken.
    pub hashed: Option<&'a Approval>,
    /// Another rule that goes first on the object.
    pub precedence: Option<Precedence>,
    /// The API server refused the resize since the last journal entry; its words.
    pub refusal: Option<&'a str>,
    /// Transitions whose events are out; may be ahead of the journal.
    pub emitted: u64,
    /// How often a stale approval of this proposal was set back to pending; the pause doubles with it.
    pub resets: u32,
}

impl<'a> View<'a> {
    /// Returns the approvals under both names that one of this pair may have.
    pub(crate) fn approvals(&self) -> impl Iterator<Item = &'a Approval> + use<'a> {
        [self.plain, self.hashed].into_iter().flatten()
    }
}
