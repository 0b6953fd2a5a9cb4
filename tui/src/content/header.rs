//! The header: the connection, the tabs, the way here.

use crate::connection::KindName;
use crate::content::detail::detail_title;
use crate::model::{LinkState, Model, ScreenContent};
use crate::rows::View;
use crate::selection::hidden_marks;
use crate::text::{fit, width};
use crate::theme::Role;

/// Returns the state of the connection, for the right end of the header.
pub(crate) fn connection_words(model: &Model) -> (String, Role) {
    let glyphs = model.settings.glyphs;
    let (words, mut why) = model.link.words_of(KindName::Approvals, model.now);
    let others = model.link.others(model.now);
    let (glyph, role) = match model.link.state() {
        LinkState::Live if !others.is_empty() => {
            why = others;
            (glyphs.live, Role::Warn)
        }
        LinkState::Live => (glyphs.live, Role::Good),
        LinkState::Connecting | LinkState::Loading(_) | LinkState::Behind => (glyphs.wait, Role::Warn),
        LinkState::Lost(_) => (glyphs.stale, Role::Bad),
    };
    let why = if why.is_empty() { why } else { format!(" ({})", fit(&why, 48)) };
    (format!("{glyph} {words}{why}"), role)
}

/// Returns the tabs, where each starts, and its text.
pub(crate) fn tabs(model: &Model) -> Vec<(View, u16, String)> {
    let mut x = 0;
    let wide = model.size.0 >= 76;
    View::ALL
        .iter()
        .enumerate()
        .map(|(at, view)| {
            let count = model.store.len(*view);
            let count = match model.link.state_of(view.kind()) {
                _ if !wide => String::new(),
                // An empty list may be one that is not known yet.
                state if count == 0 && state != LinkState::Live => " ?".to_owned(),
                _ => format!(" {count}"),
            };
            let text = format!(" {} {}{count} ", at + 1, view.title());
            let from = x;
            x += u16::try_from(width(&text)).unwrap_or(0);
            (*view, from, text)
        })
        .collect()
}

/// Returns the tab at a column of the terminal.
pub(crate) fn tab_at(model: &Model, x: u16) -> Option<View> {
    tabs(model)
        .into_iter()
        .find(|(_, from, text)| (*from..*from + u16::try_from(width(text)).unwrap_or(0)).contains(&x))
        .map(|(view, ..)| view)
}

/// Returns the way here, and what the list leaves out.
pub(crate) fn crumbs(model: &Model) -> String {
    let mut parts: Vec<String> = Vec::new();
    for screen in model.screens.iter().skip(1) {
        parts.push(match &screen.shown {
            ScreenContent::Table(view, table) => match &table.pin {
                Some(pin) => format!("{} of {}", view.title(), pin.title()),
                None => view.title().to_owned(),
            },
            ScreenContent::Detail { of, .. } => detail_title(model, of),
        });
    }
    let mut text = parts.join(" > ");
    if let Some((view, table)) = model.screen().table_ref() {
        let total = model.store.len(view);
        if table.order().len() != total && table.pin.is_none() {
            text = format!("{} of {total}  {text}", table.order().len());
        }
        if !table.marked().is_empty() {
            let hidden = match hidden_marks(model) {
                0 => String::new(),
                hidden => format!(" ({hidden} hidden)"),
            };
            text = format!("{} marked{hidden}  {text}", table.marked().len());
        }
        if table.paused {
            text = format!("PAUSED  {text}");
        }
    }
    text.trim().to_owned()
}
