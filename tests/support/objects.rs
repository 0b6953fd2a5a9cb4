//! Fields of the objects that tests read, and files that become objects.

use autopilot_shared::api::ActionApproval;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

/// Returns the size that a PVC requests.
pub fn requested_size(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.as_str())
}

/// Returns the size that a PVC has.
pub fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    Some(claim.status.as_ref()?.capacity.as_ref()?.get("storage")?.0.as_str())
}

/// Returns the digest of the proposal that an approval is about.
pub fn digest(approval: &ActionApproval) -> Option<&str> {
    approval.spec.actions.iter().flatten().find_map(|action| action.proposal.as_deref())
}

/// Returns the approved file of the original, filled in.
pub fn original_approval(volume: &str, rule: &str, namespace: &str, claim: &str) -> String {
    include_str!("../fixtures/approvals/original.yaml")
        .replace("$OBJECT", volume)
        .replace("$RULE", rule)
        .replace("$NAMESPACE", namespace)
        .replace("$CLAIM", claim)
}
