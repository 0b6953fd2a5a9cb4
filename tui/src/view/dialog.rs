//! Dialogs: what will be written, to which cluster; lists to choose from; help.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::widgets::{Block, Clear};

use crate::commands::{COMMANDS, Command, Group};
use crate::content::dialog::{fixed_lines, question, question_columns, reason_rows};
use crate::decision::{Action, Ending};
use crate::model::{Confirm, Dialog, Field, Focus, Model, Picker, PickerEntry, PickerKind, SETTLE};
use crate::permitted::enabled;
use crate::text::{Safe, fit, fit_middle, width, wrap};
use crate::theme::Role;

/// Columns of what is only read.
const WIDE: u16 = 110;

pub(super) fn draw(model: &Model, dialog: &Dialog, frame: &mut Frame<'_>, area: Rect) {
    match dialog {
        Dialog::Confirm(confirm) => confirm_dialog(model, confirm, frame, area),
        Dialog::Picker(picker) => picker_dialog(model, picker, frame, area),
        Dialog::Help(scroll) => help(model, *scroll, frame, area),
        Dialog::Decisions(scroll) => decisions(model, *scroll, frame, area),
        Dialog::Leave(_) => leave(model, frame, area),
        Dialog::Notice { opened, text } => notice(model, *opened, text, frame, area),
    }
}

/// Asks whether to leave although decisions are held or on their way.
fn leave(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let inner = frame_of(model, "Leave?", Role::Bad, frame, area, 60, 6);
    let held: usize = model.held.iter().map(|h| h.targets.len()).sum();
    let sending = model.sending.len();
    let mut lines = Vec::new();
    if held > 0 {
        lines.push(format!("{held} held decision(s) would not be sent."));
    }
    if sending > 0 {
        lines.push(format!("{sending} on the way: you would not learn how they end."));
    }
    if lines.is_empty() {
        lines.push("Nothing is held or on its way any more.".to_owned());
    }
    for (y, line) in (0u16..).zip(&lines) {
        put(model, frame, inner, y, line, Role::Text);
    }
    let hint = format!("{} leave   {} stay (default)", key(model, Command::Yes), key(model, Command::No));
    put(model, frame, inner, 3, &hint, Role::Key);
}

/// Tells that a question was withdrawn.
fn notice(model: &Model, opened: Duration, text: &Safe, frame: &mut Frame<'_>, area: Rect) {
    let columns = 76.min(area.width.saturating_sub(2));
    let lines = wrap(text.as_str(), usize::from(columns.saturating_sub(4)));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4);
    let inner = frame_of(model, "Withdrawn", Role::Bad, frame, area, columns, height);
    for (y, line) in (0u16..).zip(&lines) {
        put(model, frame, inner, y, line, Role::Bad);
    }
    let ready = model.now.mono >= opened + SETTLE;
    let hint = format!("{} goes on", key(model, Command::Cancel));
    let hint = if ready { hint.as_str() } else { "one moment …" };
    put(model, frame, inner, inner.height.saturating_sub(1), hint, Role::Key);
}

/// Draws an empty frame in the middle; returns the area inside it.
fn frame_of(
    model: &Model,
    title: &str,
    role: Role,
    frame: &mut Frame<'_>,
    area: Rect,
    columns: u16,
    lines: u16,
) -> Rect {
    let columns = columns.min(area.width.saturating_sub(2));
    let lines = lines.min(area.height);
    let place =
        Rect::new(area.x + (area.width - columns) / 2, area.y + (area.height - lines) / 2, columns, lines);
    frame.render_widget(Clear, place);
    let title = format!(" {} ", fit(title, usize::from(columns.saturating_sub(6))));
    let mut block =
        Block::bordered().title(title).border_style(model.style(role)).title_style(model.style(role));
    if !model.held.is_empty() {
        let text = format!(" {} held: not sent while this is open ", model.held.len());
        block = block.title_bottom(fit(&text, usize::from(columns.saturating_sub(4))));
    }
    if model.settings.glyphs.ascii {
        block = block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        });
    }
    frame.render_widget(block, place);
    Rect::new(place.x + 2, place.y + 1, columns.saturating_sub(4), lines.saturating_sub(2))
}

fn put(model: &Model, frame: &mut Frame<'_>, area: Rect, line: u16, text: &str, role: Role) {
    if line < area.height {
        let room = usize::from(area.width);
        frame.buffer_mut().set_stringn(area.x, area.y + line, fit(text, room), room, model.style(role));
    }
}

fn key(model: &Model, command: Command) -> String {
    model.settings.keymap.key(command)
}

