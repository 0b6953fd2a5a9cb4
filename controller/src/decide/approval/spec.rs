//! Reading an approval's spec: what it asks for, and whether it counts.

use std::collections::BTreeMap;

use autopilot_shared::api::{
    ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_PROPOSAL, ANNOTATION_REASON, ActionApproval,
    LABEL_OBJECT, LABEL_RULE, Outcome, Proposal, PullRequest, PullRequestState, approval_state,
};
use autopilot_shared::names;
use autopilot_shared::text::one_line;
use kube::ResourceExt as _;

use crate::decide::view::Approval;

/// Annotation that client-side apply leaves.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The request in the spec of an approval, held against the current proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// None: it waits.
    Pending,
    /// A decision about exactly this proposal.
    Decide(Outcome),
    /// A word that means nothing here; waits.
    Unknown(String),
    /// It is about something else: inert.
    Stale(Mismatch),
}

/// Why the spec of an approval does not count; the texts are shown to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A proposal is one action.
    #[error("it names {0} actions, the proposal is one")]
    Actions(usize),
    /// Another proposal; fit to be shown.
    #[error("it is about proposal {named}, the current one is {current}")]
    OtherProposal {
        /// Digest in the spec, cut.
        named: String,
        /// Digest of the journal's proposal.
        current: String,
    },
    /// No proposal, from a client that has no excuse.
    #[error("it names no proposal, the current one is {current}")]
    NoProposal {
        /// Digest of the journal's proposal.
        current: String,
    },
    /// Another name or other parameters.
    #[error("its actions are not the ones that were proposed")]
    OtherActions,
    /// A decision in an object that the journal has not taken.
    #[error("this object was never seen pending")]
    NeverPending,
}

/// Reads the spec. `proposal` is the journal's; `uid` is the UID that the journal took from a pending object, if it
/// has one yet.
pub fn read(approval: &Approval, proposal: &Proposal, uid: Option<&str>) -> Request {
    let spec = &approval.raw.spec;
    let state = spec.approval_state.as_deref().unwrap_or_default();
    if let Err(why) = binds(approval, proposal, uid) {
        return Request::Stale(why);
    }
    match state {
        "" | approval_state::PENDING => Request::Pending,
        approval_state::APPROVED | approval_state::DECLINED if uid != approval.raw.uid().as_deref() => {
            Request::Stale(Mismatch::NeverPending)
        }
        approval_state::APPROVED => Request::Decide(Outcome::Approved),
        approval_state::DECLINED => Request::Decide(Outcome::Declined),
        other => Request::Unknown(other.to_owned()),
    }
}

/// Checks that the actions of the spec are the proposal's, digest included. `uid` is the UID that the journal took.
///
/// # Errors
/// The first mismatch.
pub(crate) fn binds(approval: &Approval, proposal: &Proposal, uid: Option<&str>) -> Result<(), Mismatch> {
    let actions = approval.raw.actions();
    let [action] = actions else {
        return Err(Mismatch::Actions(actions.len()));
    };
    match action.proposal.as_deref().filter(|d| !d.is_empty()) {
        Some(digest) if digest == proposal.digest => {}
        Some(digest) => {
            return Err(Mismatch::OtherProposal { named: short(digest), current: proposal.digest.clone() });
        }
        None if uid == approval.raw.uid().as_deref() && typed_client(approval, proposal) => {}
        None => {
            return Err(Mismatch::NoProposal { current: proposal.digest.clone() });
        }
    }
    let empty = BTreeMap::new();
    let same = action.name.as_deref() == Some(proposal.action.as_str())
        && action.params.as_ref().unwrap_or(&empty) == proposal.params.as_ref().unwrap_or(&empty);
    if same { Ok(()) } else { Err(Mismatch::OtherActions) }
}

/// Returns text from outside, fit for a condition.
pub(crate) fn short(text: &str) -> String {
    one_line(text, 60)
}

/// Returns text from outside, fit for a journal that keeps it twenty times and must stay far below what etcd takes.
pub(crate) fn sentence(text: &str) -> String {
    one_line(text, 1000)
}

