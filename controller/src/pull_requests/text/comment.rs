//! One comment per outcome. Each ends with a hidden line from which a restart knows that it was posted.

use autopilot_shared::api::{ActionApproval, Decision, Execution, Outcome, Proposal, PullRequestState};
use autopilot_shared::text::ellipsize;
use jiff::Timestamp;

use super::body::kubectl;
use super::marker;
use super::safe::code;

/// Longest reason that is repeated.
const LONGEST: usize = 1_000;

/// A comment on a pull request.
#[derive(Clone, Debug, PartialEq)]
pub enum Comment<'a> {
    /// Result of the approved action.
    Ended(&'a Execution),
    /// The pull request was closed, so the proposal is declined.
    Declined {
        /// Login of the account that closed it.
        by: &'a str,
        /// Its branch is gone, too: deleting it closes a pull request.
        branch_gone: bool,
    },
    /// The approval was decided in the cluster.
    Decided(&'a Decision),
    /// The controller withdrew the proposal.
    Canceled(&'a Decision),
    /// The pull request was merged, and the cluster does not know of it.
    NotSynced(&'a str),
    /// The pull request was opened again although the approval is decided.
    Reopened(&'a Decision),
    /// The approval was deleted.
    Deleted,
    /// Another proposal took its place.
    Replaced,
    /// The approval is gone.
    Orphaned,
}

impl Comment<'_> {
    /// Returns the name of the outcome in the hidden line.
    pub fn word(&self) -> &'static str {
        match self {
            Comment::Ended(execution) => match execution.outcome.as_str() {
                "done" => "done",
                "failed" => "failed",
                _ => "superseded",
            },
            Comment::Declined { .. } => "declined",
            Comment::Decided(_) => "decided",
            Comment::Canceled(_) => "canceled",
            Comment::NotSynced(_) => "not-synced",
            Comment::Reopened(_) => "reopened",
            Comment::Deleted => "deleted",
            Comment::Replaced => "replaced",
            Comment::Orphaned => "orphaned",
        }
    }

    /// Returns the text. `approval` is `None` if it is gone.
    pub fn text(&self, approval: Option<&ActionApproval>, digest: &str) -> String {
        let proposal = approval.and_then(ActionApproval::proposal);
        let decision = approval.and_then(ActionApproval::decision);
        let again = approval.map(|a| kubectl(a, "delete")).unwrap_or_default();
        let text = match self {
            Comment::Ended(execution) => {
                let merged_by = approval
                    .and_then(ActionApproval::pull_request)
                    .filter(|p| p.state == PullRequestState::Merged)
                    .map_or("", |p| &p.by);
                ended(execution, proposal, decision, merged_by)
            }
            Comment::Declined { by, branch_gone } => {
                let gone = if *branch_gone { ", and its branch is gone" } else { "" };
                format!(
                    "**Declined.** Closed{}{gone}. Nothing is done, and nothing is asked again for this volume until somebody \
                     deletes the approval: {again}",
                    by_whom(by, "")
                )
            }
            Comment::Decided(decision) => {
                let word = if decision.outcome == Outcome::Approved { "Approved" } else { "Declined" };
                format!(
                    "**{word} in the cluster**{}{}. This pull request is not needed any more.",
                    by_whom(&decision.by, &decision.via),
                    reason(&decision.reason)
                )
            }
            Comment::Canceled(decision) => format!(
                "**Canceled.** Autopilot takes the question back{}. Nothing is done.",
                reason(&decision.reason)
            ),
            Comment::NotSynced(why) => format!(
                "**Merged, but the cluster does not know of it.** Nothing is done until the GitOps tool applies the \
                 file. What was found: {}",
                code(&ellipsize(why, LONGEST))
            ),
            Comment::Reopened(decision) => {
                let word = match decision.outcome {
                    Outcome::Approved => "approved",
                    Outcome::Declined => "declined",
                    Outcome::Canceled => "canceled",
                };
                format!(
                    "**Opening this again changes nothing:** it stays {word}. To be asked anew, delete the approval: \
                     {again}"
                )
            }
            Comment::Deleted => {
                "**The approval was deleted.** This question is not asked any more; if the rule's \
                                conditions still hold, there will be a new one."
                    .to_owned()
            }
            Comment::Replaced => {
                "**Another proposal took the place of this one.** A new pull request asks for it.".to_owned()
            }
            Comment::Orphaned => {
                "**The approval is not in the cluster any more.** Merging this would do nothing.".to_owned()
            }
        };
        format!("{text}\n\n{}\n", marker::said(self.word(), digest))
    }
}

fn ended(
    execution: &Execution,
    proposal: Option<&Proposal>,
    decision: Option<&Decision>,
    merged_by: &str,
) -> String {
    let who = |d: &Decision| match d.by.as_str() {
        "" if !merged_by.is_empty() => format!("{} by merging this", by_whom(merged_by, "")),
        by => by_whom(by, &d.via),
    };
    let approved = decision.map(who).filter(|by| !by.is_empty());
    let approved = approved.map(|by| format!(" Approved{by}.")).unwrap_or_default();
    let when = execution.at.as_ref().map(|at| format!(" at {}", at_second(at.0))).unwrap_or_default();
    let sizes = proposal.map(|p| format!(" from {} to {}", code(&p.from), code(&p.to))).unwrap_or_default();
    match execution.outcome.as_str() {
        "done" => format!("**Done.** Resized{sizes}{when}.{approved}"),
        "failed" => format!("**Failed**{when}{}. Not resized{sizes}.{approved}", reason(&execution.message)),
        _ => format!("**Not done**{when}{}.{approved}", reason(&execution.message)),
    }
}

fn at_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn by_whom(by: &str, via: &str) -> String {
    match (by, via) {
        ("", "") => String::new(),
        ("", via) => format!(" with {}", code(via)),
        (by, "") => format!(" by {}", code(by)),
        (by, via) => format!(" by {} with {}", code(by), code(via)),
    }
}

fn reason(why: &str) -> String {
    match why.trim() {
        "" => String::new(),
        why => format!(": {}", code(&ellipsize(why, LONGEST))),
    }
}
