//! Two lines: which cluster, as whom, how the connection is; and the tabs.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::content::header::{connection_words, crumbs, tabs};
use crate::model::Model;
use crate::text::{Safe, fit, fit_middle, width};
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
        frame.buffer_mut().set_stringn(x, y, &text, usize::from(room), model.style(*role));
        x += u16::try_from(width(&text)).unwrap_or(0);
    }
    x
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let cluster = &model.cluster;
    let (state, role) = connection_words(model);
    let context = fit_middle(cluster.context.as_str(), 28);
    let context_role = if cluster.production { Role::Production } else { Role::Title };
    let namespace = model.namespace.as_deref().unwrap_or("all namespaces");
    let mut left = vec![(format!(" {context} "), context_role)];
    let mut right = vec![(fit(&state, usize::from(area.width / 2)), role)];
    if model.read_only {
        right.insert(0, ("read-only  ".to_owned(), Role::Warn));
    }
    left.push((format!(" {}", Safe::new(namespace)), Role::Text));
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
        frame.buffer_mut().set_stringn(x, y, text, room, model.style(role));
    }
    let crumbs = crumbs(model);
    let used = tabs(model).last().map_or(0, |(_, x, text)| x + u16::try_from(width(text)).unwrap_or(0)) + 2;
    let room = usize::from(area.right().saturating_sub(used));
    let text = fit_middle(&crumbs, room);
    let at = area.right().saturating_sub(u16::try_from(width(&text)).unwrap_or(0) + 1);
    frame.buffer_mut().set_stringn(at.max(used), y, text, room, model.style(Role::Dim));
}
