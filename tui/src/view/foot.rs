//! Under the body: what is held, messages, the filter, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::style;
use crate::commands::Command;
use crate::model::{Model, Shown, Tone, View};
use crate::record::{CellContext, Row as _};
use crate::text::{Safe, fit, fit_middle, width};
use crate::theme::Role;
use crate::update::enabled;

/// Lines of messages; what is held and what is on its way is not driven out by them.
const NOTES: usize = 4;
/// Decisions that are held, each on its line.
const HELD: usize = 3;

/// Lines under the body.
pub fn height(model: &Model) -> u16 {
    let filter = usize::from(filter_line(model).is_some());
    let strip = usize::from(strip(model).is_some());
    u16::try_from(1 + notes(model).len() + filter + strip).unwrap_or(1)
}

/// Narrower than this, columns of the approvals are left out or cut.
const NARROW: u16 = 100;

/// Where the table has no room for it: all that one decides on, of the selected approval. Only names are cut.
fn strip(model: &Model) -> Option<String> {
    let Shown::Table(View::Approvals, table) = &model.screen().shown else { return None };
    if model.size.0 >= NARROW || model.size.1 < super::SMALLEST.1 {
        return None;
    }
    let row = model.store.approvals.get(table.selected.as_ref()?)?;
    let context = CellContext { now: model.now, glyphs: model.settings.glyphs };
    let told = [4, 5, 6, 7].map(|column| row.cell(column, &context).text.into_owned());
    let told = told.into_iter().filter(|t| !t.is_empty()).fold(String::new(), |all, t| all + "  " + &t);
    let room = usize::from(model.size.0.saturating_sub(2));
    let name = format!("{}/{}", row.namespace, row.object);
    Some(format!("{}{told}", fit_middle(&name, room.saturating_sub(width(&told)).max(12))))
}

/// The least that tells objects apart which have long names.
const NAME: usize = 24;

/// A line of which the name's middle goes where there is no room: names of volumes differ at their ends, and what stands
/// around the name counts. Where it is narrower still, what follows the name has a line of its own.
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

