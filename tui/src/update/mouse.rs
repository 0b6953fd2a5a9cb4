//! The mouse: rows, tabs, headings and the wheel. It never answers a question.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::content::header::tab_at;
use crate::content::limits::HEADER;
use crate::content::size::body_height;
use crate::content::table_layout::heading_at;
use crate::model::{Dialog, Model};
use crate::update::navigate;

pub(super) fn mouse(model: &mut Model, event: MouseEvent) {
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
            let old = table.sort;
            let descending = old.is_some_and(|old| old.descending != (old.column == column));
            table.sort_by(column, descending);
        }
    } else if line < height {
        let Some(mut shown) = model.shown_table() else { return };
        let place = shown.table.offset + usize::from(line) - 1;
        if place >= shown.table.order().len() {
            return;
        }
        if place == shown.table.cursor() && !shown.table.lost {
            navigate::open(model);
        } else {
            shown.select_at(place);
        }
    }
}
