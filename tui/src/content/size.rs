//! Sizes that depend on the model, and when the screen must be drawn anew.

use std::time::Duration;

use crate::clock::{age_changes_in, seconds_since};
use crate::content::detail::{detail_ages, detail_lines};
use crate::content::footer::footer_height;
use crate::content::limits::{HEADER, is_drawn};
use crate::model::{Dialog, Model, ScreenContent, with_rows};
use crate::rows::Row;
use crate::table::{Rows, TableState};

/// Returns how many lines the shown object has.
pub(crate) fn detail_height(model: &Model) -> usize {
    detail_lines(model, model.size.0).len()
}

/// Ages that are shown to the minute are brought up to date together, this often.
const TOGETHER: u64 = 20;

/// Returns in how many seconds the ages that are on the screen must be drawn anew.
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
        ScreenContent::Table(view, table) => with_rows!(rows, *view, rows => of(rows, table, in_seconds)),
        ScreenContent::Detail { yaml: Some(_), .. } => None,
        ScreenContent::Detail { of, .. } => {
            detail_ages(model, of).into_iter().flatten().map(in_seconds).min()
        }
    };
    [link, ages].into_iter().flatten().min()
}

/// Returns how many lines are between the header and the footer.
pub(crate) fn body_height(model: &Model) -> u16 {
    model.size.1.saturating_sub(HEADER + footer_height(model))
}

/// Tells the table how many rows fit.
pub(crate) fn fit_table(model: &mut Model) {
    let height = usize::from(body_height(model).saturating_sub(1)).max(1);
    if let Some(table) = model.screen_mut().table_mut() {
        table.height = height;
    }
}

/// `true` if the countdown of what is held is on the screen, and the key that takes it back means that. While a watch is
/// taken up again nothing is sent: seconds that run out then would leave a decision that waits and cannot be taken back.
pub fn counts_down(model: &Model) -> bool {
    let seen = is_drawn(model.size);
    let at_hand = model.dialog.is_none() && model.filtering.is_none();
    seen && at_hand && (model.link.is_live() || model.stale())
}

/// Returns when something must be looked at again without anybody asking: a countdown, a message, an age that is shown.
pub fn deadline(model: &Model) -> Option<Duration> {
    let held = model.held.iter().filter(|_| counts_down(model)).map(|h| {
        // The countdown shows whole seconds.
        let part = Duration::from_nanos(u64::from(h.remaining.subsec_nanos()));
        model.now.mono + if part.is_zero() { h.remaining.min(Duration::from_secs(1)) } else { part }
    });
    let toasts = model.toasts.iter().map(|t| t.until);
    let dialog = model.dialog.iter().filter_map(Dialog::ready_at).filter(|at| *at > model.now.mono);
    let ages = next_age_change(model).map(|s| model.now.mono + Duration::from_secs(s)).into_iter();
    held.chain(toasts).chain(dialog).chain(ages).chain(model.waits_until()).min()
}