/// Returns the title of a question.
fn question_title(model: &Model, confirm: &Confirm) -> String {
    let verb = match confirm.action {
        Action::Approve => "Approve",
        Action::Decline => "Decline",
        Action::Delete => "Delete",
    };
    let title = match confirm.targets.as_slice() {
        [_] => format!("{verb} this?"),
        many => format!("{verb} these {}?", many.len()),
    };
    format!("{title} {}", model.cluster.context)
}

fn confirm_dialog(model: &Model, confirm: &Confirm, frame: &mut Frame<'_>, area: Rect) {
    let columns = question_columns(area.width);
    let inside = usize::from(columns.saturating_sub(4));
    let mut lines = question(&model.cluster, model.settings.glyphs, confirm, inside);
    let fixed = fixed_lines(confirm, area.height);
    let room = usize::from(area.height.saturating_sub(fixed));
    if lines.len() > room {
        let shown = room.saturating_sub(1);
        let top = confirm.reading.scroll.min(lines.len() - shown);
        let (above, below) = (top, lines.len() - shown - top);
        lines.truncate(top + shown);
        lines.drain(..top);
        let (back, on) = (key(model, Command::ReadBack), key(model, Command::ReadOn));
        lines.push((format!("{back}: {above} lines above, {on}: {below} more"), Role::Warn));
    }
    let height = fixed + u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let role = if model.cluster.production { Role::Production } else { Role::Warn };
    let title = question_title(model, confirm);
    let inner = frame_of(model, &title, role, frame, area, columns, height);
    let mut y = 0;
    for (text, role) in &lines {
        put(model, frame, inner, y, text, *role);
        y += 1;
    }
    for (place, field) in confirm.fields.iter().enumerate() {
        y += field_lines(model, field, confirm.focus == Focus::Field(place), frame, inner, y);
    }
    y += 1;
    if y < inner.height {
        buttons(model, confirm, frame, inner, inner.y + y);
    }
}

/// Draws a field; returns how many lines it takes.
fn field_lines(
    model: &Model,
    field: &Field,
    focused: bool,
    frame: &mut Frame<'_>,
    inner: Rect,
    y: u16,
) -> u16 {
    let inside = usize::from(inner.width);
    let role = if focused { Role::Key } else { Role::Text };
    match field {
        Field::Reason(area) => {
            let hint = format!("why ({} goes on):", key(model, Command::NextField));
            put(model, frame, inner, y, &hint, role);
            let rows = reason_rows(frame.area().height);
            let height = rows.min(inner.height.saturating_sub(y + 1));
            let place = Rect::new(inner.x + 2, inner.y + y + 1, inner.width.saturating_sub(2), height);
            let mut area = area.as_ref().clone();
            if !focused {
                area.set_cursor_style(Style::new());
            }
            frame.render_widget(&area, place);
            1 + rows
        }
        Field::Typed { prompt, expected, value } => {
            let shown = fit_middle(expected, inside / 2);
            let sign = if field.done() { model.settings.glyphs.yes } else { " " };
            let cursor = if focused { "_" } else { "" };
            let mut text = format!("{sign} type the {prompt} ({shown}): {value}{cursor}");
            // The end of what is typed stays in sight.
            if width(&text) > inside {
                let skipped = value.chars().count().saturating_sub(inside / 3);
                let end: String = value.chars().skip(skipped).collect();
                text = format!("{sign} ({prompt}) …{end}_");
            }
            put(model, frame, inner, y, &text, role);
            1
        }
    }
}

/// Draws both buttons and what is missing before the question can be answered with yes.
fn buttons(model: &Model, confirm: &Confirm, frame: &mut Frame<'_>, inner: Rect, y: u16) {
    let ready = model.now.mono >= confirm.opened + SETTLE;
    let no = if confirm.focus == Focus::No { "[ No ]" } else { "  No  " };
    let yes = if confirm.focus == Focus::Yes { "[ Yes ]" } else { "  Yes  " };
    let look = |on: bool, role: Role| {
        let base = model.style(role);
        if on { base.add_modifier(Modifier::REVERSED | Modifier::BOLD) } else { base }
    };
    let possible = ready && confirm.missing().is_none();
    let yes_role = if possible { Role::Text } else { Role::Dim };
    frame.buffer_mut().set_string(inner.x, y, no, look(confirm.focus == Focus::No, Role::Text));
    frame.buffer_mut().set_string(inner.x + 8, y, yes, look(confirm.focus == Focus::Yes, yes_role));
    let hint = match confirm.missing() {
        _ if !ready => "one moment …".to_owned(),
        Some(missing) => format!("missing: {missing}"),
        None if matches!(confirm.focus, Focus::Field(_)) => {
            format!(
                "{} to the buttons, {} leaves",
                key(model, Command::NextField),
                key(model, Command::Cancel)
            )
        }
        None => {
            let (yes, no) = (key(model, Command::Yes), key(model, Command::No));
            format!("{yes} yes · {no} no · 5 s to take it back")
        }
    };
    let room = usize::from(inner.width.saturating_sub(17));
    frame.buffer_mut().set_stringn(inner.x + 17, y, fit(&hint, room), room, model.style(Role::Dim));
}

