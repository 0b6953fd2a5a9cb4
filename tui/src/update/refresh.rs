//! Brings what is shown up to date with what is known.

use crate::content::dialog::question_extent;
use crate::content::size::fit_table;
use crate::message::Tone;
use crate::model::{Dialog, Model};

/// Brings the shown table up to date.
pub(crate) fn refresh(model: &mut Model) {
    fit_table(model);
    if let Some(Dialog::Confirm(confirm)) = &model.dialog {
        let (lines, room) = question_extent(model, confirm);
        if let Some(Dialog::Confirm(confirm)) = &mut model.dialog {
            confirm.reading.fit(lines, room);
        }
    }
    let frozen = matches!(model.dialog, Some(Dialog::Confirm(_)));
    let now = model.now.wall;
    if let Some(mut shown) = model.shown_table() {
        // Under a dialog the list stands still.
        let paused = std::mem::replace(&mut shown.table.paused, false);
        shown.table.paused = paused || frozen;
        let lost = shown.table.lost;
        shown.refresh(now);
        let table = shown.table;
        table.paused = paused;
        let newly_lost = table.lost && !lost;
        let gone = std::mem::take(&mut table.marks_gone);
        let left = table.marked().len();
        if newly_lost {
            model.toast(Tone::Plain, "the selected row is gone from the list: nothing is selected");
        }
        if gone > 0 {
            let left =
                if left > 0 { format!("{left} are left") } else { "nothing is marked any more".to_owned() };
            model.toast(Tone::Bad, format!("of what was marked, {gone} gone: {left}"));
        }
        if newly_lost || gone > 0 {
            fit_table(model);
        }
    }
}
