//! The rows that a command is about: the marked ones, the selected one, or the one that is shown in full. A query on the
//! model, below `update` and `view`.

use std::sync::Arc;

use crate::model::{Model, ScreenContent};
use crate::rows::{Approval, Subject, View};
use crate::text;
use crate::text::Safe;

/// The approvals that a command is about.
#[derive(Default)]
pub(crate) struct Chosen<'a> {
    /// The approvals.
    pub rows: Vec<&'a Approval>,
    /// Number of marked rows, shown or not.
    pub marked: usize,
    /// Marked ones that the list does not show: nobody sees them, so nothing is about them.
    pub hidden: usize,
}

/// Returns the approvals that a command is about: the marked ones that are shown, else the selected one, else the one in
/// full. Never more. Where all that is marked is hidden, it is about none.
pub(crate) fn chosen(model: &Model) -> Chosen<'_> {
    let approvals = &model.store.approvals;
    let one = |id: &Arc<str>| Chosen { rows: approvals.get(id).into_iter().collect(), ..Chosen::default() };
    match &model.screen().shown {
        ScreenContent::Table(View::Approvals, table) if !table.marked().is_empty() => {
            let listed = &model.screen().rows(&model.store).approvals;
            let shown = table.shown_marks(listed);
            let rows: Vec<_> = shown.filter_map(|row| approvals.get(&row.uid)).collect();
            let marked = table.marked().len();
            let there = match rows.len() == marked {
                true => marked,
                false => table.marked().iter().filter(|id| approvals.get(id).is_some()).count(),
            };
            Chosen { marked, hidden: there.saturating_sub(rows.len()), rows }
        }
        ScreenContent::Table(View::Approvals, table) => table.selected.as_ref().map(one).unwrap_or_default(),
        ScreenContent::Detail { of: Subject::Approval(id), .. } => one(id),
        _ => Chosen::default(),
    }
}

/// Returns the approvals that a command is about.
pub(crate) fn shown_approvals(model: &Model) -> Vec<&Approval> {
    chosen(model).rows
}

/// Returns how many marked rows the list does not show.
pub(crate) fn hidden_marks(model: &Model) -> usize {
    chosen(model).hidden
}

/// Returns what is selected, or shown in full.
pub(crate) fn subject(model: &Model) -> Option<Subject> {
    match &model.screen().shown {
        ScreenContent::Detail { of, .. } => Some(of.clone()),
        ScreenContent::Table(view, table) => Some(Subject::new(*view, Arc::clone(table.selected.as_ref()?))),
    }
}

/// Reason why the link of a pull request is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The approval has no pull request, or no approval is selected.
    #[error("it has no pull request")]
    NoPullRequest,
    /// Not `https`, or not printable ASCII.
    #[error("this is no link that may be opened: {0}")]
    NoLink(Safe),
    /// The host is not among the configured ones.
    #[error("{0} is not among the configured hosts")]
    Host(String),
}

/// Returns the link of the subject's pull request: `https`, printable ASCII, of a configured host.
///
/// # Errors
/// When it may not be opened.
pub(crate) fn pull_request_link(model: &Model) -> Result<String, LinkError> {
    let rows = shown_approvals(model);
    let pull = rows.first().and_then(|r| r.pull_request.as_ref()).ok_or(LinkError::NoPullRequest)?;
    let url = text::link(pull.url.as_str()).filter(|_| !pull.url.sanitized());
    let url = url.ok_or_else(|| LinkError::NoLink(pull.url.clone()))?;
    let host = url.trim_start_matches("https://").split(['/', ':', '?', '#']).next().unwrap_or_default();
    let hosts = &model.settings.hosts;
    if hosts.is_empty() || hosts.iter().any(|h| h == host) {
        Ok(url.to_owned())
    } else {
        Err(LinkError::Host(host.to_owned()))
    }
}
