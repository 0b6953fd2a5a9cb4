//! One object in full, painted.

use std::num::NonZeroU16;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::buffer::CellDiffOption;
use ratatui::layout::Rect;

use crate::content::detail::detail_lines;
use crate::model::Model;
use crate::selection::pull_request_link;
use crate::text::{fit, width};
use crate::theme::Role;

pub(super) fn draw(model: &Model, scroll: usize, shift: usize, frame: &mut Frame<'_>, area: Rect) {
    let all = detail_lines(model, area.width);
    let top = scroll.min(all.len().saturating_sub(1));
    let stale = model.dim();
    // Under a dialog there are none: a label that is one piece would be drawn over it.
    let links = model.settings.hyperlinks && model.dialog.is_none();
    let target = if links { pull_request_link(model).ok() } else { None };
    for (y, line) in (area.y..area.bottom()).zip(all.iter().skip(top)) {
        let mut x = area.x + 1;
        let mut skip = shift;
        for (text, role) in line {
            let wide = width(text);
            if skip >= wide && shift > 0 {
                skip -= wide;
                continue;
            }
            let text: String =
                if skip > 0 { text.chars().skip(std::mem::take(&mut skip)).collect() } else { text.clone() };
            let room = usize::from(area.right().saturating_sub(x));
            let look = if stale { Role::Dim } else { *role };
            let shown = fit(&text, room);
            frame.buffer_mut().set_stringn(x, y, &shown, room, model.style(look));
            if let Some(target) = target.as_deref().filter(|_| *role == Role::Link) {
                hyperlink(frame.buffer_mut(), x, y, &shown, target);
            }
            x = x.saturating_add(u16::try_from(width(&text)).unwrap_or(u16::MAX)).min(area.right());
        }
    }
    let (height, shown) = (usize::from(area.height), all.len() - top);
    if shown > height && area.height > 0 {
        let more = format!(" {} more ", shown - height);
        let at = area.right().saturating_sub(u16::try_from(width(&more)).unwrap_or(0));
        frame.buffer_mut().set_string(at, area.bottom() - 1, more, model.style(Role::Dim));
    }
}

/// Makes what stands there a link of the terminal (OSC 8). The target has passed [`crate::text::link`], so that nothing
/// in it ends the sequence. The whole label goes into its first cell: the terminal gets it in one piece.
fn hyperlink(buffer: &mut Buffer, x: u16, y: u16, label: &str, target: &str) {
    let Some(columns) = u16::try_from(width(label)).ok().and_then(NonZeroU16::new) else { return };
    let sequence = format!("\u{1b}]8;;{target}\u{1b}\\{label}\u{1b}]8;;\u{1b}\\");
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(&sequence).set_diff_option(CellDiffOption::ForcedWidth(columns));
    }
}
