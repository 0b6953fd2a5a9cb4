//! Keys: to the dialog if there is one, to the line being typed, else to the command table.

use crossterm::event::{KeyEvent, KeyEventKind};
use tui_textarea::Input;

use crate::commands::Command;
use crate::content::size::body_height;
use crate::effect::Effect;
use crate::keymap::Key;
use crate::message::Tone;
use crate::model::{
    Choice, Confirm, Dialog, Field, FilterInput, Focus, HOLD, LastKey, Model, PASTED, PickerKind, REPEAT,
    SETTLE, Screen, ScreenContent,
};
use crate::permitted;
use crate::permitted::enabled;
use crate::rows::View;
use crate::rows::column::WIDE;
use crate::selection::{chosen, pull_request_link, shown_approvals};
use crate::update::refresh::refresh;
use crate::update::{held_decisions, navigate, picker};

pub(super) fn key(model: &mut Model, event: KeyEvent, effects: &mut Vec<Effect>) {
    if event.kind == KeyEventKind::Release {
        return;
    }
    let key = Key::from(event);
    let now = model.now.mono;
    let last = &mut model.last_key;
    let before = last.key.map(|_| last.at);
    let same_at = (last.key == Some(key)).then_some(last.at);
    *last = LastKey { key: Some(key), at: now, same_at, before };
    let pasted = before.is_some_and(|at| now.saturating_sub(at) < PASTED);
    take_back_pasted(model, pasted);
    let fresh = event.kind == KeyEventKind::Press
        && !pasted
        && same_at.is_none_or(|at| now.saturating_sub(at) >= REPEAT);
    model.dirty = true;
    if let Some(dialog) = model.dialog.take() {
        in_dialog(model, dialog, key, event, fresh, effects);
    } else if model.filtering.is_some() {
        in_filter(model, key);
    } else if let Some(command) = model.settings.keymap.command(key) {
        dispatch(model, command, effects);
    }
}

/// Text that follows a confirming key at once was pasted without brackets: the confirmation was not meant.
fn take_back_pasted(model: &mut Model, pasted: bool) {
    let just = model.held.last().is_some_and(|h| HOLD < h.remaining + PASTED);
    if pasted && just {
        model.held.pop();
        model.toast(Tone::Bad, "taken back, nothing was written: that was pasted, not typed");
    }
}

fn in_dialog(
    model: &mut Model,
    dialog: Dialog,
    key: Key,
    event: KeyEvent,
    fresh: bool,
    effects: &mut Vec<Effect>,
) {
    match dialog {
        Dialog::Confirm(confirm) => in_confirm(model, confirm, key, event, fresh),
        Dialog::Picker(picker) => {
            if let Some(choice) = picker::key(model, picker, key) {
                choose(model, choice, effects);
            }
        }
        Dialog::Help(at) => model.dialog = scrolled(model, key, at, Command::Help).map(Dialog::Help),
        Dialog::Decisions(at) => {
            model.dialog = scrolled(model, key, at, Command::Decisions).map(Dialog::Decisions);
        }
        Dialog::Leave(opened) => {
            let settled = model.now.mono.saturating_sub(opened) >= SETTLE;
            // Who presses it again wants to leave, and not to let what is held go on.
            let insists = model.settings.keymap.command(key) == Some(Command::Quit);
            match model.settings.keymap.answer(key, false).filter(|_| !insists) {
                Some(Command::Yes) if fresh && settled => model.quit = true,
                Some(Command::No | Command::Cancel | Command::Accept) => {}
                _ if settled => model.dialog = Some(Dialog::Leave(opened)),
                _ => model.dialog = Some(Dialog::Leave(model.now.mono)),
            }
        }
        Dialog::Notice { opened, text } => {
            let settled = model.now.mono.saturating_sub(opened) >= SETTLE;
            let answer = model.settings.keymap.answer(key, true);
            if !(fresh && settled && matches!(answer, Some(Command::Cancel | Command::Accept))) {
                // Somebody is still typing.
                model.dialog = Some(Dialog::Notice { opened: model.now.mono, text });
            }
        }
    }
}