/// Returns whether a typed client wrote it last. A client that does not know `proposal` drops it in a read-modify-write.
/// It keeps the annotation, which a file lacks; it updates and does not apply, and it updates the object that it read: the
/// journal's.
fn typed_client(approval: &Approval, proposal: &Proposal) -> bool {
    let annotations = approval.raw.annotations();
    annotations.get(ANNOTATION_PROPOSAL) == Some(&proposal.digest)
        && !annotations.contains_key(LAST_APPLIED)
        && !approval.writers.is_empty()
        && approval.writers.iter().all(|w| !w.apply)
}

/// Returns whether this controller made the object: only it writes status, and no file carries the annotation.
pub fn ours(approval: &ActionApproval) -> bool {
    approval.annotations().contains_key(ANNOTATION_PROPOSAL)
        || approval.status.as_ref().is_some_and(|s| s.proposal.is_some() || s.decision.is_some())
}

/// Returns whether an object carries the labels of this pair.
pub fn labelled(approval: &ActionApproval, rule: &str, object: &str) -> bool {
    let labels = approval.labels();
    labels.get(LABEL_RULE) == Some(&names::label_value(rule))
        && labels.get(LABEL_OBJECT) == Some(&names::label_value(object))
}

/// Returns the pull request of exactly this proposal, if it was merged.
pub(crate) fn merged<'a>(approval: &'a Approval, proposal: &Proposal) -> Option<&'a PullRequest> {
    ended(approval, &proposal.digest).filter(|pull| pull.state == PullRequestState::Merged)
}

/// Returns whether the pull request of exactly this proposal was closed: by somebody, since we close only what is decided.
pub(crate) fn closed(approval: &Approval, proposal: &Proposal) -> bool {
    ended(approval, &proposal.digest).is_some_and(|pull| pull.state == PullRequestState::Closed)
}

fn ended<'a>(approval: &'a Approval, digest: &str) -> Option<&'a PullRequest> {
    approval.raw.pull_request().filter(|pull| pull.digest == digest)
}

/// The author of a decision, their means and their reason, as far as the API keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// A name, or empty.
    pub(crate) by: String,
    /// `console`, `kubectl`, `flux` or the field manager.
    pub(crate) via: String,
    /// In their words.
    pub(crate) reason: String,
}

/// Returns who decided. The console writes it beside the decision; of plain `kubectl` the API keeps only the manager. What
/// comes out of git, or out of a close, is signed by who merged or closed the pull request.
pub(crate) fn signature(approval: &Approval, digest: &str, outcome: Outcome) -> Signature {
    let by_hand = by_hand(approval);
    let Some(pull) = ended(approval, digest) else { return by_hand };
    let asked = match approval.raw.spec.approval_state.as_deref() {
        Some(approval_state::APPROVED) => Some(Outcome::Approved),
        Some(approval_state::DECLINED) => Some(Outcome::Declined),
        _ => None,
    };
    let from_git = match (outcome, pull.state) {
        (Outcome::Approved, PullRequestState::Merged) => approval.writers.last().is_some_and(|w| w.apply),
        // Nobody asked for it in the cluster.
        (Outcome::Declined, PullRequestState::Closed) => asked != Some(outcome),
        _ => false,
    };
    if !from_git {
        return by_hand;
    }
    let reason = match outcome {
        Outcome::Declined => format!("pull request #{} was closed", pull.number),
        _ => String::new(),
    };
    Signature { by: short(&pull.by), via: "pull request".to_owned(), reason }
}

fn by_hand(approval: &Approval) -> Signature {
    let annotation = |key: &str| approval.raw.annotations().get(key).cloned().unwrap_or_default();
    let manager = approval.writers.last().map(|w| w.manager.as_str()).unwrap_or_default();
    let via = match annotation(ANNOTATION_DECIDED_VIA) {
        via if !via.is_empty() => via,
        _ if manager.starts_with("kubectl") => "kubectl".to_owned(),
        _ if manager == "kustomize-controller" => "flux".to_owned(),
        _ => manager.to_owned(),
    };
    Signature {
        by: short(&annotation(ANNOTATION_DECIDED_BY)),
        via: short(&via),
        reason: sentence(&annotation(ANNOTATION_REASON)),
    }
}
