//! Keys: to the dialog if there is one, to the line being typed, else to the command table.

use crossterm::event::{KeyEvent, KeyEventKind};
use tui_textarea::Input;

use crate::commands::Command;
use crate::effect::Effect;
use crate::keymap::Key;
use crate::message::Tone;
use crate::model::{Choice, Confirm, Dialog, Field, Focus, HOLD, LastKey, Model, PASTED, REPEAT, SETTLE};
use crate::update::dispatch::dispatch;
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

/// Drops a decision if text follows its confirming key at once: that was pasted without brackets, and not meant.
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

/// Returns where a text that is only read is scrolled to; `None` if the key closes it.
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
            table.set_filter(&input.before, input.was_fuzzy);
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
    table.set_filter(&typed, fuzzy);
}