fn choose(model: &mut Model, choice: Choice, effects: &mut Vec<Effect>) {
    match choice {
        Choice::Command(command) => dispatch(model, command, effects),
        Choice::Sort(column) => navigate::sort(model, column),
        Choice::AllNamespaces => navigate::watch(model, None, None, effects),
        Choice::Namespace(name) => navigate::watch(model, None, Some(name.shared()), effects),
        Choice::Context(name) => navigate::watch(model, Some(name.shared()), None, effects),
    }
}

/// Where a text that is only read is scrolled to; none when the key closes it.
fn scrolled(model: &Model, key: Key, at: usize, opened_by: Command) -> Option<usize> {
    if model.settings.keymap.answer(key, false) == Some(Command::Cancel) {
        return None;
    }
    match model.settings.keymap.command(key) {
        Some(Command::Down) => Some(at + 1),
        Some(Command::PageDown) => Some(at + 10),
        Some(Command::Up) => Some(at.saturating_sub(1)),
        Some(Command::PageUp) => Some(at.saturating_sub(10)),
        Some(Command::Top) => Some(0),
        Some(Command::Back | Command::Quit) => None,
        Some(command) if command == opened_by => None,
        _ => Some(at),
    }
}

fn in_confirm(model: &mut Model, mut confirm: Box<Confirm>, key: Key, event: KeyEvent, fresh: bool) {
    let settled = model.now.mono.saturating_sub(confirm.opened) >= SETTLE;
    let button = !matches!(confirm.focus, Focus::Field(_));
    let answer = model.settings.keymap.answer(key, !button);
    if answer == Some(Command::Cancel) {
        model.toast(Tone::Plain, "nothing was written");
        return;
    }
    // Keys of the first moment were meant for what was there before; whoever types on has not looked yet.
    if !settled {
        confirm.opened = model.now.mono;
        model.dialog = Some(Dialog::Confirm(confirm));
        return;
    }
    let page = isize::try_from(confirm.reading.shown()).unwrap_or(1).max(1);
    match (answer, confirm.focus) {
        (Some(Command::ReadOn), _) => confirm.reading.step(page),
        (Some(Command::ReadBack), _) => confirm.reading.step(-page),
        (Some(Command::NextField), _) => confirm.turn(true),
        (Some(Command::PreviousField), _) => confirm.turn(false),
        (_, Focus::Field(at)) => match (confirm.fields.get_mut(at), answer) {
            (Some(Field::Reason(area)), _) => {
                area.input(Input::from(event));
            }
            (Some(Field::Typed { value, .. }), Some(Command::RubOut)) => drop(value.pop()),
            (Some(Field::Typed { value, .. }), Some(Command::ClearLine)) => value.clear(),
            (Some(Field::Typed { .. }), Some(Command::Accept | Command::NextLine)) => confirm.turn(true),
            (Some(Field::Typed { .. }), Some(Command::PreviousLine)) => confirm.turn(false),
            (Some(Field::Typed { value, .. }), _) => value.extend(key.text()),
            (None, _) => confirm.focus = Focus::No,
        },
        (Some(Command::NextLine), _) => confirm.reading.step(1),
        (Some(Command::PreviousLine), _) => confirm.reading.step(-1),
        (Some(Command::OtherButton), focus) => {
            confirm.focus = if focus == Focus::Yes { Focus::No } else { Focus::Yes };
        }
        (Some(Command::No), _) | (Some(Command::Accept), Focus::No) => {
            model.toast(Tone::Plain, "nothing was written");
            return;
        }
        (Some(Command::Yes | Command::Accept), _) if !key.ctrl && !key.alt => {
            if !fresh {
                // A key that is held down, or part of pasted text.
            } else if let Some(missing) = confirm.missing() {
                model.toast(Tone::Bad, format!("missing: {missing}"));
            } else if model.read_only {
                model.toast(Tone::Bad, "nothing was written: read-only");
                return;
            } else {
                held_decisions::hold(model, &confirm);
                return;
            }
        }
        _ => {}
    }
    model.dialog = Some(Dialog::Confirm(confirm));
}

