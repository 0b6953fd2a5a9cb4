//! A merge counts only once the GitOps tool has brought it into the cluster.

use autopilot_shared::api::Proposal;
use jiff::Timestamp;

use super::builder::PlanBuilder;
use super::conditions::NOT_SYNCED;
use super::effect::Ask;
use super::folder::Folder;
use super::observed::{Finding, FindingsAt};
use crate::pull_requests::forge::Pull;
use crate::pull_requests::text::comment::Comment;

/// Interval at which the obstacles are looked at again; a tool that is at work, with each poll.
const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Time that the end of an approval waits for the GitOps tool.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// Says what stands between a merge and the cluster, once the merge should have arrived.
pub(crate) fn merged(
    out: &mut PlanBuilder<'_, '_>,
    proposal: &Proposal,
    pull: &Pull,
    path: &str,
    in_base: bool,
) {
    let view = out.view();
    let due = pull.ended.unwrap_or(view.now) + view.settings.sync_limit;
    if due > view.now {
        return out.wake(due);
    }
    let (reason, text) = if !in_base {
        ("FileGone", format!("{path} is not on the branch any more"))
    } else if let Some(list) = view.folder.and_then(|f| f.kustomization(&view.settings.folder)) {
        ("OwnKustomization", format!("{list} lists the files of its folder, so {path} is not applied"))
    } else {
        match &view.observed.findings {
            Some(FindingsAt { at, findings }) => {
                let soon = findings.iter().any(|f| matches!(f, Finding::Behind { .. }));
                let again = *at + if soon { view.settings.poll.min(AGAIN) } else { AGAIN };
                if again <= view.now {
                    out.ask(Ask::Findings);
                } else {
                    out.wake(again);
                }
                let above = |begin: &str| view.folder?.kustomization_above(&view.settings.folder, begin);
                explain(findings, path, above)
            }
            None => return out.ask(Ask::Findings),
        }
    };
    out.comment(pull.number, &Comment::NotSynced(&text), &proposal.digest);
    out.set_condition(NOT_SYNCED, reason, text);
}

/// The file that approved it has gone from the branch; until the GitOps tool knows that, too, it is recorded as
/// there: the engine keeps the approval so long, since the tool would wait for it, or create it again. Returns
/// whether it waits.
pub(crate) fn waits(out: &mut PlanBuilder<'_, '_>) -> bool {
    let view = out.view();
    let there = view.recorded().is_some_and(|r| r.in_base);
    let done = view.raw().execution().and_then(|execution| execution.at.as_ref());
    let decided = view.raw().decision().and_then(|decision| decision.at.as_ref());
    let since = done.or(decided);
    let (Some(folder), Some(since)) = (view.folder, since) else { return false };
    if !there || !out.complete() || out.record().is_none_or(|p| p.in_base) {
        return false;
    }
    let waits = behind(out, folder, since.0, |_| true);
    let asked = out.record().and_then(|p| view.observed.reconcile_requested.get(&p.number));
    if waits && view.settings.request_reconcile && asked.is_none_or(|at| decided.is_some_and(|d| *at < d.0)) {
        out.ask(Ask::RequestReconcile);
    }
    if waits {
        out.keep_in_base();
    }
    waits
}

/// Whether the GitOps tool has yet to see what the folder is now; `false` from [`PATIENCE`] after `since`. A tool
/// that fails may be behind, too; `knows` says what else must be found.
pub(crate) fn behind(
    out: &mut PlanBuilder<'_, '_>,
    folder: &Folder,
    since: Timestamp,
    knows: impl Fn(&[Finding]) -> bool,
) -> bool {
    let view = out.view();
    if since + PATIENCE <= view.now {
        return false;
    }
    let late = |f: &Finding| matches!(f, Finding::Behind { .. } | Finding::Failing { .. });
    match &view.observed.findings {
        Some(FindingsAt { at, findings })
            if *at >= folder.at && knows(findings) && !findings.iter().any(late) =>
        {
            return false;
        }
        // Others read the folder all the time.
        Some(FindingsAt { at, .. }) if *at + view.settings.poll > view.now => {
            out.wake(*at + view.settings.poll)
        }
        _ => out.ask(Ask::Findings),
    }
    true
}

/// Returns reason and text of the findings, the most telling first. Where something was applied, and not this file, a
/// list of files `above` the folder, in what was applied, may explain it.
fn explain<'a>(
    findings: &[Finding],
    path: &str,
    above: impl Fn(&str) -> Option<&'a str>,
) -> (&'static str, String) {
    let list = match findings.first() {
        Some(Finding::Applied { path, .. }) => above(path),
        _ => None,
    };
    if let Some(list) = list {
        let text = format!(
            "{list} lists what is applied from where it is, and may leave out the folder of {path}: let the \
             Kustomization's path begin below it"
        );
        return ("ParentKustomization", text);
    }
    let reason = match findings.first() {
        None | Some(Finding::Unknown) => "NotApplied",
        Some(Finding::NoKustomization) => "NoKustomization",
        Some(Finding::Suspended { .. }) => "Suspended",
        Some(Finding::Failing { .. }) => "Failing",
        Some(Finding::Behind { .. }) => "SourceBehind",
        Some(Finding::OtherNamespace { .. }) => "OtherNamespace",
        Some(Finding::Applied { .. }) => "AppliedDifferently",
    };
    let sentences: Vec<String> = findings.iter().map(|finding| sentence(finding, path)).collect();
    let text = match sentences.as_slice() {
        [] => format!("{path} was not applied, and nothing was found that would explain it"),
        some => some.join("; "),
    };
    (reason, text)
}

fn sentence(finding: &Finding, path: &str) -> String {
    match finding {
        Finding::NoKustomization => format!("no Kustomization applies the folder of {path}"),
        Finding::Suspended { object } => format!("{object} is suspended"),
        Finding::Failing { object, message } => format!("{object} is not ready: {message}"),
        Finding::Behind { object } => format!("{object} has not fetched the merge yet"),
        Finding::OtherNamespace { object, namespace } => {
            format!("{object} puts everything into namespace {namespace}")
        }
        Finding::Applied { object, .. } => {
            format!("{object} is ready, and the approval in the cluster is not the one of {path}")
        }
        Finding::Unknown => format!("{path} was not applied, and no GitOps tool could be asked"),
    }
}
