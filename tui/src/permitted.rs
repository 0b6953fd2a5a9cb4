//! Commands that are possible here and now, and why others are not. A query on the model, below `update` and `view`.

use crate::commands::Command;
use crate::connection::Verb;
use crate::decision::{Action, Target};
use crate::model::Model;
use crate::rows::{Approval, Undecidable, View};
use crate::selection::{Chosen, chosen, shown_approvals};
use crate::text::Safe;

/// Returns the action of a command.
pub(crate) fn action(command: Command) -> Option<Action> {
    match command {
        Command::Approve => Some(Action::Approve),
        Command::Decline => Some(Action::Decline),
        Command::Delete => Some(Action::Delete),
        _ => None,
    }
}

/// Reason why a command cannot be carried out now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    /// All that was marked is gone; the selected row is not meant.
    #[error("what was marked is gone; once more, for the selected row")]
    MarksGone,
    /// The console writes nothing.
    #[error("read-only")]
    ReadOnly,
    /// The filter hides all marked rows.
    #[error("all that is marked is hidden by the filter")]
    MarksHidden,
    /// The server has said no.
    #[error("RBAC: {0}")]
    Denied(Safe),
    /// Another decision on the approval has not ended.
    #[error("a decision on it is held or on its way")]
    Busy,
    /// The approval is being deleted.
    #[error("it is being deleted")]
    Deleting,
    /// The approval cannot be decided.
    #[error(transparent)]
    Undecidable(#[from] Undecidable),
    /// No row of the approvals is selected.
    #[error("no approval is selected")]
    NoApproval,
    /// Nothing can be taken back, or sent now.
    #[error("nothing is held")]
    NothingHeld,
    /// The approval has no pull request.
    #[error("it has no pull request")]
    NoPullRequest,
    /// Rows of this list are not marked.
    #[error("only approvals are marked")]
    NoMarks,
    /// One object is shown in full.
    #[error("this is no list")]
    NoList,
    /// Another context or namespace would lose sight of a decision.
    #[error("a decision is held: wait for it or take it back")]
    DecisionHeld,
    /// `--read-only`, or the configuration.
    #[error("this console was started read-only")]
    Sealed,
}

/// Returns why an action cannot be about an approval; `None` if it can.
fn refused(model: &Model, row: &Approval, action: Action) -> Option<Obstacle> {
    let verb = if action == Action::Delete { Verb::Delete } else { Verb::Patch };
    if let Some(reason) = model.access.denied(&row.raw_namespace, verb) {
        Some(Obstacle::Denied(reason.clone()))
    } else if model.busy(&row.uid) {
        Some(Obstacle::Busy)
    } else if action == Action::Delete {
        row.deleting.then_some(Obstacle::Deleting)
    } else {
        row.undecidable().map(Obstacle::Undecidable)
    }
}

/// The approvals that an action would be about.
#[derive(Debug)]
pub(crate) struct Permitted {
    /// Those that it can be about.
    pub targets: Vec<Target>,
    /// Reason why the first of the others is left out.
    pub left_out: Option<Obstacle>,
}

/// Returns the chosen approvals that an action can be about.
pub(crate) fn targets(model: &Model, chosen: &Chosen<'_>, action: Action) -> Permitted {
    let mut permitted = Permitted { targets: Vec::new(), left_out: None };
    for row in &chosen.rows {
        match refused(model, row, action) {
            Some(obstacle) => permitted.left_out = permitted.left_out.or(Some(obstacle)),
            None => permitted.targets.push(Target::of(row)),
        }
    }
    permitted
}

/// Checks whether a command can be carried out now.
///
/// # Errors
/// When it cannot.
pub(crate) fn enabled(model: &Model, command: Command) -> Result<(), Obstacle> {
    if let Some(action) = action(command) {
        return decidable(model, action);
    }
    let listed = model.screen().table_ref();
    let obstacle = match command {
        Command::Undo | Command::SendNow if model.held.is_empty() => Obstacle::NothingHeld,
        Command::OpenLink | Command::CopyLink => match shown_approvals(model).first() {
            Some(row) if row.pull_request.is_some() => return Ok(()),
            _ => Obstacle::NoPullRequest,
        },
        Command::Mark | Command::MarkShown | Command::Unmark
            if !matches!(listed, Some((View::Approvals, _))) =>
        {
            Obstacle::NoMarks
        }
        Command::Sort
        | Command::Reverse
        | Command::Filter
        | Command::Fuzzy
        | Command::Pause
        | Command::ClearFilter
            if listed.is_none() =>
        {
            Obstacle::NoList
        }
        Command::Namespace | Command::Context if !model.held.is_empty() || !model.sending.is_empty() => {
            Obstacle::DecisionHeld
        }
        Command::ReadOnly if model.cluster.sealed => Obstacle::Sealed,
        _ => return Ok(()),
    };
    Err(obstacle)
}

/// Checks whether there is an approval that an action can be about.
fn decidable(model: &Model, action: Action) -> Result<(), Obstacle> {
    // First of all: where another reason is told, that one is not over.
    if model.screen().table_ref().is_some_and(|(_, table)| table.marks_lost) {
        return Err(Obstacle::MarksGone);
    }
    if model.read_only {
        return Err(Obstacle::ReadOnly);
    }
    let chosen = chosen(model);
    if chosen.rows.is_empty() && chosen.hidden > 0 {
        return Err(Obstacle::MarksHidden);
    }
    let mut first = None;
    for row in &chosen.rows {
        match refused(model, row, action) {
            // One approval is enough.
            None => return Ok(()),
            Some(obstacle) => first = first.or(Some(obstacle)),
        }
    }
    Err(first.unwrap_or(Obstacle::NoApproval))
}
