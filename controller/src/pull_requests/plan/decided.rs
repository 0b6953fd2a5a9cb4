//! Decided, or being deleted: the pull request is told and closed, branch and file are removed.

use autopilot_shared::api::{Decision, FINALIZER, LABEL_RULE, Outcome, PullRequestState, approval_state};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::builder::PlanBuilder;
use super::conditions::{self, NOT_MIRRORED};
use super::effect::{Ask, ClusterEffect};
use super::match_pulls::{MatchedPulls, match_pulls, noted, recorded};
use super::sync;
use super::view::{Identity, View};
use crate::decide::{EventDraft, Regarding};
use crate::pull_requests::forge::{Pull, PullState};
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::file;
use crate::pull_requests::text::marker::Marker;

/// What the engine calls a decision by pull request.
pub const VIA: &str = "pull request";

/// After a decision: once all is done our finalizer goes, which also says that it is done.
pub(crate) fn decided(out: &mut PlanBuilder<'_, '_>, decision: &Decision) {
    let view = out.view;
    let mirrored = mirrored(out, decision);
    let Some(identity) = view.identity else { return };
    let sorted = match_pulls(view, identity, &decision.digest);
    let held = out.approval().finalizers().iter().any(|f| f == FINALIZER);
    // After all was done somebody may have opened it again, or even merged it before that was seen.
    let again = |p: &&Pull| match p.state {
        PullState::Open => true,
        PullState::Merged => decision.outcome != Outcome::Approved,
        PullState::Closed => false,
    };
    if !held && !sorted.ours().any(|p| again(&p)) {
        return;
    }
    if searching(out, &sorted) {
        return;
    }
    if unsure(out, decision, &sorted) {
        return;
    }
    close_older(out, &sorted);
    if !held {
        // Opened again after all was done: nothing but the pull request says that the branch is there. Deleting that
        // closes it, so what there is to say is said before.
        for pull in sorted.mine.iter().filter(|p| p.state == PullState::Open) {
            for comment in comments(view, decision, pull, false) {
                out.comment(pull.number, &comment, &decision.digest);
            }
        }
        out.drop_branch(sorted.ours());
    }
    for pull in &sorted.mine {
        let gone = matches!(view.observed.branch, Some(None));
        if needs_branch(decision, pull) && view.observed.branch.is_none() {
            out.ask(Ask::Branch { name: out.branch() });
            return;
        }
        let comments = comments(view, decision, pull, gone);
        out.end(pull, &comments, &decision.digest);
    }
    finish(out, identity, &sorted, &decision.digest);
    let waits = sync::waits(out);
    let done = decision.outcome != Outcome::Approved
        || out.approval().status.as_ref().is_some_and(|s| s.execution.is_some());
    if held && done && mirrored && !waits && out.complete() && out.status_stands() {
        out.cluster = Some(ClusterEffect::Release { target: conditions::target(view), event: None });
    }
}

/// Being deleted: the same, within a bound.
pub(crate) fn leaving(out: &mut PlanBuilder<'_, '_>, since: Timestamp) {
    let view = out.view;
    let status = out.approval().status.as_ref();
    let known =
        status.is_some_and(|s| s.proposal.is_some() || s.decision.is_some() || s.pull_request.is_some());
    if !known {
        // Left by somebody else, or by the original: nothing on the forge is ours.
        out.cluster = Some(ClusterEffect::Release { target: conditions::target(view), event: None });
        return;
    }
    if given_up(out, since) {
        return;
    }
    let Some(identity) = view.identity else { return };
    let decision = status.and_then(|s| s.decision.as_ref());
    let digest = decision
        .map(|d| d.digest.clone())
        .or_else(|| status.and_then(|s| s.proposal.as_ref()).map(|p| p.digest.clone()))
        .unwrap_or_default();
    let sorted = match_pulls(view, identity, &digest);
    if searching(out, &sorted) {
        return;
    }
    close_older(out, &sorted);
    for pull in &sorted.mine {
        let comments = match decision {
            Some(decision) => comments(view, decision, pull, false),
            None if pull.state == PullState::Closed && !out.closed_by_us(pull) => Vec::new(),
            None => vec![Comment::Deleted],
        };
        out.end(pull, &comments, &digest);
    }
    finish(out, identity, &sorted, &digest);
    out.pull = None;
    if out.complete() {
        out.cluster = Some(ClusterEffect::Release { target: conditions::target(view), event: None });
    }
}

