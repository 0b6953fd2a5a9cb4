//! Accessors on the kinds: what lies behind an optional status, a list or our finalizer, without the drilling.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use super::FINALIZER;
use super::approval::{ActionApproval, ActionPreview, ApprovalAction, Execution, PullRequest};
use super::decision::{Decision, Outcome};
use super::object_ref::InvolvedObject;
use super::proposal::Proposal;
use super::rule::AutopilotRule;
use super::rule_object::AutopilotRuleObject;

impl ActionApproval {
    /// Returns the current proposal as the status has it. `None` before the first status.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.status.as_ref()?.proposal.as_ref()
    }

    /// Returns the latch. `None` while the approval is undecided.
    pub fn decision(&self) -> Option<&Decision> {
        self.status.as_ref()?.decision.as_ref()
    }

    /// Returns the outcome of the decision. `None` while the approval is undecided.
    pub fn outcome(&self) -> Option<Outcome> {
        self.decision().map(|decision| decision.outcome)
    }

    /// Returns the result of the approved action. `None` until it has ended.
    pub fn execution(&self) -> Option<&Execution> {
        self.status.as_ref()?.execution.as_ref()
    }

    /// Returns the pull request that the status records. `None` if there is none.
    pub fn pull_request(&self) -> Option<&PullRequest> {
        self.status.as_ref()?.pull_request.as_ref()
    }

    /// Returns the name of the rule that the status names. `None` before the first status.
    pub fn rule_name(&self) -> Option<&str> {
        self.status.as_ref()?.rule.as_ref().map(|rule| rule.name.as_str())
    }

    /// Returns the previews of the status; empty before the first status.
    pub fn previews(&self) -> &[ActionPreview] {
        self.status.as_ref().and_then(|status| status.action_previews.as_deref()).unwrap_or_default()
    }

    /// Returns the object that the first preview is about. `None` if the status names none.
    pub fn involved_object(&self) -> Option<&InvolvedObject> {
        self.previews().first()?.involved_objects.first()
    }

    /// Returns the conditions of the status; empty before the first status.
    pub fn conditions(&self) -> &[Condition] {
        self.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
    }

    /// Returns the condition of a type. `None` if it was never set.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        find(self.conditions(), kind)
    }

    /// Returns the actions of the spec, as anybody may have written them; empty if there are none.
    pub fn actions(&self) -> &[ApprovalAction] {
        self.spec.actions.as_deref().unwrap_or_default()
    }

    /// Returns whether our finalizer is set.
    pub fn has_finalizer(&self) -> bool {
        self.finalizer_index().is_some()
    }

    /// Returns the position of our finalizer, as a JSON patch needs it. `None` if it is not set.
    pub fn finalizer_index(&self) -> Option<usize> {
        finalizer_index(&self.metadata)
    }

    /// Returns whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

impl AutopilotRule {
    /// Returns the conditions of the status; empty before the first status.
    pub fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }

    /// Returns the condition of a type. `None` if it was never set.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        find(self.conditions(), kind)
    }

    /// Returns whether our finalizer is set.
    pub fn has_finalizer(&self) -> bool {
        self.finalizer_index().is_some()
    }

    /// Returns the position of our finalizer, as a JSON patch needs it. `None` if it is not set.
    pub fn finalizer_index(&self) -> Option<usize> {
        finalizer_index(&self.metadata)
    }

    /// Returns whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

impl AutopilotRuleObject {
    /// Returns the proposal that the journal holds. `None` if nothing is proposed.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.status.as_ref()?.proposal.as_ref()
    }

    /// Returns the PVC that the journal is about. `None` before the first status.
    pub fn object(&self) -> Option<&InvolvedObject> {
        self.status.as_ref()?.object.as_ref()
    }

    /// Returns whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

fn finalizer_index(metadata: &ObjectMeta) -> Option<usize> {
    metadata.finalizers.iter().flatten().position(|finalizer| finalizer == FINALIZER)
}

fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn approval(json: Value) -> ActionApproval {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_approval_without_a_status_says_nothing() {
        for json in
            [json!({ "metadata": {}, "spec": {} }), json!({ "metadata": {}, "spec": {}, "status": {} })]
        {
            let approval = approval(json);
            assert!(
                approval.proposal().is_none()
                    && approval.decision().is_none()
                    && approval.outcome().is_none()
            );
            assert!(approval.execution().is_none() && approval.pull_request().is_none());
            assert!(approval.rule_name().is_none() && approval.involved_object().is_none());
            assert!(approval.previews().is_empty() && approval.conditions().is_empty());
            assert!(approval.actions().is_empty() && approval.condition("StaleApproval").is_none());
            assert!(!approval.has_finalizer() && !approval.is_deleting());
        }
    }

    #[test]
    fn a_full_approval_says_all() {
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let full = approval(json!({
            "metadata": { "finalizers": ["other", FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "actions": [{ "name": "resize" }] },
            "status": {
                "Rule": { "Name": "r", "Namespace": "" },
                "actionPreviews": [{ "involvedObjects": [{ "name": "data" }] }],
                "proposal": {
                    "id": "i", "digest": "d", "action": "resize", "from": "1Gi", "to": "2Gi", "pvcUID": "u", "ruleHash": "h",
                },
                "decision": { "digest": "d", "outcome": "approved" },
                "execution": { "outcome": "done" },
                "pullRequest": { "number": 7 },
                "conditions": [condition("A", "True"), condition("B", "False")],
            },
        }));
        assert_eq!(full.proposal().map(|p| p.digest.as_str()), Some("d"));
        assert_eq!(full.outcome(), Some(Outcome::Approved));
        assert_eq!(full.execution().map(|e| e.outcome.as_str()), Some("done"));
        assert_eq!(full.pull_request().map(|p| p.number), Some(7));
        assert_eq!(full.rule_name(), Some("r"));
        assert_eq!(full.involved_object().map(|o| o.name.as_str()), Some("data"));
        assert_eq!(full.condition("B").map(|c| c.status.as_str()), Some("False"));
        assert_eq!(full.actions().len(), 1);
        assert_eq!((full.finalizer_index(), full.has_finalizer(), full.is_deleting()), (Some(1), true, true));
    }

    #[test]
    fn rules_and_journals_say_what_their_status_has() {
        let rule: AutopilotRule = serde_json::from_value(json!({
            "metadata": { "finalizers": [FINALIZER] }, "spec": {},
        }))
        .unwrap();
        assert_eq!((rule.finalizer_index(), rule.is_deleting()), (Some(0), false));
        assert!(rule.has_finalizer() && rule.conditions().is_empty() && rule.condition("Ready").is_none());
        let empty: AutopilotRuleObject =
            serde_json::from_value(json!({ "metadata": {}, "spec": {} })).unwrap();
        assert!(empty.proposal().is_none() && empty.object().is_none() && !empty.is_deleting());
        let known: AutopilotRuleObject = serde_json::from_value(json!({
            "metadata": {}, "spec": {}, "status": { "object": { "name": "data" } },
        }))
        .unwrap();
        assert_eq!(known.object().map(|o| o.name.as_str()), Some("data"));
    }
}
