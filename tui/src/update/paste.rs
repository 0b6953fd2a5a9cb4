//! Pasted text.

use crate::message::Tone;
use crate::model::{Confirm, Dialog, Field, Focus, Model, SETTLE};
use crate::text::{LONGEST, Safe};
use crate::update::picker;

/// Takes pasted text: for a filter or a reason, and never as a confirmation.
pub(super) fn paste(model: &mut Model, text: &str) {
    model.dirty = true;
    model.last_key.at = model.now.mono;
    // Terminals send line ends as CR inside brackets.
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    match &mut model.dialog {
        Some(Dialog::Confirm(confirm)) => {
            let settled = model.now.mono.saturating_sub(confirm.opened) >= SETTLE;
            let Confirm { focus, fields, .. } = confirm.as_mut();
            if let Focus::Field(at) = *focus
                && let Some(Field::Reason(area)) = fields.get_mut(at)
                && settled
            {
                let lines = Safe::lines(text);
                let cut = lines.iter().any(|l| l.as_str().chars().count() > LONGEST);
                let sanitized = lines.iter().any(Safe::sanitized);
                let lines: Vec<String> = lines.iter().map(Safe::to_string).collect();
                area.insert_str(lines.join("\n"));
                if cut {
                    let text = format!(
                        "a pasted line was cut after {LONGEST} characters: read it before you confirm"
                    );
                    model.toast(Tone::Bad, text);
                } else if sanitized {
                    model.toast(Tone::Bad, "hidden characters were taken out of what was pasted");
                }
            } else {
                model.toast(Tone::Bad, "pasted text confirms nothing: type it");
            }
        }
        Some(Dialog::Picker(picker)) => picker::paste(picker, text),
        Some(Dialog::Notice { opened, .. }) => *opened = model.now.mono,
        Some(_) => {}
        None if model.filtering.is_some() => {
            if let Some(table) = model.screen_mut().table_mut() {
                let line = Safe::new(text.lines().next().unwrap_or_default());
                let typed = format!("{}{line}", table.typed);
                let fuzzy = table.fuzzy;
                table.set_filter(&typed, fuzzy);
            }
        }
        None => model.toast(Tone::Plain, "pasted text is no command"),
    }
}
