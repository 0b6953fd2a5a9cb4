//! The lines under the body, but for the keys: what is held, messages, the filter.

use crate::commands::Command;
use crate::content::limits::SMALLEST;
use crate::decision::Action;
use crate::message::Tone;
use crate::model::{Model, ScreenContent, held_subject};
use crate::rows::{ApprovalColumn, CellContext, Row as _, View};
use crate::text::{Safe, fit_middle, width};
use crate::theme::Role;

/// Lines of messages; what is held and what is on its way is not driven out by them.
const NOTES: usize = 4;

/// Decisions that are held, each on its line.
const HELD: usize = 3;

/// Returns how many lines are under the body.
pub(crate) fn footer_height(model: &Model) -> u16 {
    let filter = usize::from(filter_line(model).is_some());
    let summary = usize::from(narrow_summary(model).is_some());
    u16::try_from(1 + notes(model).len() + filter + summary).unwrap_or(1)
}

/// Narrower than this, columns of the approvals are left out or cut.
const NARROW: u16 = 100;

/// Returns all that one decides on of the selected approval, where the table has no room for it. Only names are cut.
pub(crate) fn narrow_summary(model: &Model) -> Option<String> {
    let ScreenContent::Table(View::Approvals, table) = &model.screen().shown else { return None };
    if model.size.0 >= NARROW || model.size.1 < SMALLEST.1 {
        return None;
    }
    let row = model.store.approvals.get(table.selected.as_ref()?)?;
    let context = CellContext { now: model.now, glyphs: model.settings.glyphs };
    let told = [
        ApprovalColumn::Change,
        ApprovalColumn::Measured,
        ApprovalColumn::Waits,
        ApprovalColumn::PullRequest,
    ]
    .map(|column| row.cell(column, &context).text.into_owned());
    let told = told.into_iter().filter(|t| !t.is_empty()).fold(String::new(), |all, t| all + "  " + &t);
    let room = usize::from(model.size.0.saturating_sub(2));
    let name = format!("{}/{}", row.namespace, row.object);
    Some(format!("{}{told}", fit_middle(&name, room.saturating_sub(width(&told)).max(12))))
}

/// The least that tells objects apart which have long names.
const NAME: usize = 24;

/// Returns a line of which the name's middle goes where there is no room: names of volumes differ at their ends, and what
/// stands around the name counts. Where it is narrower still, what follows the name has a line of its own.
fn named(room: usize, before: &str, name: &str, after: &str, role: Role) -> Vec<(String, Role)> {
    let left = room.saturating_sub(width(before) + width(after));
    if left >= NAME.min(width(name)) {
        return vec![(format!("{before}{}{after}", fit_middle(name, left)), role)];
    }
    let left = room.saturating_sub(width(before)).max(NAME / 2);
    let mut lines = vec![(format!("{before}{}", fit_middle(name, left)), role)];
    if !after.is_empty() {
        lines.push((format!("  {}", after.trim_start_matches(": ")), role));
    }
    lines
}

/// Returns the lines of what is held, on its way and said; what is held comes first, since a low terminal cuts the last
/// ones.
pub(crate) fn notes(model: &Model) -> Vec<(String, Role)> {
    let mut lines: Vec<(String, Role)> = Vec::new();
    let glyphs = model.settings.glyphs;
    let room = usize::from(model.size.0.saturating_sub(1));
    let undo = model.settings.keymap.key(Command::Undo);
    let single = if model.held.len() > HELD { HELD - 1 } else { HELD };
    let (others, last) = model.held.split_at(model.held.len().saturating_sub(single));
    if let Some(next) = others.iter().map(|h| h.remaining).min() {
        let (count, left) = (others.len(), next.as_secs_f32().ceil());
        lines.push((format!("{} {left} s until the first of {count} more held", glyphs.wait), Role::Warn));
    }
    for (at, held) in last.iter().enumerate() {
        let left = held.remaining.as_secs_f32().ceil();
        let bar = glyphs.bar.repeat(left as usize);
        let what = held_subject(held);
        let verb = match held.action {
            Action::Approve => "approving",
            Action::Decline => "declining",
            Action::Delete => "deleting",
        };
        // Only the last one: the key takes back what was decided last.
        let hint = if at + 1 == last.len() { format!("{undo} takes it back: ") } else { String::new() };
        let before = format!("{} {left} s {bar:<5} {hint}{verb} ", glyphs.wait);
        lines.extend(named(room, &before, &what, "", Role::Warn));
    }
    if !model.sending.is_empty() {
        lines.push((format!("{} sending {} …", glyphs.up, model.sending.len()), Role::Warn));
    }
    // The last one that did not end well; the others are in the list.
    let mut ended = model.outcomes.iter().filter(|o| o.ended()).rev();
    if let Some(outcome) = ended.next() {
        let key = |c| model.settings.keymap.key(c);
        let more = match ended.count() {
            0 => String::new(),
            n => format!("and {n} more ({}): ", key(Command::Decisions)),
        };
        let (before, name, after) = outcome.parts();
        lines.extend(named(room, &format!("{} {more}{before}", glyphs.no), &name, &after, Role::Bad));
    }
    let room = NOTES.saturating_sub(lines.len()).max(1);
    for toast in &model.toasts[model.toasts.len().saturating_sub(room)..] {
        let role = match toast.tone {
            Tone::Plain => Role::Text,
            Tone::Good => Role::Good,
            Tone::Bad => Role::Bad,
        };
        lines.push((toast.text.to_string(), role));
    }
    lines
}

/// Returns the line of the filter; `None` if nothing is typed.
pub(crate) fn filter_line(model: &Model) -> Option<(String, Role)> {
    let (_, table) = model.screen().table_ref()?;
    let typing = model.filtering.is_some();
    if !typing && table.typed.is_empty() {
        return None;
    }
    let sign = if table.fuzzy { "fuzzy" } else { "filter" };
    let cursor = if typing { if model.settings.glyphs.ascii { "_" } else { "▏" } } else { "" };
    let complaint = table.filter_error.as_ref().map(|c| format!("   {c}")).unwrap_or_default();
    let role = if table.filter_error.is_some() { Role::Bad } else { Role::Title };
    Some((format!("{sign}: {}{cursor}{complaint}", Safe::new(&table.typed)), role))
}