fn in_filter(model: &mut Model, key: Key) {
    let answer = model.settings.keymap.answer(key, true);
    let columns = model.screen().view().columns();
    let Some(input) = model.filtering.clone() else { return };
    let Some(table) = model.screen_mut().table_mut() else {
        model.filtering = None;
        return;
    };
    let (mut typed, fuzzy) = (table.typed.clone(), table.fuzzy);
    match answer {
        Some(Command::Accept) => {
            model.filtering = None;
            return;
        }
        Some(Command::Cancel) => {
            table.set_filter(&input.before, input.was_fuzzy, columns);
            model.filtering = None;
            return;
        }
        Some(Command::NextLine) => return navigate::step(model, 1),
        Some(Command::PreviousLine) => return navigate::step(model, -1),
        Some(Command::RubOut) => drop(typed.pop()),
        Some(Command::ClearLine) => typed.clear(),
        _ => match key.text() {
            Some(c) => typed.push(c),
            None => return,
        },
    }
    table.set_filter(&typed, fuzzy, columns);
}

/// Does a command, if it can be done.
fn dispatch(model: &mut Model, command: Command, effects: &mut Vec<Effect>) {
    if command.entry().writes {
        // A decision is about what the list shows now, not about what it showed before the last key.
        refresh(model);
    }
    if let Err(why) = enabled(model, command) {
        model.toast(Tone::Bad, format!("{}: {why}", command.entry().name));
        if let (Some(_), Some(table)) = (permitted::action(command), model.screen_mut().table_mut()) {
            // If it was so, that is what was just said.
            table.bereft = false;
        }
        return;
    }
    let page =
        model.screen().table_ref().map_or(usize::from(body_height(model)), |(_, t)| t.height).max(2) - 1;
    let page = isize::try_from(page).unwrap_or(isize::MAX);
    match command {
        Command::Down => navigate::step(model, 1),
        Command::Up => navigate::step(model, -1),
        Command::PageDown => navigate::step(model, page),
        Command::PageUp => navigate::step(model, -page),
        Command::Top => navigate::step(model, isize::MIN),
        Command::Bottom => navigate::step(model, isize::MAX),
        Command::Left => navigate::shift(model, false),
        Command::Right => navigate::shift(model, true),
        Command::Open => navigate::open(model),
        Command::Back if held_decisions::dismiss(model) => {}
        Command::Back => navigate::back(model),
        Command::Approvals => navigate::view(model, View::Approvals),
        Command::Events => navigate::view(model, View::Events),
        Command::Objects => navigate::view(model, View::Objects),
        Command::Rules => navigate::view(model, View::Rules),
        Command::NextView => navigate::turn_view(model, 1),
        Command::PreviousView => navigate::turn_view(model, 3),
        Command::Approve | Command::Decline | Command::Delete => ask(model, command),
        Command::Undo => held_decisions::undo(model),
        Command::SendNow => held_decisions::send_now(model),
        Command::Mark => mark(model),
        Command::MarkShown => mark_shown(model),
        Command::Unmark => {
            if let Some(table) = model.screen_mut().table_mut() {
                table.unmark(|_| true);
            }
        }
        Command::Filter | Command::Fuzzy => {
            let fuzzy = command == Command::Fuzzy;
            let columns = model.screen().view().columns();
            if let Some(table) = model.screen_mut().table_mut() {
                let input = FilterInput { before: table.typed.clone(), was_fuzzy: table.fuzzy };
                let typed = if table.fuzzy == fuzzy { table.typed.clone() } else { String::new() };
                table.set_filter(&typed, fuzzy, columns);
                model.filtering = Some(input);
            }
        }
        Command::ClearFilter => navigate::clear_filter(model),
        Command::Sort => {
            let columns = model.screen().view().columns();
            let now = model.screen().table_ref().map_or(0, |(_, table)| table.sort.0);
            let mut others = (1..=columns.len()).map(|by| (now + by) % columns.len());
            // What is never drawn is sorted by only where its name is typed.
            if let Some(next) = others.find(|at| columns[*at].rank < WIDE) {
                navigate::sort(model, next);
            }
        }
        Command::Reverse => {
            if let Some(table) = model.screen_mut().table_mut() {
                let (column, descending) = table.sort;
                table.sort_by(column, !descending);
            }
        }
        Command::Pause => {
            let last = model.screens.len() - 1;
            let Model { screens, store, .. } = model;
            if let Screen { shown: ScreenContent::Table(view, table), still } = &mut screens[last] {
                table.paused = !table.paused;
                *still = table.paused.then(|| std::sync::Arc::new(store.copy(*view)));
            }
        }
        Command::ItsRule => navigate::related(model, View::Rules),
        Command::ItsObjects => navigate::related(model, View::Objects),
        Command::ItsApprovals => navigate::related(model, View::Approvals),
        Command::ItsEvents => navigate::related(model, View::Events),
        Command::Yaml => navigate::yaml(model, effects),
        Command::OpenLink => match pull_request_link(model) {
            Ok(url) => effects.push(Effect::Browse(url)),
            Err(why) => model.toast(Tone::Bad, why),
        },
        Command::CopyLink => match pull_request_link(model) {
            Ok(url) => effects.push(Effect::Copy(url)),
            Err(why) => model.toast(Tone::Bad, why),
        },
        Command::CopyName => match shown_approvals(model).first() {
            Some(row) => effects.push(Effect::Copy(format!("{}/{}", row.namespace, row.name))),
            None => model.toast(Tone::Plain, "no approval is selected"),
        },
        Command::Namespace => picker::open(model, PickerKind::Namespace),
        Command::Context => picker::open(model, PickerKind::Context),
        Command::Palette => picker::open(model, PickerKind::Palette),
        Command::ReadOnly => {
            model.read_only = !model.read_only;
            let text = if model.read_only { "read-only" } else { "decisions are possible again" };
            model.toast(Tone::Plain, text);
        }
        Command::Theme => {
            model.settings.theme = model.settings.theme.next();
            let name = model.settings.theme.name();
            model.toast(Tone::Plain, format!("theme {name}"));
        }
        Command::Mouse => {
            model.settings.mouse = !model.settings.mouse;
            effects.push(Effect::Mouse(model.settings.mouse));
            let text = if model.settings.mouse { "the mouse is ours" } else { "the mouse is the terminal's" };
            model.toast(Tone::Plain, text);
        }
        Command::Reconnect => {
            // What we may do is asked anew, too: somebody may just have been given a right.
            model.access.renew(model.now);
            effects.push(Effect::Reconnect);
        }
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Help => model.dialog = Some(Dialog::Help(0)),
        Command::Decisions => model.dialog = Some(Dialog::Decisions(0)),
        Command::Quit if model.held.is_empty() && model.sending.is_empty() => model.quit = true,
        Command::Quit => model.dialog = Some(Dialog::Leave(model.now.mono)),
        // Nothing has asked.
        Command::Yes
        | Command::No
        | Command::Accept
        | Command::Cancel
        | Command::NextField
        | Command::PreviousField
        | Command::NextLine
        | Command::PreviousLine
        | Command::OtherButton
        | Command::ReadOn
        | Command::ReadBack
        | Command::RubOut
        | Command::ClearLine => {}
    }
}

