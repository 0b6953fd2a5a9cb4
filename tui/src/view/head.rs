//! Two lines: which cluster, as whom, how the connection is; and the tabs.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::style;
use crate::model::link::KindName;
use crate::model::{LinkState, Model, View};
use crate::text::{fit, fit_middle, width};
use crate::theme::Role;

/// Writes pieces from the left; returns the column after them.
fn pieces(
    model: &Model,
    frame: &mut Frame<'_>,
    area: Rect,
    y: u16,
    from: u16,
    all: &[(String, Role)],
) -> u16 {
    let mut x = from;
    for (text, role) in all {
        let room = area.right().saturating_sub(x);
        if room == 0 {
            break;
        }
        let text = fit(text, usize::from(room));
        frame.buffer_mut().set_stringn(x, y, &text, usize::from(room), style(model, *role));
        x += u16::try_from(width(&text)).unwrap_or(0);
    }
    x
}

fn link(model: &Model) -> (String, Role) {
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

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let cluster = &model.cluster;
    let (state, role) = link(model);
    let context = fit_middle(cluster.context.as_str(), 28);
    let context_role = if cluster.production { Role::Production } else { Role::Title };
    let namespace = model.namespace.as_deref().unwrap_or("all namespaces");
    let mut left = vec![(format!(" {context} "), context_role)];
    let mut right = vec![(fit(&state, usize::from(area.width / 2)), role)];
    if model.read_only {
        right.insert(0, ("read-only  ".to_owned(), Role::Warn));
    }
    left.push((format!(" {}", crate::text::Safe::new(namespace)), Role::Text));
    if area.width >= 100 {
        let server = if cluster.server.is_empty() { String::new() } else { format!("  {}", cluster.server) };
        left.push((server, Role::Dim));
        if !cluster.user.is_empty() {
            left.push((format!("  as {}", fit(cluster.user.as_str(), 24)), Role::Dim));
        }
    }
    let right_width: usize = right.iter().map(|(t, _)| width(t)).sum();
    let at = area.right().saturating_sub(u16::try_from(right_width).unwrap_or(0) + 1);
    let left_area = Rect { width: at.saturating_sub(area.x + 1), ..area };
    pieces(model, frame, left_area, area.y, area.x, &left);
    pieces(model, frame, area, area.y, at, &right);
    if area.height < 2 {
        return;
    }
    let y = area.y + 1;
    for (view, x, text) in tabs(model) {
        let shown = model.screens[0].view() == view;
        let role = if shown { Role::Selected } else { Role::Text };
        let room = usize::from(area.right().saturating_sub(x));
        frame.buffer_mut().set_stringn(x, y, text, room, style(model, role));
    }
    let crumbs = crumbs(model);
    let used = tabs(model).last().map_or(0, |(_, x, text)| x + u16::try_from(width(text)).unwrap_or(0)) + 2;
    let room = usize::from(area.right().saturating_sub(used));
    let text = fit_middle(&crumbs, room);
    let at = area.right().saturating_sub(u16::try_from(width(&text)).unwrap_or(0) + 1);
    frame.buffer_mut().set_stringn(at.max(used), y, text, room, style(model, Role::Dim));
}

fn tabs(model: &Model) -> Vec<(View, u16, String)> {
    let mut x = 0;
    let wide = model.size.0 >= 76;
    View::ALL
        .iter()
        .enumerate()
        .map(|(at, view)| {
            let store = &model.store;
            let count = match view {
                View::Approvals => store.approvals.len(),
                View::Events => store.events.len(),
                View::Objects => store.objects.len(),
                View::Rules => store.rules.len(),
            };
            let count = match model.link.state_of(view.kind()) {
                _ if !wide => String::new(),
                // None is what is not known, too.
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

/// The tab at a column of the terminal.
pub fn tab_at(model: &Model, x: u16) -> Option<View> {
    tabs(model)
        .into_iter()
        .find(|(_, from, text)| (*from..*from + u16::try_from(width(text)).unwrap_or(0)).contains(&x))
        .map(|(view, ..)| view)
}

/// How one came here, and what the list leaves out.
fn crumbs(model: &Model) -> String {
    use crate::model::Shown;
    let mut parts: Vec<String> = Vec::new();
    for screen in model.screens.iter().skip(1) {
        parts.push(match &screen.shown {
            Shown::Table(view, table) => match &table.pin {
                Some(pin) => format!("{} of {}", view.title(), pin.title()),
                None => view.title().to_owned(),
            },
            Shown::Detail { of, .. } => super::detail::title(model, of),
        });
    }
    let mut text = parts.join(" > ");
    if let Some((view, table)) = model.screen().table_ref() {
        let total = match view {
            View::Approvals => model.store.approvals.len(),
            View::Events => model.store.events.len(),
            View::Objects => model.store.objects.len(),
            View::Rules => model.store.rules.len(),
        };
        if table.order().len() != total && table.pin.is_none() {
            text = format!("{} of {total}  {text}", table.order().len());
        }
        if !table.marked().is_empty() {
            let hidden = match crate::update::hidden_marks(model) {
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
