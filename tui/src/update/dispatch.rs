//! Carries out commands, if they are permitted.

use std::sync::Arc;

use crate::commands::Command;
use crate::content::size::body_height;
use crate::effect::Effect;
use crate::message::Tone;
use crate::model::{Confirm, Dialog, FilterInput, Model, PickerKind, Screen, ScreenContent, ShownTable};
use crate::permitted;
use crate::permitted::{Permitted, enabled};
use crate::rows::View;
use crate::rows::column::WIDE;
use crate::selection::{chosen, pull_request_link, shown_approvals};
use crate::table::Sort;
use crate::update::refresh::refresh;
use crate::update::{held_decisions, navigate, picker};

/// Does a command, if it can be done.
pub(super) fn dispatch(model: &mut Model, command: Command, effects: &mut Vec<Effect>) {
    if command.entry().writes {
        // A decision is about what the list shows now, not about what it showed before the last key.
        refresh(model);
    }
    if let Err(why) = enabled(model, command) {
        model.toast(Tone::Bad, format!("{}: {why}", command.entry().name));
        if let (Some(_), Some(table)) = (permitted::action(command), model.screen_mut().table_mut()) {
            // If it was so, that is what was just said.
            table.marks_lost = false;
        }
        return;
    }
    let page = page(model);
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
        Command::Unmark => unmark(model),
        Command::Filter => type_filter(model, false),
        Command::Fuzzy => type_filter(model, true),
        Command::ClearFilter => navigate::clear_filter(model),
        Command::Sort => sort_by_next(model),
        Command::Reverse => reverse(model),
        Command::Pause => pause(model),
        Command::ItsRule => navigate::related(model, View::Rules),
        Command::ItsObjects => navigate::related(model, View::Objects),
        Command::ItsApprovals => navigate::related(model, View::Approvals),
        Command::ItsEvents => navigate::related(model, View::Events),
        Command::Yaml => navigate::yaml(model, effects),
        Command::OpenLink => with_link(model, Effect::Browse, effects),
        Command::CopyLink => with_link(model, Effect::Copy, effects),
        Command::CopyName => copy_name(model, effects),
        Command::Namespace => picker::open(model, PickerKind::Namespace),
        Command::Context => picker::open(model, PickerKind::Context),
        Command::Palette => picker::open(model, PickerKind::Palette),
        Command::ReadOnly => turn_read_only(model),
        Command::Theme => next_theme(model),
        Command::Mouse => turn_mouse(model, effects),
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

/// Returns how many rows or lines a page has.
fn page(model: &Model) -> isize {
    let height =
        model.screen().table_ref().map_or(usize::from(body_height(model)), |(_, table)| table.height);
    isize::try_from(height.max(2) - 1).unwrap_or(isize::MAX)
}

fn unmark(model: &mut Model) {
    if let Some(table) = model.screen_mut().table_mut() {
        table.unmark(|_| true);
    }
}

/// Lets a filter be typed; one of the other kind begins empty.
fn type_filter(model: &mut Model, fuzzy: bool) {
    if let Some(table) = model.screen_mut().table_mut() {
        let input = FilterInput { before: table.typed.clone(), was_fuzzy: table.fuzzy };
        let typed = if table.fuzzy == fuzzy { table.typed.clone() } else { String::new() };
        table.set_filter(&typed, fuzzy);
        model.filtering = Some(input);
    }
}

/// Sorts by the next column. A column that is never drawn is sorted by only where its name is typed.
fn sort_by_next(model: &mut Model) {
    let Some((view, table)) = model.screen().table_ref() else { return };
    let columns = view.columns();
    let now = table.sort.and_then(|sort| columns.iter().position(|c| c == sort.column)).unwrap_or(0);
    let mut others = columns.iter().cycle().skip(now + 1).take(columns.len());
    if let Some(next) = others.find(|column| column.rank < WIDE) {
        navigate::sort(model, next);
    }
}

fn reverse(model: &mut Model) {
    if let Some(table) = model.screen_mut().table_mut()
        && let Some(Sort { column, descending }) = table.sort
    {
        table.sort_by(column, !descending);
    }
}

/// Does something with the link of the pull request, or says why not.
fn with_link(model: &mut Model, what: fn(String) -> Effect, effects: &mut Vec<Effect>) {
    match pull_request_link(model) {
        Ok(url) => effects.push(what(url)),
        Err(why) => model.toast(Tone::Bad, why.to_string()),
    }
}

fn copy_name(model: &mut Model, effects: &mut Vec<Effect>) {
    match shown_approvals(model).first() {
        Some(row) => effects.push(Effect::Copy(format!("{}/{}", row.namespace, row.name))),
        None => model.toast(Tone::Plain, "no approval is selected"),
    }
}

fn turn_read_only(model: &mut Model) {
    model.read_only = !model.read_only;
    let text = if model.read_only { "read-only" } else { "decisions are possible again" };
    model.toast(Tone::Plain, text);
}

fn next_theme(model: &mut Model) {
    model.settings.theme = model.settings.theme.next();
    let name = model.settings.theme.name();
    model.toast(Tone::Plain, format!("theme {name}"));
}

fn turn_mouse(model: &mut Model, effects: &mut Vec<Effect>) {
    model.settings.mouse = !model.settings.mouse;
    effects.push(Effect::Mouse(model.settings.mouse));
    let text = if model.settings.mouse { "the mouse is ours" } else { "the mouse is the terminal's" };
    model.toast(Tone::Plain, text);
}

/// Opens the question before a write.
fn ask(model: &mut Model, command: Command) {
    let Some(action) = permitted::action(command) else { return };
    let chosen = chosen(model);
    let Permitted { targets, left_out } = permitted::targets(model, &chosen, action);
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
    if let Some(ShownTable { view: View::Approvals, table, rows }) = model.shown_table() {
        let shown = table.order().iter().filter_map(|slot| table.row(&rows.approvals, *slot));
        let ids: Vec<_> = shown.map(|row| row.uid.clone()).collect();
        table.mark(ids);
    }
}

/// Holds the list still, or lets it go on.
fn pause(model: &mut Model) {
    let last = model.screens.len() - 1;
    let Model { screens, store, .. } = model;
    if let Screen { shown: ScreenContent::Table(view, table), still } = &mut screens[last] {
        table.paused = !table.paused;
        *still = table.paused.then(|| Arc::new(store.copy(*view)));
    }
}
