//! An approval that is decided, or is being deleted: its pull request is commented and closed, branch and file are
//! removed.

use autopilot_shared::api::{Decision, LABEL_RULE, Outcome, PullRequestState, approval_state};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::builder::PlanBuilder;
use super::conditions::{self, NOT_MIRRORED};
use super::effect::{Ask, ClusterEffect};
use super::match_pulls::{MatchedPulls, match_pulls};
use super::observed::BranchState;
use super::view::{Identity, View};
use super::{closing, files, sync};
use crate::decide::{EventDraft, Regarding};
use crate::pull_requests::forge::{Pull, PullState};
use crate::pull_requests::text::comment::Comment;

/// The `via` of a decision by pull request.
pub const VIA: &str = "pull request";

/// Plans what follows a decision: once all is done our finalizer goes, which also says that it is done.
pub(crate) fn decided(out: &mut PlanBuilder<'_, '_>, decision: &Decision) {
    let view = out.view();
    let mirrored = mirrored(out, decision);
    let Some(identity) = view.identity else { return };
    let matched = match_pulls(view, identity, &decision.digest);
    let held = view.raw().has_finalizer();
    // After all was done somebody may have opened it again, or even merged it before that was seen.
    let again = |p: &&Pull| match p.state {
        PullState::Open => true,
        PullState::Merged => decision.outcome != Outcome::Approved,
        PullState::Closed => false,
    };
    if !held && !matched.ours().any(|p| again(&p)) {
        return;
    }
    if searching(out, &matched) {
        return;
    }
    if unsure(out, decision, &matched) {
        return;
    }
    closing::close_older(out, &matched);
    if !held {
        // Opened again after all was done: nothing but the pull request says that the branch is there. Deleting that
        // closes it, so what there is to say is said before.
        for pull in matched.mine.iter().filter(|p| p.is_open()) {
            for comment in comments(view, decision, pull, false) {
                out.comment(pull.number, &comment, &decision.digest);
            }
        }
        closing::drop_branch(out, matched.ours());
    }
    for pull in &matched.mine {
        let gone = view.observed.branch.is_absent();
        if needs_branch(decision, pull) && view.observed.branch == BranchState::Unknown {
            out.ask(Ask::Branch { name: out.branch() });
            return;
        }
        let comments = comments(view, decision, pull, gone);
        closing::end(out, pull, &comments, &decision.digest);
    }
    finish(out, identity, &matched, &decision.digest);
    let waits = sync::waits(out);
    let done = decision.outcome != Outcome::Approved || view.raw().execution().is_some();
    if held && done && mirrored && !waits && out.complete() && out.status_stands() {
        out.write_cluster(ClusterEffect::Release { target: view.target(), event: None });
    }
}

/// Plans what a deletion needs: the same, within a bound.
pub(crate) fn leaving(out: &mut PlanBuilder<'_, '_>, since: Timestamp) {
    let view = out.view();
    let raw = view.raw();
    if raw.proposal().is_none() && raw.decision().is_none() && raw.pull_request().is_none() {
        // Left by somebody else, or by the original: nothing on the forge is ours.
        out.write_cluster(ClusterEffect::Release { target: view.target(), event: None });
        return;
    }
    if given_up(out, since) {
        return;
    }
    let Some(identity) = view.identity else { return };
    let decision = raw.decision();
    let digest = decision.map(|d| &d.digest).or_else(|| raw.proposal().map(|p| &p.digest));
    let digest = digest.cloned().unwrap_or_default();
    let matched = match_pulls(view, identity, &digest);
    if searching(out, &matched) {
        return;
    }
    closing::close_older(out, &matched);
    for pull in &matched.mine {
        let comments = match decision {
            Some(decision) => comments(view, decision, pull, false),
            None if pull.state == PullState::Closed && !closing::closed_by_us(view, pull) => Vec::new(),
            None => vec![Comment::Deleted],
        };
        closing::end(out, pull, &comments, &digest);
    }
    finish(out, identity, &matched, &digest);
    out.set_record(None);
    if out.complete() {
        out.write_cluster(ClusterEffect::Release { target: view.target(), event: None });
    }
}