/// What is held first: in a low terminal the first lines are what is left.
fn notes(model: &Model) -> Vec<(String, Role)> {
    let mut lines: Vec<(String, Role)> = Vec::new();
    let glyphs = model.settings.glyphs;
    let room = usize::from(model.size.0.saturating_sub(1));
    let undo = model.settings.keymap.key(Command::Undo);
    let single = if model.held.len() > HELD { HELD - 1 } else { HELD };
    let (others, last) = model.held.split_at(model.held.len().saturating_sub(single));
    if let Some(next) = others.iter().map(|h| h.left).min() {
        let (count, left) = (others.len(), next.as_secs_f32().ceil());
        lines.push((format!("{} {left} s until the first of {count} more held", glyphs.wait), Role::Warn));
    }
    for (at, held) in last.iter().enumerate() {
        let left = held.left.as_secs_f32().ceil();
        let bar = glyphs.bar.repeat(left as usize);
        let what = crate::update::subject(held);
        let verb = match held.action {
            crate::effect::Action::Approve => "approving",
            crate::effect::Action::Decline => "declining",
            crate::effect::Action::Delete => "deleting",
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

fn filter_line(model: &Model) -> Option<(String, Role)> {
    let (_, table) = model.screen().table_ref()?;
    let typing = model.filtering.is_some();
    if !typing && table.typed.is_empty() {
        return None;
    }
    let sign = if table.fuzzy { "fuzzy" } else { "filter" };
    let cursor = if typing { if model.settings.glyphs.ascii { "_" } else { "▏" } } else { "" };
    let complaint = table.complaint.as_ref().map(|c| format!("   {c}")).unwrap_or_default();
    let role = if table.complaint.is_some() { Role::Bad } else { Role::Title };
    Some((format!("{sign}: {}{cursor}{complaint}", Safe::new(&table.typed)), role))
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let mut lines = notes(model);
    lines.extend(strip(model).map(|text| (text, Role::Head)));
    lines.extend(filter_line(model));
    let keys_at = area.bottom().saturating_sub(1);
    for (y, (text, role)) in (area.y..keys_at).zip(lines) {
        let room = usize::from(area.width.saturating_sub(1));
        frame.buffer_mut().set_stringn(area.x + 1, y, fit(&text, room), room, style(model, role));
    }
    if area.height > 0 {
        keys(model, frame, Rect::new(area.x, keys_at, area.width, 1));
    }
}

/// The keys that matter here; those that cannot be used are dim, with the reason where there is room.
fn keys(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    use Command as C;
    let list: &[Command] = if model.filtering.is_some() {
        &[]
    } else {
        match &model.screen().shown {
            Shown::Table(View::Approvals, _) => &[
                C::Approve,
                C::Decline,
                C::Delete,
                C::Undo,
                C::Mark,
                C::Open,
                C::Filter,
                C::Help,
                C::OpenLink,
                C::ItsEvents,
                C::Namespace,
                C::Palette,
                C::Quit,
            ],
            Shown::Table(..) => &[
                C::Open,
                C::Filter,
                C::Sort,
                C::Pause,
                C::ItsRule,
                C::ItsApprovals,
                C::ItsEvents,
                C::Help,
                C::Namespace,
                C::Palette,
                C::Quit,
            ],
            Shown::Detail { of: crate::model::DetailOf::Approval(_), .. } => &[
                C::Back,
                C::Approve,
                C::Decline,
                C::Delete,
                C::Undo,
                C::Yaml,
                C::OpenLink,
                C::ItsRule,
                C::ItsEvents,
                C::ItsObjects,
                C::Help,
            ],
            Shown::Detail { .. } => &[
                C::Back,
                C::Yaml,
                C::ItsRule,
                C::ItsObjects,
                C::ItsApprovals,
                C::ItsEvents,
                C::Help,
                C::Quit,
            ],
        }
    };
    let list: Vec<_> = list.iter().map(|command| (*command, enabled(model, *command))).collect();
    let mut x = area.x + 1;
    if list.is_empty() {
        let key = |c| model.settings.keymap.key(c);
        let (keep, leave) = (key(C::Accept), key(C::Cancel));
        let text = format!("{keep} keep · {leave} as before · words, !word, column=value, age>1h, ns=pg*");
        frame.buffer_mut().set_stringn(x, area.y, &text, usize::from(area.width), style(model, Role::Dim));
        return;
    }
    // Why one may not decide is worth more than the last keys.
    let reason = list.iter().filter(|(c, _)| c.entry().writes).find_map(|(c, able)| {
        let why = able.as_ref().err()?;
        Some(format!("{}: {why}", c.entry().short))
    });
    let kept = if area.width < 76 { 0 } else { reason.as_ref().map_or(0, |r| width(r) + 2) };
    let end = area.right().saturating_sub(u16::try_from(kept).unwrap_or(u16::MAX).min(area.width * 3 / 5));
    for (command, able) in &list {
        let key = model.settings.keymap.key(*command);
        if key.is_empty() || (*command == C::Undo && model.held.is_empty()) {
            continue;
        }
        let entry = command.entry();
        let need = u16::try_from(width(&key) + 1 + width(entry.short) + 2).unwrap_or(u16::MAX);
        if x + need > end {
            break;
        }
        let (key_style, word_style) = match able {
            Ok(()) => (style(model, Role::Key), style(model, Role::Text)),
            Err(_) => {
                let dim = style(model, Role::Dim).add_modifier(Modifier::CROSSED_OUT);
                (style(model, Role::Dim), dim)
            }
        };
        frame.buffer_mut().set_string(x, area.y, &key, key_style);
        let word_x = x + u16::try_from(width(&key)).unwrap_or(0) + 1;
        frame.buffer_mut().set_string(word_x, area.y, entry.short, word_style);
        x += need;
    }
    let room = usize::from(area.right().saturating_sub(x + 1));
    if let Some(reason) = reason
        && room > 12
    {
        frame.buffer_mut().set_stringn(x, area.y, fit(&reason, room), room, style(model, Role::Dim));
    }
}
