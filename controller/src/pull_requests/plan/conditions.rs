//! What the flow says in the status of an approval: where its pull request stands, and what is in the way. Never Ready,
//! Stalled or Reconciling.

use std::borrow::Cow;
use std::collections::BTreeMap;

use autopilot_shared::api::{ActionApprovalStatus, PullRequest, PullRequestState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::effect::ClusterEffect;
use super::match_pulls::recorded;
use super::view::View;
use crate::decide::Target;
use crate::pull_requests::forge::{Pull, PullState};
use kube::ResourceExt as _;

/// There is no pull request yet, and why.
pub const WAITS: &str = "PullRequestWaits";
/// The pull request does not count, and why.
pub const REFUSED: &str = "PullRequestRefused";
/// It was merged, and the cluster does not know of it.
pub const NOT_SYNCED: &str = "MergedNotSynced";
/// The folder brings its own list of files.
pub const FOLDER: &str = "FolderNotSynced";
/// A decline by pull request is not in the spec, because a GitOps tool owns the field.
pub const NOT_MIRRORED: &str = "DeclineNotMirrored";
/// The forge refuses to clean up.
pub const LEFT: &str = "LeftOnForge";
/// Not everybody was asked for a review.
pub const UNASKED: &str = "ReviewersNotAsked";

const ALL: [&str; 7] = [WAITS, REFUSED, NOT_SYNCED, FOLDER, NOT_MIRRORED, LEFT, UNASKED];
/// Longest message.
const LONGEST: usize = 1_000;

/// Type to reason and message.
pub(crate) type Conditions = BTreeMap<&'static str, (Cow<'static, str>, String)>;

/// What the status says already.
fn standing<'a>(view: &View<'a>) -> &'a [Condition] {
    view.approval.raw.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default()
}

/// Adds what the status says already about a pull request, whose address ends it: what it was said for is forgotten.
pub(crate) fn keep_about(view: &View<'_>, conditions: &mut Conditions, kind: &'static str, url: &str) {
    let said = |c: &&Condition| c.type_ == kind && c.status == "True" && c.message.ends_with(url);
    if let Some(old) = standing(view).iter().find(said) {
        conditions.entry(kind).or_insert_with(|| (old.reason.clone().into(), old.message.clone()));
    }
}

/// Adds what the status says already, where nothing else is said: for steps that do not know better yet.
pub(crate) fn keep(view: &View<'_>, conditions: &mut Conditions) {
    for old in standing(view).iter().filter(|c| c.status == "True") {
        if let Some(kind) = ALL.iter().find(|kind| **kind == old.type_) {
            conditions.entry(kind).or_insert_with(|| (old.reason.clone().into(), old.message.clone()));
        }
    }
}

pub(crate) fn target(view: &View<'_>) -> Target {
    let raw = &view.approval.raw;
    Target {
        namespace: raw.namespace().unwrap_or_default(),
        name: raw.name_any(),
        uid: raw.uid().unwrap_or_default(),
        version: raw.resource_version().unwrap_or_default(),
    }
}

/// The write that makes the status say this; nothing when it does.
pub(crate) fn write(
    view: &View<'_>,
    pull: Option<PullRequest>,
    conditions: &Conditions,
) -> Option<ClusterEffect> {
    let pull = pull.filter(|wanted| recorded(view) != Some(wanted));
    let conditions = changed_conditions(view, conditions);
    if pull.is_none() && conditions.is_none() {
        return None;
    }
    let status = ActionApprovalStatus { pull_request: pull, conditions, ..Default::default() };
    Some(ClusterEffect::WriteStatus { target: target(view), status: Box::new(status) })
}

/// All conditions as they must be; nothing when they are.
fn changed_conditions(view: &View<'_>, conditions: &Conditions) -> Option<Vec<Condition>> {
    let standing = standing(view);
    let mut out = Vec::with_capacity(standing.len() + conditions.len());
    let mut changed = false;
    for old in standing {
        let wanted = conditions.get(old.type_.as_str());
        if !ALL.contains(&old.type_.as_str()) || (wanted.is_none() && old.status == "False") {
            out.push(old.clone());
            continue;
        }
        let (status, reason, message) = match wanted {
            Some((reason, message)) => ("True", reason.as_ref(), cut(message)),
            None => ("False", "Resolved", String::new()),
        };
        if old.status == status && old.reason == reason && old.message == message {
            out.push(old.clone());
            continue;
        }
        changed = true;
        let since = if old.status == status { old.last_transition_time.clone() } else { Time(view.now) };
        out.push(Condition {
            type_: old.type_.clone(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: since,
            observed_generation: None,
        });
    }
    for (kind, (reason, message)) in conditions {
        if !standing.iter().any(|c| c.type_ == *kind) {
            changed = true;
            out.push(Condition {
                type_: (*kind).to_owned(),
                status: "True".to_owned(),
                reason: reason.to_string(),
                message: cut(message),
                last_transition_time: Time(view.now),
                observed_generation: None,
            });
        }
    }
    changed.then_some(out)
}

fn cut(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// How a pull request is recorded. `digest` is empty where it does not count.
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

/// The state as the status spells it.
pub(crate) fn state(state: PullState) -> PullRequestState {
    match state {
        PullState::Open => PullRequestState::Open,
        PullState::Closed => PullRequestState::Closed,
        PullState::Merged => PullRequestState::Merged,
    }
}