/// Opens the question before a write.
fn ask(model: &mut Model, command: Command) {
    let Some(action) = permitted::action(command) else { return };
    let chosen = chosen(model);
    let (targets, left_out) = permitted::targets(model, &chosen, action);
    let (hidden, partly) = (chosen.hidden, chosen.marked > targets.len());
    if targets.is_empty() {
        return;
    }
    if let Some(why) = left_out {
        model.toast(Tone::Bad, format!("left out what cannot be {}: {why}", action.done()));
    }
    let mut confirm = Confirm::new(action, targets, &model.cluster, model.now.mono, model.stale());
    if partly {
        confirm = confirm.of_marked(hidden);
    }
    model.dialog = Some(Dialog::Confirm(Box::new(confirm)));
}

fn mark(model: &mut Model) {
    if let Some(table) = model.screen_mut().table_mut()
        && let Some(id) = table.selected.clone()
    {
        if table.marked().contains(&id) {
            table.unmark(|marked| *marked == *id);
        } else {
            table.mark([id]);
        }
    }
    navigate::step(model, 1);
}

fn mark_shown(model: &mut Model) {
    let last = model.screens.len() - 1;
    let Model { screens, store, .. } = model;
    let Screen { shown, still } = &mut screens[last];
    let store = still.as_deref().unwrap_or(store);
    if let ScreenContent::Table(View::Approvals, table) = shown {
        let ids: Vec<_> = table
            .order()
            .iter()
            .filter_map(|s| table.row(&store.approvals, *s))
            .map(|r| r.uid.clone())
            .collect();
        table.mark(ids);
    }
}
