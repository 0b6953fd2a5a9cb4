//! The custom resources as they stand on the wire. Field names and capitals are the original's; fields that are ours
//! say so.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type in a block of its own, `pub` included")]

mod approval;
mod decision;
mod ext;
mod object_ref;
mod proposal;
mod rule;
mod rule_object;

pub use approval::{
    ActionApproval, ActionApprovalSpec, ActionApprovalStatus, ActionPreview, ApprovalAction, Execution,
    ExpectedResult, PreviewAction, PullRequest, PullRequestState, RuleReference, approval_state,
};
pub use decision::{Decision, Outcome};
pub use object_ref::InvolvedObject;
pub use proposal::{Measured, Proposal};
pub use rule::{
    ActionWindow, AutopilotRule, AutopilotRuleSpec, AutopilotRuleStatus, RuleAction, RuleConditions,
    RuleExpression, Window,
};
pub use rule_object::{
    ApprovalReference, AutopilotRuleObject, AutopilotRuleObjectSpec, AutopilotRuleObjectStatus, Backoff,
    LastAction, StatusItem,
};

/// API group of all three kinds.
pub const GROUP: &str = "autopilot.libopenstorage.org";
/// Set on rules (and on approvals that have a pull request); the original's name.
pub const FINALIZER: &str = "autopilot.libopenstorage.org/delete";
/// Label with the rule's name, on approvals and rule objects.
pub const LABEL_RULE: &str = "rule";
/// Label with the object id, on approvals.
pub const LABEL_OBJECT: &str = "object";
/// Annotation of an approval: the digest of its proposal, for typed clients that drop `spec.actions[].proposal`.
pub const ANNOTATION_PROPOSAL: &str = "autopilot.libopenstorage.org/proposal";
/// Annotation `…/size-in-git: ignore` on a PVC or rule: resize although a GitOps tool owns the size.
pub const ANNOTATION_SIZE_IN_GIT: &str = "autopilot.libopenstorage.org/size-in-git";
/// Annotation of an approval: who decided, written by the console in the same patch as the decision.
pub const ANNOTATION_DECIDED_BY: &str = "autopilot.libopenstorage.org/decided-by";
/// Annotation of an approval: why, written by the console in the same patch as the decision.
pub const ANNOTATION_REASON: &str = "autopilot.libopenstorage.org/decision-reason";
/// Annotation of an approval: the tool that wrote the decision (`console`).
pub const ANNOTATION_DECIDED_VIA: &str = "autopilot.libopenstorage.org/decided-via";
/// Annotation of an approval: when (RFC 3339), written by the console in the same patch as the decision. For people.
pub const ANNOTATION_DECIDED_AT: &str = "autopilot.libopenstorage.org/decided-at";
/// The only value of `spec.enforcement` with a meaning.
pub const APPROVAL_REQUIRED: &str = "approvalRequired";