/// Releases our finalizer after the bound, whatever keeps the forge from being cleaned up. What is open there is found
/// again as an orphan. Returns whether it does.
fn given_up(out: &mut PlanBuilder<'_, '_>, since: Timestamp) -> bool {
    let view = out.view();
    // A controller that comes late has its time, too.
    let due = since.max(view.started) + view.settings.deletion_bound;
    if due > view.now {
        out.wake(due);
        return false;
    }
    let raw = out.approval();
    let why = view.outage.map(|t| t.text.clone());
    let first = view.observed.refusals.iter().min_by_key(|(key, _)| key.to_string());
    let why = why.or_else(|| first.map(|(_, refusal)| refusal.why.clone()));
    let why = why.unwrap_or_else(|| "others were before it".to_owned());
    let pull = match view.recorded().filter(|r| r.number > 0) {
        Some(record) => format!("pull request {}", record.url),
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
    out.write_cluster(ClusterEffect::Release { target: view.target(), event: Some(Box::new(event)) });
    true
}

/// Whether a decline by pull request is in the spec, as far as it can be; plans the write if not.
fn mirrored(out: &mut PlanBuilder<'_, '_>, decision: &Decision) -> bool {
    let spec = &out.approval().spec;
    let waits = matches!(spec.approval_state.as_deref(), None | Some("" | approval_state::PENDING));
    let bound = spec.actions.iter().flatten().any(|a| a.proposal.as_ref() == Some(&decision.digest));
    if decision.outcome != Outcome::Declined || !waits || !bound {
        return true;
    }
    if let Some(writer) = out.view().approval.writers.iter().find(|w| w.apply) {
        let text = format!(
            "it is declined, but spec.approvalState belongs to {} and stays as it is there",
            writer.manager
        );
        out.set_condition(NOT_MIRRORED, "OwnedByApply", text);
        return true;
    }
    out.write_cluster(ClusterEffect::Mirror(out.view().target()));
    false
}

/// Searches the pull requests of the branch first, if one may have been opened and not recorded. Returns whether it
/// does.
fn searching(out: &mut PlanBuilder<'_, '_>, matched: &MatchedPulls<'_>) -> bool {
    let missing = match out.view().recorded() {
        Some(record) if record.number > 0 => !matched.ours().any(|p| p.number == record.number),
        _ => matched.mine.is_empty(),
    };
    if missing && out.view().observed.searched.is_none() {
        out.ask(Ask::Search { branch: out.branch() });
        return true;
    }
    false
}

/// Asks the forge how it came to the decision, if that is not certain. Returns whether it does. The list of pull
/// requests is as old as the last look: what is open there may be merged, and a GitOps tool may have been faster than
/// that look.
fn unsure(out: &mut PlanBuilder<'_, '_>, decision: &Decision, matched: &MatchedPulls<'_>) -> bool {
    let view = out.view();
    let in_cluster = decision.outcome != Outcome::Canceled && decision.via != VIA;
    let old = match (view.observed.searched, &decision.at) {
        (Some(searched), Some(at)) => searched < at.0 && at.0 <= view.now,
        (searched, _) => searched.is_none(),
    };
    // Closed once, as is known, and open in the list: opened again, or the list is from before.
    let again = |p: &Pull| view.record_of(p).is_some_and(|r| r.state == PullRequestState::Closed);
    if old && matched.mine.iter().any(|p| p.is_open() && (in_cluster || again(p))) {
        out.ask(Ask::Search { branch: out.branch() });
        return true;
    }
    if let Some(pull) = matched.leading().filter(|p| p.state == PullState::Merged)
        && view.record_of(pull).is_none_or(|r| r.by.is_empty() || r.state != PullRequestState::Merged)
        && !view.observed.deciders.contains_key(&pull.number)
    {
        out.ask(Ask::Decider { number: pull.number });
        return true;
    }
    false
}

/// Removes branch and files, and records how the pull request ended.
fn finish(out: &mut PlanBuilder<'_, '_>, identity: &Identity, matched: &MatchedPulls<'_>, digest: &str) {
    let view = out.view();
    closing::drop_branch(out, matched.ours());
    let path = files::path(view, identity, digest);
    if matched.ours().any(|p| p.state == PullState::Merged)
        || view.recorded().is_some_and(|r| r.in_base)
        || view.folder.is_some()
    {
        files::drop_all(out);
    }
    // An open one is closed first: what was closed before and is open now was opened again.
    if let Some(pull) = matched.leading().filter(|p| !p.is_open()) {
        let known = view.record_of(pull);
        let in_base = match view.folder {
            Some(folder) => folder.files.iter().any(|f| f.path == path),
            None => {
                pull.state == PullState::Merged
                    && known.is_none_or(|r| r.in_base || r.state != PullRequestState::Merged)
            }
        };
        let stands = known.filter(|r| r.state == conditions::state(pull.state));
        let by = stands.map(|r| r.by.clone()).unwrap_or_default();
        let by = view.observed.deciders.get(&pull.number).cloned().unwrap_or(by);
        let counted = known.map_or(digest, |r| r.digest.as_str());
        if out.complete() || known.is_none_or(|r| r.state != conditions::state(pull.state)) {
            out.set_record(Some(conditions::record(pull, counted, &path, &by, in_base)));
        }
    }
}

/// Whether the comments depend on the branch.
fn needs_branch(decision: &Decision, pull: &Pull) -> bool {
    decision.outcome == Outcome::Declined && decision.via == VIA && pull.state == PullState::Closed
}

/// Returns the comments on a pull request after a decision, in order.
fn comments<'a>(view: &View<'a>, decision: &'a Decision, pull: &Pull, branch_gone: bool) -> Vec<Comment<'a>> {
    let execution = view.raw().execution();
    let mut out = Vec::new();
    let was_closed = view.record_of(pull).is_some_and(|r| r.state == PullRequestState::Closed);
    if was_closed && pull.is_open() {
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
