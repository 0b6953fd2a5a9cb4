//! Paints a model. Pure: the same model, the same picture. Never imports `update`.

mod detail;
mod dialog;
mod footer;
mod header;
mod table;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use crate::content::footer::footer_height;
use crate::content::limits::{HEADER, is_drawn};
use crate::model::{Model, ScreenContent, with_rows};
use crate::text::fit;
use crate::theme::Role;

/// Draws the model.
pub(crate) fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if !is_drawn((area.width, area.height)) {
        let text = fit("too small", usize::from(area.width));
        frame.render_widget(Span::raw(text), area);
        return;
    }
    let foot = footer_height(model).min(area.height.saturating_sub(HEADER + 1));
    let body = Rect::new(area.x, area.y + HEADER, area.width, area.height.saturating_sub(HEADER + foot));
    header::draw(model, frame, Rect::new(area.x, area.y, area.width, HEADER.min(area.height)));
    let rows = model.screen().rows(&model.store);
    match &model.screen().shown {
        ScreenContent::Table(view, state) => {
            with_rows!(rows, *view, rows => table::draw(model, rows, state, frame, body));
        }
        ScreenContent::Detail { scroll, shift, .. } => detail::draw(model, *scroll, *shift, frame, body),
    }
    footer::draw(model, frame, Rect::new(area.x, body.bottom(), area.width, foot));
    if let Some(dialog) = &model.dialog {
        // What lies under a dialog loses its colours: nobody mistakes which layer takes the keys.
        let dim = model.style(Role::Dim);
        frame.buffer_mut().set_style(area, Style::reset().patch(dim).remove_modifier(Modifier::REVERSED));
        dialog::draw(model, dialog, frame, area);
    }
    if model.settings.glyphs.ascii {
        ascii(frame);
    }
}

/// Signs of ours that do not come from [`crate::theme::Glyphs`]: what was cut, what was taken out, and dots between words.
fn ascii(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        let symbol = match cell.symbol() {
            "…" => "~",
            "·" => "-",
            "⏎" => "/",
            "\u{fffd}" => "?",
            _ => continue,
        };
        cell.set_symbol(symbol);
    }
}
