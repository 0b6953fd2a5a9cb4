//! Which columns of a table are shown, and how wide.

use std::fmt::Write as _;

use crate::model::Model;
use crate::rows::column::WIDE;
use crate::rows::{CellContext, Column as _, ColumnSpec, Row};
use crate::text;

/// Columns at the left for marks.
const GUTTER: u16 = 2;

/// A column on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnPlace {
    /// The column.
    pub column: &'static ColumnSpec,
    /// Its first column on the terminal.
    pub x: u16,
    /// Its width.
    pub width: u16,
}

/// Returns which columns are shown, from where, and how wide.
pub(crate) fn layout(columns: &'static [ColumnSpec], shift: usize, width: u16) -> Vec<ColumnPlace> {
    let room = width.saturating_sub(GUTTER);
    let last = columns.iter().rposition(|c| c.rank < WIDE).unwrap_or(0);
    let mut shown: Vec<_> = columns.iter().skip(shift.min(last)).filter(|c| c.rank < WIDE).collect();
    let needed = |shown: &[&ColumnSpec]| shown.iter().map(|c| c.min + 1).sum::<u16>();
    while needed(&shown) > room + 1 && shown.len() > 1 {
        let worst = shown.iter().map(|c| c.rank).max();
        let worst = shown.iter().rposition(|c| Some(c.rank) == worst);
        shown.remove(worst.unwrap_or(shown.len() - 1));
    }
    let mut left = (room + 1).saturating_sub(needed(&shown));
    let mut places: Vec<_> =
        shown.into_iter().map(|column| ColumnPlace { column, x: 0, width: column.min }).collect();
    // A column at a time, each up to its widest.
    while left > 0 {
        let mut grown = false;
        for ColumnPlace { column, width, .. } in &mut places {
            // Names are what one looks for: they grow faster.
            let step = if column.max >= 40 { 3 } else { 1 };
            let more = step.min(left).min(column.max.saturating_sub(*width));
            *width += more;
            left -= more;
            grown |= more > 0;
        }
        if !grown {
            break;
        }
    }
    let mut x = GUTTER;
    for place in &mut places {
        place.x = x;
        x += place.width + 1;
        place.width = place.width.min(width.saturating_sub(place.x));
    }
    places
}

/// Returns which heading is at a column of the terminal.
pub(crate) fn heading_at(model: &Model, x: u16) -> Option<&'static ColumnSpec> {
    let (view, table) = model.screen().table_ref()?;
    let mut places = layout(view.columns(), table.shift, model.size.0).into_iter();
    places.find(|place| (place.x..=place.x + place.width).contains(&x)).map(|place| place.column)
}

/// Returns a table as plain lines, for the command line.
pub fn print_table<'a, R: Row + 'a>(
    rows: impl Iterator<Item = &'a R>,
    context: &CellContext,
    columns: &[R::Column],
) -> Vec<String> {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|c| c.spec().title.to_owned()).collect()];
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
