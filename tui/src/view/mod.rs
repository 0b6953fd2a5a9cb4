//! The picture of a model. Pure: the same model, the same picture.

mod detail;
mod dialog;
mod foot;
mod head;
mod table;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use crate::clock::{age_changes_in, seconds_since};
use crate::model::{Dialog, Model, Shown, View};
use crate::record::Row;
use crate::table::{Rows, TableState};
use crate::theme::Role;

pub use detail::lines as detail_text;
pub use dialog::{extent as confirm_extent, question};
pub use foot::height as foot_height;
pub use head::tab_at;
pub use table::{heading_at, print as print_table};

/// Lines above the body.
pub const HEAD: u16 = 2;
/// Below this nothing is drawn.
pub const DRAWN: (u16, u16) = (20, 5);
/// Narrowest and lowest terminal that shows everything.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Draws the model.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < DRAWN.0 || area.height < DRAWN.1 {
        let text = crate::text::fit("too small", usize::from(area.width));
        frame.render_widget(Span::raw(text), area);
        return;
    }
    let foot = foot_height(model).min(area.height.saturating_sub(HEAD + 1));
    let body = Rect::new(area.x, area.y + HEAD, area.width, area.height.saturating_sub(HEAD + foot));
    head::draw(model, frame, Rect::new(area.x, area.y, area.width, HEAD.min(area.height)));
    let rows = model.screen().rows(&model.store);
    match &model.screen().shown {
        Shown::Table(view, state) => match view {
            View::Approvals => table::draw(model, &rows.approvals, state, frame, body),
            View::Events => table::draw(model, &rows.events, state, frame, body),
            View::Objects => table::draw(model, &rows.objects, state, frame, body),
            View::Rules => table::draw(model, &rows.rules, state, frame, body),
        },
        Shown::Detail { scroll, shift, .. } => detail::draw(model, *scroll, *shift, frame, body),
    }
    foot::draw(model, frame, Rect::new(area.x, body.bottom(), area.width, foot));
    if let Some(dialog) = &model.dialog {
        // What lies under a dialog loses its colours: nobody mistakes which layer takes the keys.
        let dim = style(model, Role::Dim);
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

/// How a role looks.
pub(crate) fn style(model: &Model, role: Role) -> Style {
    model.settings.theme.style(role)
}

/// Lines of the shown object.
pub fn detail_lines(model: &Model) -> usize {
    detail::lines(model, model.size.0).len()
}

/// Ages that are shown to the minute are brought up to date together, this often.
const TOGETHER: u64 = 20;

/// In how many seconds the ages that are on the screen are to be drawn anew.
pub fn next_age_change(model: &Model) -> Option<u64> {
    let wall = model.now.wall;
    let in_seconds = |at: jiff::Timestamp| match seconds_since(at, wall) {
        seconds @ 0..60 => age_changes_in(seconds).max(1),
        seconds => {
            let then = age_changes_in(seconds).max(1) + wall.as_second().unsigned_abs();
            then.next_multiple_of(TOGETHER) - wall.as_second().unsigned_abs()
        }
    };
    let link = model.link.ages_from().map(|n| in_seconds(n.wall));
    fn of<R: Row>(rows: &Rows<R>, table: &TableState, f: impl Fn(jiff::Timestamp) -> u64) -> Option<u64> {
        table.window().iter().filter_map(|s| rows.at(*s)?.ages_from()).map(f).min()
    }
    if matches!(model.dialog, Some(Dialog::Help(_) | Dialog::Decisions(_))) {
        return link;
    }
    let rows = model.screen().rows(&model.store);
    let ages = match &model.screen().shown {
        Shown::Table(view, table) => match view {
            View::Approvals => of(&rows.approvals, table, in_seconds),
            View::Events => of(&rows.events, table, in_seconds),
            View::Objects => of(&rows.objects, table, in_seconds),
            View::Rules => of(&rows.rules, table, in_seconds),
        },
        Shown::Detail { yaml: Some(_), .. } => None,
        Shown::Detail { of, .. } => detail::ages(model, of).into_iter().flatten().map(in_seconds).min(),
    };
    [link, ages].into_iter().flatten().min()
}
