//! Under the body: what is held, messages, the filter, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::commands::Command;
use crate::content::footer::{filter_line, narrow_summary, notes};
use crate::model::{Model, ScreenContent};
use crate::permitted::enabled;
use crate::rows::{Subject, View};
use crate::text::{fit, width};
use crate::theme::Role;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let mut lines = notes(model);
    lines.extend(narrow_summary(model).map(|text| (text, Role::Head)));
    lines.extend(filter_line(model));
    let keys_at = area.bottom().saturating_sub(1);
    for (y, (text, role)) in (area.y..keys_at).zip(lines) {
        let room = usize::from(area.width.saturating_sub(1));
        frame.buffer_mut().set_stringn(area.x + 1, y, fit(&text, room), room, model.style(role));
    }
    if area.height > 0 {
        keys(model, frame, Rect::new(area.x, keys_at, area.width, 1));
    }
}

/// Returns the commands whose keys matter here; an empty list while a filter is typed.
fn listed(model: &Model) -> &'static [Command] {
    use Command as C;
    if model.filtering.is_some() {
        return &[];
    }
    match &model.screen().shown {
        ScreenContent::Table(View::Approvals, _) => &[
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
        ScreenContent::Table(..) => &[
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
        ScreenContent::Detail { of: Subject::Approval(_), .. } => &[
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
        ScreenContent::Detail { .. } => {
            &[C::Back, C::Yaml, C::ItsRule, C::ItsObjects, C::ItsApprovals, C::ItsEvents, C::Help, C::Quit]
        }
    }
}

/// Draws the keys that matter here; those that cannot be used are dim, with the reason where there is room.
fn keys(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let list: Vec<_> = listed(model).iter().map(|command| (*command, enabled(model, *command))).collect();
    let mut x = area.x + 1;
    if list.is_empty() {
        let key = |c| model.settings.keymap.key(c);
        let (keep, leave) = (key(Command::Accept), key(Command::Cancel));
        let text = format!("{keep} keep · {leave} as before · words, !word, column=value, age>1h, ns=pg*");
        frame.buffer_mut().set_stringn(x, area.y, &text, usize::from(area.width), model.style(Role::Dim));
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
        if key.is_empty() || (*command == Command::Undo && model.held.is_empty()) {
            continue;
        }
        let entry = command.entry();
        let need = u16::try_from(width(&key) + 1 + width(entry.short) + 2).unwrap_or(u16::MAX);
        if x + need > end {
            break;
        }
        let (key_style, word_style) = match able {
            Ok(()) => (model.style(Role::Key), model.style(Role::Text)),
            Err(_) => {
                let dim = model.style(Role::Dim).add_modifier(Modifier::CROSSED_OUT);
                (model.style(Role::Dim), dim)
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
        frame.buffer_mut().set_stringn(x, area.y, fit(&reason, room), room, model.style(Role::Dim));
    }
}
