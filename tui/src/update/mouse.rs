//! The mouse: rows, tabs, headings and the wheel. It never answers a question.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::content::header::tab_at;
use crate::content::limits::HEADER;
use crate::content::size::body_height;
use crate::content::table_layout::heading_at;
use crate::effect::Effect;
use crate::model::{Dialog, Model, Screen, ScreenContent};
use crate::rows::View;
use crate::update::navigate;

pub(super) fn mouse(model: &mut Model, event: MouseEvent, _: &mut Vec<Effect>) {
    if !model.settings.mouse {
        return;
    }
    let wheel = match event.kind {
        MouseEventKind::ScrollDown => 3,
        MouseEventKind::ScrollUp => -3,
        _ => 0,
    };
    match &mut model.dialog {
        Some(Dialog::Help(scroll) | Dialog::Decisions(scroll)) if wheel != 0 => {
            *scroll = scroll.saturating_add_signed(wheel);
            model.dirty = true;
            return;
        }
        Some(Dialog::Confirm(confirm)) if wheel != 0 => {
            confirm.reading.step(wheel);
            model.dirty = true;
            return;
        }
        Some(_) => return,
        None => {}
    }
    if wheel != 0 {
        navigate::step(model, wheel);
        model.dirty = true;
        return;
    }
    if event.kind != MouseEventKind::Down(MouseButton::Left) {
        return;
    }
    model.dirty = true;
    // Whoever goes elsewhere has typed the filter to its end.
    model.filtering = None;
    if event.row == 1 {
        if let Some(view) = tab_at(model, event.column) {
            navigate::view(model, view);
        }
        return;
    }
    let Some(line) = event.row.checked_sub(HEADER) else { return };
    let height = body_height(model);
    if line == 0 {
        let heading = heading_at(model, event.column);
        if let (Some(column), Some(table)) = (heading, model.screen_mut().table_mut()) {
            let (old, descending) = table.sort;
            table.sort_by(column, if old == column { !descending } else { descending });
        }
    } else if line < height {
        let last = model.screens.len() - 1;
        let Model { screens, store, .. } = model;
        let Screen { shown, still } = &mut screens[last];
        let store = still.as_deref().unwrap_or(store);
        if let ScreenContent::Table(view, table) = shown {
            let place = table.offset + usize::from(line) - 1;
            if place >= table.order().len() {
                return;
            }
            if place == table.cursor() && !table.lost {
                navigate::open(model);
                return;
            }
            match view {
                View::Approvals => table.select_at(place, &store.approvals),
                View::Events => table.select_at(place, &store.events),
                View::Objects => table.select_at(place, &store.objects),
                View::Rules => table.select_at(place, &store.rules),
            }
        }
    }
}