/// Releases after the bound, whatever keeps the forge from being tidied up. What is open there is found again as nobody's.
fn given_up(out: &mut PlanBuilder<'_, '_>, since: Timestamp) -> bool {
    let view = out.view;
    // A controller that comes late has its time, too.
    let due = since.max(view.started) + view.settings.deletion_bound;
    if due > view.now {
        out.wake(due);
        return false;
    }
    let raw = out.approval();
    let why = view.outage.map(|t| t.text.clone());
    let why = why.or_else(|| view.observed.refusals.values().next().map(|h| h.why.clone()));
    let why = why.unwrap_or_else(|| "others were before it".to_owned());
    let pull = match recorded(view).filter(|r| r.number > 0) {
        Some(noted) => format!("pull request {}", noted.url),
        None => "a pull request, if there is one,".to_owned(),
    };
    let message = format!(
        "approval {}/{} was deleted, and the forge is not tidied up yet; {pull} and branch {} may stay behind: {why}",
        raw.namespace().unwrap_or_default(),
        raw.name_any(),
        out.branch(),
    );
    let event = EventDraft {
        regarding: Regarding::Rule {
            name: raw.labels().get(LABEL_RULE).cloned().unwrap_or_default(),
            uid: String::new(),
        },
        when: due,
        step: 0,
        seed: vec![raw.uid().unwrap_or_default()],
        warning: true,
        reason: conditions::LEFT,
        message,
    };
    out.cluster =
        Some(ClusterEffect::Release { target: conditions::target(view), event: Some(Box::new(event)) });
    true
}

/// Whether a decline by pull request stands in the spec, as far as it can.
fn mirrored(out: &mut PlanBuilder<'_, '_>, decision: &Decision) -> bool {
    let spec = &out.approval().spec;
    let waits = matches!(spec.approval_state.as_deref(), None | Some("" | approval_state::PENDING));
    let bound = spec.actions.iter().flatten().any(|a| a.proposal.as_ref() == Some(&decision.digest));
    if decision.outcome != Outcome::Declined || !waits || !bound {
        return true;
    }
    if let Some(writer) = out.view.approval.writers.iter().find(|w| w.apply) {
        let text = format!(
            "it is declined, but spec.approvalState belongs to {} and stays as it is there",
            writer.manager
        );
        out.set_condition(NOT_MIRRORED, "OwnedByApply", text);
        return true;
    }
    out.cluster = Some(ClusterEffect::Mirror(conditions::target(out.view)));
    false
}

/// Whether the pull requests of the branch must be asked for first: one may have been opened and not recorded.
fn searching(out: &mut PlanBuilder<'_, '_>, sorted: &MatchedPulls<'_>) -> bool {
    let missing = match recorded(out.view) {
        Some(noted) if noted.number > 0 => !sorted.ours().any(|p| p.number == noted.number),
        _ => sorted.mine.is_empty(),
    };
    if missing && out.view.observed.searched.is_none() {
        out.ask(Ask::Search { branch: out.branch() });
        return true;
    }
    false
}

/// Whether the forge must be asked how it came to the decision. The list of pull requests is as old as the last look: what
/// is open there may be merged, and a GitOps tool may have been faster than that look.
fn unsure(out: &mut PlanBuilder<'_, '_>, decision: &Decision, sorted: &MatchedPulls<'_>) -> bool {
    let view = out.view;
    let in_cluster = decision.outcome != Outcome::Canceled && decision.via != VIA;
    let old = match (view.observed.searched, &decision.at) {
        (Some(searched), Some(at)) => searched < at.0 && at.0 <= view.now,
        (searched, _) => searched.is_none(),
    };
    // Closed once, as is known, and open in the list: opened again, or the list is from before.
    let again = |p: &Pull| noted(view, p).is_some_and(|r| r.state == PullRequestState::Closed);
    if old && sorted.mine.iter().any(|p| p.state == PullState::Open && (in_cluster || again(p))) {
        out.ask(Ask::Search { branch: out.branch() });
        return true;
    }
    if let Some(pull) = sorted.leading().filter(|p| p.state == PullState::Merged)
        && noted(view, pull).is_none_or(|r| r.by.is_empty() || r.state != PullRequestState::Merged)
        && !view.observed.deciders.contains_key(&pull.number)
    {
        out.ask(Ask::Decider { number: pull.number });
        return true;
    }
    false
}

