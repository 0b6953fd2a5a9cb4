//! A table: only the rows that are on the screen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::connection::Trouble;
use crate::content::table_layout::{ColumnPlace, layout};
use crate::model::{LinkState, Model};
use crate::rows::{CellContext, Column as _, Row, View};
use crate::table::{Rows, TableState};
use crate::text;
use crate::text::Safe;
use crate::theme::Role;

pub(super) fn draw<R: Row>(
    model: &Model,
    rows: &Rows<R>,
    state: &TableState,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    if area.height == 0 {
        return;
    }
    let cells = layout(R::Column::SPECS, state.shift, area.width);
    let glyphs = model.settings.glyphs;
    let buffer = frame.buffer_mut();
    for ColumnPlace { column, x, width } in &cells {
        let mut title = column.title.to_owned();
        if let Some(sort) = state.sort.filter(|sort| sort.column == *column) {
            title.push_str(if sort.descending { glyphs.down } else { glyphs.up });
        }
        let title = text::fit(&title, usize::from(*width));
        buffer.set_stringn(area.x + x, area.y, title, usize::from(*width), model.style(Role::Head));
    }
    let stale = model.dim();
    let context = CellContext { now: model.now, glyphs };
    let rows_area = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
    if state.order().is_empty() {
        empty(model, state, frame, rows_area);
        return;
    }
    let buffer = frame.buffer_mut();
    let shown = state.window().iter().take(usize::from(rows_area.height));
    for (line, slot) in (0u16..).zip(shown) {
        let Some(row) = state.row(rows, *slot) else { continue };
        let y = rows_area.y + line;
        let selected = state.selected.as_deref() == Some(&**row.id());
        let base = if selected { model.style(Role::Selected) } else { Style::new() };
        if selected {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), base);
        }
        let look = |role: Role| match (selected, stale) {
            (true, _) => base,
            (false, true) => model.style(Role::Dim),
            (false, false) => model.style(role),
        };
        let marked = state.marked().contains(row.id());
        let held = model.held.iter().flat_map(|h| &h.targets).any(|t| t.uid == *row.id());
        let sending = model.sending.iter().any(|s| s.write.target.uid == *row.id());
        let mut ended = model.outcomes.iter().flat_map(|o| &o.not_done).filter(|n| n.target.uid == *row.id());
        let not = ended.next_back();
        if marked {
            buffer.set_stringn(area.x, y, glyphs.mark, 1, look(Role::Marked));
        } else if held || sending {
            buffer.set_stringn(area.x, y, if held { glyphs.wait } else { glyphs.up }, 1, look(Role::Warn));
        } else if let Some(not_done) = not {
            // Not done, or nobody knows: until that is dismissed.
            let glyph = if not_done.unknown { glyphs.altered } else { glyphs.no };
            buffer.set_stringn(area.x, y, glyph, 1, look(Role::Bad));
        }
        if row.sanitized() {
            let loud = look(Role::Bad).add_modifier(Modifier::BOLD);
            buffer.set_stringn(area.x + 1, y, glyphs.altered, 1, loud);
        }
        for ColumnPlace { column, x, width } in &cells {
            let Some(column) = R::Column::of(column) else { continue };
            let cell = row.cell(column, &context);
            let width = usize::from(*width);
            let text =
                if cell.middle { text::fit_middle(&cell.text, width) } else { text::fit(&cell.text, width) };
            buffer.set_stringn(area.x + x, y, text, width, look(cell.role));
        }
    }
}

/// Tells why there is nothing to see: never a blank screen.
fn empty(model: &Model, state: &TableState, frame: &mut Frame<'_>, area: Rect) {
    let view = model.screen().view();
    let kind = view.kind();
    let (words, why) = model.link.words_of(kind, model.now);
    let filtered = state.filtered() || state.pin.is_some();
    let text = match model.link.state_of(kind) {
        LinkState::Connecting => format!("Connecting to {} {words} {why}", model.cluster.server),
        LinkState::Loading(_) | LinkState::Behind => "Reading the list …".to_owned(),
        LinkState::Lost(Trouble::NoKinds) => {
            "Autopilot's kinds are not in this cluster: its CRDs are missing. Install them with \
             `kubectl apply -k deploy`, or choose another context."
                .to_owned()
        }
        LinkState::Lost(Trouble::Forbidden) => {
            let (place, choose) = match view {
                View::Approvals | View::Objects => ("here", "Choose a namespace in which you may, or ask"),
                View::Events => ("in namespace default", "Ask"),
                View::Rules => ("in this cluster", "Ask"),
            };
            format!("You may not list {} {place} ({why}). {choose} for the permission.", kind.name())
        }
        LinkState::Lost(_) => format!("{words}: {why}. The console tries again by itself."),
        LinkState::Live if filtered => "Nothing passes the filter.".to_owned(),
        LinkState::Live => match view {
            View::Approvals => "Nothing waits for you.",
            View::Events => "Nothing has happened within the events that the cluster keeps.",
            View::Objects => "No object has left Normal yet.",
            View::Rules => "There are no rules.",
        }
        .to_owned(),
    };
    let text = Safe::new(&text);
    let width = area.width.saturating_sub(4);
    let lines: Vec<Line<'_>> =
        text::wrap(text.as_str(), usize::from(width)).into_iter().map(|l| Line::from(Span::raw(l))).collect();
    let top = area.height / 3;
    let place = Rect::new(area.x + 2, area.y + top.min(area.height), width, area.height.saturating_sub(top));
    let paragraph = ratatui::widgets::Paragraph::new(lines).style(model.style(Role::Dim));
    frame.render_widget(paragraph, place);
}
