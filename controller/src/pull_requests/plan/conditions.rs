//! The part of an approval's status that is ours: the record of its pull request, and conditions for whatever is in the
//! way. Never Ready, Stalled or Reconciling.

use std::borrow::Cow;
use std::collections::BTreeMap;

use autopilot_shared::api::{ActionApprovalStatus, PullRequest, PullRequestState};
use autopilot_shared::text::one_line;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::effect::ClusterEffect;
use super::view::View;
use crate::pull_requests::forge::{Pull, PullState};

/// There is no pull request yet; the message says why.
pub(crate) const WAITS: &str = "PullRequestWaits";
/// The pull request does not count; the message says why.
pub(crate) const REFUSED: &str = "PullRequestRefused";
/// The pull request was merged, and the cluster does not know of it.
pub(crate) const NOT_SYNCED: &str = "MergedNotSynced";
/// The folder has its own list of files.
pub(crate) const FOLDER: &str = "FolderNotSynced";
/// A decline by pull request is not in the spec, because a GitOps tool owns the field.
pub(crate) const NOT_MIRRORED: &str = "DeclineNotMirrored";
/// The forge refuses to clean up.
pub(crate) const LEFT: &str = "LeftOnForge";
/// Not everybody was asked for a review.
pub(crate) const UNASKED: &str = "ReviewersNotAsked";

const ALL: [&str; 7] = [WAITS, REFUSED, NOT_SYNCED, FOLDER, NOT_MIRRORED, LEFT, UNASKED];
/// Longest message.
const LONGEST: usize = 1_000;

/// Reason and message of a condition that holds.
#[derive(Clone, Debug)]
struct ConditionText {
    reason: Cow<'static, str>,
    message: String,
}

impl From<&Condition> for ConditionText {
    fn from(old: &Condition) -> Self {
        ConditionText { reason: old.reason.clone().into(), message: old.message.clone() }
    }
}

/// The conditions that hold, by type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions(BTreeMap<&'static str, ConditionText>);

impl Conditions {
    /// Sets a condition, unless something else was said already.
    pub(crate) fn set(&mut self, kind: &'static str, reason: &'static str, message: String) {
        self.0.entry(kind).or_insert_with(|| ConditionText { reason: reason.into(), message });
    }

    /// Sets a condition, whatever was said before.
    pub(crate) fn replace(&mut self, kind: &'static str, reason: &'static str, message: String) {
        self.0.insert(kind, ConditionText { reason: reason.into(), message });
    }

    /// Keeps the condition in the status that ends with the address of a pull request: the cause of it is forgotten.
    pub(crate) fn keep_about(&mut self, view: &View<'_>, kind: &'static str, url: &str) {
        let is_about = |c: &&Condition| c.type_ == kind && c.status == "True" && c.message.ends_with(url);
        if let Some(old) = view.raw().conditions().iter().find(is_about) {
            self.0.entry(kind).or_insert_with(|| old.into());
        }
    }

    /// Keeps the conditions in the status, where nothing else is said: for steps that do not know better yet.
    pub(crate) fn keep_all(&mut self, view: &View<'_>) {
        for old in view.raw().conditions().iter().filter(|c| c.status == "True") {
            if let Some(kind) = ALL.iter().find(|kind| **kind == old.type_) {
                self.0.entry(kind).or_insert_with(|| old.into());
            }
        }
    }

    /// Returns the write that makes the status say this and record the pull request; `None` if it does.
    pub(crate) fn write(&self, view: &View<'_>, pull: Option<PullRequest>) -> Option<ClusterEffect> {
        let pull = pull.filter(|wanted| view.recorded() != Some(wanted));
        let conditions = self.changed(view);
        if pull.is_none() && conditions.is_none() {
            return None;
        }
        let status = ActionApprovalStatus { pull_request: pull, conditions, ..Default::default() };
        Some(ClusterEffect::WriteStatus { target: view.target(), status: Box::new(status) })
    }

    /// Returns all conditions as they must be; `None` if they are.
    fn changed(&self, view: &View<'_>) -> Option<Vec<Condition>> {
        let standing = view.raw().conditions();
        let mut out = Vec::with_capacity(standing.len() + self.0.len());
        let mut changed = false;
        for old in standing {
            let wanted = self.0.get(old.type_.as_str());
            if !ALL.contains(&old.type_.as_str()) || (wanted.is_none() && old.status == "False") {
                out.push(old.clone());
                continue;
            }
            let (status, reason, message) = match wanted {
                Some(text) => ("True", text.reason.as_ref(), one_line(&text.message, LONGEST)),
                None => ("False", "Resolved", String::new()),
            };
            if old.status == status && old.reason == reason && old.message == message {
                out.push(old.clone());
                continue;
            }
            changed = true;
            let since = if old.status == status { old.last_transition_time.clone() } else { Time(view.now) };
            out.push(condition(&old.type_, status, reason, message, since));
        }
        for (kind, text) in &self.0 {
            if !standing.iter().any(|c| c.type_ == *kind) {
                changed = true;
                out.push(condition(
                    kind,
                    "True",
                    &text.reason,
                    one_line(&text.message, LONGEST),
                    Time(view.now),
                ));
            }
        }
        changed.then_some(out)
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: String, since: Time) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since,
        observed_generation: None,
    }
}

/// Returns the record of a pull request. `digest` is empty if it does not count.
pub(crate) fn record(pull: &Pull, digest: &str, path: &str, by: &str, in_base: bool) -> PullRequest {
    let state = state(pull.state);
    PullRequest {
        number: pull.number,
        url: pull.url.clone(),
        state,
        digest: digest.to_owned(),
        branch: pull.branch.clone(),
        path: path.to_owned(),
        by: by.to_owned(),
        at: pull.ended.filter(|_| state != PullRequestState::Open).map(MicroTime),
        in_base,
    }
}

/// Returns the state as the status spells it.
pub(crate) fn state(state: PullState) -> PullRequestState {
    match state {
        PullState::Open => PullRequestState::Open,
        PullState::Closed => PullRequestState::Closed,
        PullState::Merged => PullRequestState::Merged,
    }
}
