//! What can be done here and now, and why not.

use crate::commands::Command;
use crate::connection::Verb;
use crate::decision::{Action, Target};
use crate::model::{Model, ScreenContent};
use crate::rows::{Approval, View};
use crate::selection::{Chosen, chosen, shown_approvals};

/// The action of a command.
pub fn action(command: Command) -> Option<Action> {
    match command {
        Command::Approve => Some(Action::Approve),
        Command::Decline => Some(Action::Decline),
        Command::Delete => Some(Action::Delete),
        _ => None,
    }
}

/// Why an action cannot be about an approval; none if it can.
fn refused(model: &Model, row: &Approval, action: Action) -> Option<String> {
    let verb = if action == Action::Delete { Verb::Delete } else { Verb::Patch };
    match (model.access.denied(&row.raw_namespace, verb), action) {
        (Some(reason), _) => Some(format!("RBAC: {reason}")),
        _ if model.busy(&row.uid) => Some("a decision on it is held or on its way".to_owned()),
        (None, Action::Delete) => row.deleting.then(|| "it is being deleted".to_owned()),
        (None, _) => row.undecidable(),
    }
}

/// The chosen approvals that an action would be about, and why the first of the others is left out.
pub fn targets(model: &Model, chosen: &Chosen<'_>, action: Action) -> (Vec<Target>, Option<String>) {
    let mut why_not = None;
    let mut targets = Vec::new();
    for row in &chosen.rows {
        match refused(model, row, action) {
            Some(reason) => why_not = why_not.or(Some(reason)),
            None => targets.push(Target::of(row)),
        }
    }
    (targets, why_not)
}

/// Whether a command can be done now.
///
/// # Errors
/// Why not, for people.
pub fn enabled(model: &Model, command: Command) -> Result<(), String> {
    let no = |why: &str| Err(why.to_owned());
    match command {
        Command::Approve | Command::Decline | Command::Delete => {
            let Some(action) = action(command) else { return Ok(()) };
            // First of all: where another reason is told, that one is not over.
            if model.screen().table_ref().is_some_and(|(_, table)| table.bereft) {
                return no("what was marked is gone; once more, for the selected row");
            }
            if model.read_only {
                return no("read-only");
            }
            let chosen = chosen(model);
            if chosen.rows.is_empty() && chosen.hidden > 0 {
                return no("all that is marked is hidden by the filter");
            }
            // One that can be is enough.
            let why: Option<Vec<String>> =
                chosen.rows.iter().map(|row| refused(model, row, action)).collect();
            match why.map(|why| why.into_iter().next()) {
                None => Ok(()),
                Some(why) => Err(why.unwrap_or_else(|| "no approval is selected".to_owned())),
            }
        }
        Command::Undo | Command::SendNow if model.held.is_empty() => no("nothing is held"),
        Command::OpenLink | Command::CopyLink => match shown_approvals(model).first() {
            Some(row) if row.pull_request.is_some() => Ok(()),
            _ => no("it has no pull request"),
        },
        Command::Mark | Command::MarkShown | Command::Unmark => match &model.screen().shown {
            ScreenContent::Table(View::Approvals, _) => Ok(()),
            _ => no("only approvals are marked"),
        },
        Command::Sort
        | Command::Reverse
        | Command::Filter
        | Command::Fuzzy
        | Command::Pause
        | Command::ClearFilter
            if model.screen().table_ref().is_none() =>
        {
            no("this is no list")
        }
        Command::Namespace | Command::Context if !model.held.is_empty() || !model.sending.is_empty() => {
            no("a decision is held: wait for it or take it back")
        }
        Command::ReadOnly if model.cluster.sealed => no("this console was started read-only"),
        _ => Ok(()),
    }
}