fn picker_dialog(model: &Model, picker: &Picker, frame: &mut Frame<'_>, area: Rect) {
    let title = match picker.kind {
        PickerKind::Palette => "Command",
        PickerKind::Namespace => "Namespace",
        PickerKind::Context => "Context",
    };
    let height = area
        .height
        .saturating_sub(4)
        .min(u16::try_from(picker.all.len()).unwrap_or(u16::MAX).saturating_add(4));
    let inner = frame_of(model, title, Role::Title, frame, area, 80, height.max(6));
    let typed = Safe::new(&picker.typed);
    put(model, frame, inner, 0, &format!("{}_", typed), Role::Key);
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = (picker.cursor + 1).saturating_sub(rows);
    for (line, at) in (1u16..).zip(picker.found.iter().skip(first).take(rows)) {
        let PickerEntry { name, description, .. } = &picker.all[*at];
        let selected = first + usize::from(line) - 1 == picker.cursor;
        let role = if selected { Role::Selected } else { Role::Text };
        let name = fit_middle(name.as_str(), usize::from(inner.width) / 2);
        put(model, frame, inner, line, &format!("{name:<16} {description}"), role);
    }
    if picker.found.is_empty() {
        let text = match picker.kind {
            PickerKind::Namespace => format!("{} takes what is typed", key(model, Command::Accept)),
            _ => "nothing fits".to_owned(),
        };
        put(model, frame, inner, 1, &text, Role::Dim);
    }
}

/// Draws what each key does, from the command table.
fn help(model: &Model, scroll: usize, frame: &mut Frame<'_>, area: Rect) {
    let mut lines: Vec<(String, Role)> = Vec::new();
    for group in Group::ALL {
        if !lines.is_empty() {
            lines.push((String::new(), Role::Text));
        }
        lines.push((group.title().to_owned(), Role::Head));
        for entry in COMMANDS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> =
                model.settings.keymap.keys(entry.command).map(|k| k.to_string()).collect();
            let keys = if keys.is_empty() { format!(":{}", entry.name) } else { keys.join(" ") };
            let able = enabled(model, entry.command);
            let why = able.as_ref().err().map(|w| format!("  ({w})")).unwrap_or_default();
            let role = if able.is_ok() { Role::Text } else { Role::Dim };
            lines.push((format!("  {keys:<14} {}{why}", entry.title), role));
        }
    }
    page(model, "Help", &lines, scroll, frame, area);
}

/// Draws what was decided here, the last first.
fn decisions(model: &Model, scroll: usize, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(WIDE.min(area.width.saturating_sub(2)).saturating_sub(4));
    let mut lines: Vec<(String, Role)> = Vec::new();
    for written in model.written.iter().rev() {
        let role = match written.ending {
            Ending::Done => Role::Good,
            Ending::Dropped(_) => Role::Text,
            _ => Role::Bad,
        };
        let text = written.line();
        lines.extend(wrap(&text, columns).into_iter().map(|l| (l, role)));
    }
    if lines.is_empty() {
        lines.push(("Nothing was decided here yet.".to_owned(), Role::Dim));
    }
    page(model, "Decided here", &lines, scroll, frame, area);
}

/// Draws lines that are only read.
fn page(
    model: &Model,
    title: &str,
    lines: &[(String, Role)],
    scroll: usize,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let height =
        area.height.saturating_sub(2).min(u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2));
    let (leave, down, up) = (key(model, Command::Back), key(model, Command::Down), key(model, Command::Up));
    let title = format!("{title}: {leave} leaves, {down} and {up} scroll");
    let inner = frame_of(model, &title, Role::Title, frame, area, WIDE, height);
    let rows = usize::from(inner.height);
    let first = scroll.min(lines.len().saturating_sub(rows));
    for (line, (text, role)) in (0u16..).zip(lines.iter().skip(first).take(rows)) {
        put(model, frame, inner, line, text, *role);
    }
}
