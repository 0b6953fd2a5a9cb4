//! Which columns of a table are shown, and how wide.

use std::fmt::Write as _;

use crate::model::Model;
use crate::rows::column::WIDE;
use crate::rows::{CellContext, Column, Row};
use crate::text;

/// Columns at the left for marks.
const GUTTER: u16 = 2;

/// Which columns are shown, from where, how wide.
pub fn layout(columns: &'static [Column], shift: usize, width: u16) -> Vec<(usize, u16, u16)> {
    let room = width.saturating_sub(GUTTER);
    let last = columns.iter().rposition(|c| c.rank < WIDE).unwrap_or(0);
    let shift = shift.min(last);
    let mut shown: Vec<usize> = (shift..columns.len()).filter(|c| columns[*c].rank < WIDE).collect();
    let needed = |shown: &[usize]| shown.iter().map(|c| columns[*c].min + 1).sum::<u16>();
    while needed(&shown) > room + 1 && shown.len() > 1 {
        let worst = shown
            .iter()
            .rposition(|c| columns[*c].rank == shown.iter().map(|c| columns[*c].rank).max().unwrap_or(0));
        shown.remove(worst.unwrap_or(shown.len() - 1));
    }
    let mut widths: Vec<u16> = shown.iter().map(|c| columns[*c].min).collect();
    let mut left = (room + 1).saturating_sub(needed(&shown));
    // A column at a time, each up to its widest.
    while left > 0 {
        let mut grown = false;
        for (place, column) in shown.iter().enumerate() {
            // Names are what one looks for: they grow faster.
            let step = if columns[*column].max >= 40 { 3 } else { 1 };
            let more = step.min(left).min(columns[*column].max.saturating_sub(widths[place]));
            widths[place] += more;
            left -= more;
            grown |= more > 0;
        }
        if !grown {
            break;
        }
    }
    let mut x = GUTTER;
    let mut out = Vec::with_capacity(shown.len());
    for (place, column) in shown.into_iter().enumerate() {
        out.push((column, x, widths[place].min(width.saturating_sub(x))));
        x += widths[place] + 1;
    }
    out
}

/// Which heading is at a column of the terminal.
pub fn heading_at(model: &Model, x: u16) -> Option<usize> {
    let (view, table) = model.screen().table_ref()?;
    let cells = layout(view.columns(), table.shift, model.size.0);
    cells
        .into_iter()
        .find(|(_, from, width)| (*from..from + width + 1).contains(&x))
        .map(|(column, ..)| column)
}

/// A table as plain lines, for the command line.
pub fn print_table<'a, R: Row + 'a>(
    rows: impl Iterator<Item = &'a R>,
    context: &CellContext,
    columns: &[usize],
) -> Vec<String> {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|c| R::COLUMNS[*c].title.to_owned()).collect()];
    for row in rows {
        let mut cells: Vec<String> =
            columns.iter().map(|c| row.cell(*c, context).text.into_owned()).collect();
        if row.sanitized()
            && let Some(last) = cells.last_mut()
        {
            last.push_str(" (altered: hidden characters were taken out)");
        }
        lines.push(cells);
    }
    let widths: Vec<usize> =
        (0..columns.len()).map(|c| lines.iter().map(|l| text::width(&l[c])).max().unwrap_or(0)).collect();
    lines
        .into_iter()
        .map(|line| {
            let mut out = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(out, "{cell}{}", " ".repeat(width - text::width(cell) + 3));
            }
            out.trim_end().to_owned()
        })
        .collect()
}