/// Those of earlier proposals of the same approval; what an approval of that name left that is gone is closed as such. A
/// comment that was refused before we closed it is not forgotten.
pub(crate) fn close_older(out: &mut PlanBuilder<'_, '_>, sorted: &MatchedPulls<'_>) {
    for pull in &sorted.older {
        if pull.state != PullState::Open && !out.closed_by_us(pull) {
            continue;
        }
        let marker = Marker::read(&pull.body).unwrap_or_default();
        if Some(&marker.uid) == out.approval().metadata.uid.as_ref() {
            out.end(pull, &[Comment::Replaced], &marker.digest);
        }
    }
}

/// Branch, record, files.
fn finish(out: &mut PlanBuilder<'_, '_>, identity: &Identity, sorted: &MatchedPulls<'_>, digest: &str) {
    let view = out.view;
    out.drop_branch(sorted.ours());
    let path = file::path(&view.settings.folder, &out.approval().name_any(), &identity.cluster, digest);
    if sorted.ours().any(|p| p.state == PullState::Merged)
        || recorded(view).is_some_and(|r| r.in_base)
        || view.folder.is_some()
    {
        out.drop_files();
    }
    // An open one is closed first: what was closed before and is open now was opened again.
    if let Some(pull) = sorted.leading().filter(|p| p.state != PullState::Open) {
        let known = noted(view, pull);
        let in_base = match view.folder {
            Some(folder) => folder.files.iter().any(|f| f.path == path),
            None => {
                pull.state == PullState::Merged
                    && known.is_none_or(|r| r.in_base || r.state != PullRequestState::Merged)
            }
        };
        let told = known.filter(|r| r.state == conditions::state(pull.state));
        let by = told.map(|r| r.by.clone()).unwrap_or_default();
        let by = view.observed.deciders.get(&pull.number).cloned().unwrap_or(by);
        let counted = known.map_or(digest, |r| r.digest.as_str());
        if out.complete() || known.is_none_or(|r| r.state != conditions::state(pull.state)) {
            out.pull = Some(conditions::record(pull, counted, &path, &by, in_base));
        }
    }
}

/// Whether what is said depends on the branch.
fn needs_branch(decision: &Decision, pull: &Pull) -> bool {
    decision.outcome == Outcome::Declined && decision.via == VIA && pull.state == PullState::Closed
}

/// What is to be said on a pull request after a decision, in order.
fn comments<'a>(view: &View<'a>, decision: &'a Decision, pull: &Pull, branch_gone: bool) -> Vec<Comment<'a>> {
    let status = view.approval.raw.status.as_ref();
    let execution = status.and_then(|s| s.execution.as_ref());
    let mut out = Vec::new();
    let was_closed = noted(view, pull).is_some_and(|r| r.state == PullRequestState::Closed);
    if was_closed && pull.state == PullState::Open {
        out.push(Comment::Reopened(decision));
    } else {
        match decision.outcome {
            Outcome::Canceled => out.push(Comment::Canceled(decision)),
            Outcome::Declined if decision.via == VIA => {
                out.push(Comment::Declined { by: &decision.by, branch_gone });
            }
            Outcome::Approved if pull.state == PullState::Merged => {}
            Outcome::Approved | Outcome::Declined => out.push(Comment::Decided(decision)),
        }
    }
    if decision.outcome == Outcome::Approved
        && let Some(execution) = execution
    {
        out.push(Comment::Ended(execution));
    }
    out
}
