//! The approvals, as the cluster shows them, by name and by branch.

use std::collections::{BTreeMap, BTreeSet};

use autopilot_shared::api::{PullRequestState, approval_state};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::request::ApprovalKey;
use crate::decide::Approval;
use crate::observe::version;
use crate::pull_requests::text::branch;
use crate::pull_requests::text::marker::Marker;

/// The approvals that the watch showed last.
#[derive(Debug, Default)]
pub(super) struct ApprovalIndex {
    approvals: BTreeMap<ApprovalKey, Approval>,
    by_branch: BTreeMap<String, BTreeSet<ApprovalKey>>,
    /// Keys of the list that is being read.
    listed: Option<BTreeSet<ApprovalKey>>,
    /// A list was read to its end.
    synced: bool,
}

/// An approval that was taken into the index.
#[derive(Debug)]
pub(super) struct AppliedApproval {
    pub(super) key: ApprovalKey,
    /// There was none of this UID.
    pub(super) is_new: bool,
    /// Its spec changed and says what a file said, for a proposal that nobody made.
    pub(super) came_from_file: bool,
}

impl ApprovalIndex {
    pub(super) fn begin_resync(&mut self) {
        self.listed = Some(BTreeSet::new());
    }

    /// Ends a list. Returns the approvals that it did not hold; they are still in the index.
    pub(super) fn end_resync(&mut self) -> Vec<ApprovalKey> {
        self.synced = true;
        let Some(listed) = self.listed.take() else { return Vec::new() };
        self.approvals.keys().filter(|key| !listed.contains(*key)).cloned().collect()
    }

    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Takes an approval into the index; `None` if the known version is newer.
    pub(super) fn apply(&mut self, approval: Approval) -> Option<AppliedApproval> {
        let key = key(&approval);
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        let versions = |approval: &Approval| version(approval.raw.metadata.resource_version.as_deref());
        let (is_new, spec_changed) = match self.approvals.get(&key) {
            Some(known) if versions(&approval) <= versions(known) => return None,
            Some(known) => {
                let is_new = known.raw.metadata.uid != approval.raw.metadata.uid;
                (is_new, is_new || known.raw.spec != approval.raw.spec)
            }
            None => (true, true),
        };
        let came_from_file = spec_changed && came_from_file(&approval);
        if is_new {
            self.by_branch.entry(branch_of(&approval)).or_default().insert(key.clone());
        }
        self.approvals.insert(key.clone(), approval);
        Some(AppliedApproval { key, is_new, came_from_file })
    }

    /// Removes an approval. Returns the name of its branch if no other approval has that branch.
    pub(super) fn remove(&mut self, key: &ApprovalKey) -> Option<String> {
        let name = branch_of(&self.approvals.remove(key)?);
        let keys = self.by_branch.get_mut(&name)?;
        keys.remove(key);
        if !keys.is_empty() {
            return None;
        }
        self.by_branch.remove(&name);
        Some(name)
    }

    pub(super) fn get(&self, key: &ApprovalKey) -> Option<&Approval> {
        self.approvals.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.approvals.len()
    }

    pub(super) fn keys(&self) -> Vec<ApprovalKey> {
        self.approvals.keys().cloned().collect()
    }

    /// Whether the approval is there with this UID.
    pub(super) fn has_uid(&self, key: &ApprovalKey, uid: &str) -> bool {
        self.approvals.get(key).is_some_and(|a| a.raw.metadata.uid.as_deref() == Some(uid))
    }

    /// Whether the approval that a pull request was opened for is there.
    pub(super) fn has_approval_of(&self, marker: &Marker) -> bool {
        let key = ApprovalKey { namespace: marker.namespace.clone(), name: marker.name.clone() };
        self.has_uid(&key, &marker.uid)
    }

    /// UID of an approval; empty if there is none.
    pub(super) fn uid(&self, key: &ApprovalKey) -> String {
        self.approvals.get(key).and_then(|a| a.raw.uid()).unwrap_or_default()
    }

    pub(super) fn resource_version(&self, key: &ApprovalKey) -> Option<&str> {
        self.approvals.get(key)?.raw.metadata.resource_version.as_deref()
    }

    pub(super) fn branch(&self, key: &ApprovalKey) -> Option<String> {
        self.approvals.get(key).map(branch_of)
    }

    pub(super) fn of_branch(&self, name: &str) -> Vec<ApprovalKey> {
        self.by_branch.get(name).into_iter().flatten().cloned().collect()
    }

    pub(super) fn has_branch(&self, name: &str) -> bool {
        self.by_branch.contains_key(name)
    }

    /// Number of the pull request that the status of an approval records.
    pub(super) fn recorded_pull(&self, key: &ApprovalKey) -> Option<u64> {
        self.approvals.get(key)?.raw.pull_request().map(|record| record.number)
    }

    /// Numbers of the pull requests that some approval records as open.
    pub(super) fn recorded_open_pulls(&self) -> impl Iterator<Item = u64> {
        let records = self.approvals.values().filter_map(|a| a.raw.pull_request());
        records.filter(|r| r.number != 0 && r.state == PullRequestState::Open).map(|r| r.number)
    }

    /// When an approval was decided, or else its pull request ended, or else it was created.
    pub(super) fn settled_at(&self, key: &ApprovalKey) -> Option<Timestamp> {
        let raw = &self.approvals.get(key)?.raw;
        let decided = raw.decision().and_then(|decision| decision.at.as_ref());
        let settled = decided.or_else(|| raw.pull_request()?.at.as_ref()).map(|at| at.0);
        settled.or_else(|| raw.metadata.creation_timestamp.as_ref().map(|at| at.0))
    }
}

fn key(approval: &Approval) -> ApprovalKey {
    ApprovalKey { namespace: approval.raw.namespace().unwrap_or_default(), name: approval.raw.name_any() }
}

fn branch_of(approval: &Approval) -> String {
    branch::branch(&approval.raw.namespace().unwrap_or_default(), &approval.raw.name_any())
}

/// Whether an object says what a file said and nobody proposed: the file is to be looked for.
fn came_from_file(approval: &Approval) -> bool {
    let bound = approval.raw.actions().iter().find_map(|a| a.proposal.as_ref());
    let current = approval.raw.proposal().map(|p| &p.digest);
    approval.raw.spec.approval_state.as_deref() == Some(approval_state::APPROVED)
        && bound.is_some()
        && bound != current
}
