//! Lists to choose from by typing: commands, namespaces, contexts.

use crate::commands::{COMMANDS, Command, Group};
use crate::filter::Scorer;
use crate::keymap::Key;
use crate::model::{Choice, Dialog, Model, Picker, PickerEntry, PickerKind};
use crate::permitted::enabled;
use crate::text::Safe;

pub(super) fn open(model: &mut Model, kind: PickerKind) {
    let all = match kind {
        PickerKind::Palette => {
            let commands = COMMANDS.iter().filter(|e| e.group != Group::Answer).map(|e| {
                let why = enabled(model, e.command).err().map(|w| format!(" ({w})")).unwrap_or_default();
                let key = model.settings.keymap.key(e.command);
                let told = Safe::new(&format!("{key:>6}  {}{why}", e.title));
                PickerEntry { choice: Choice::Command(e.command), name: Safe::own(e.name), description: told }
            });
            let columns = model.screen().table_ref().map(|(view, _)| view.columns()).unwrap_or_default();
            let sorts = columns.iter().map(|column| {
                let told = format!("{:>6}  Sort by {}", "", column.title);
                PickerEntry {
                    choice: Choice::Sort(column),
                    name: Safe::new(&format!("sort {}", column.id)),
                    description: Safe::new(&told),
                }
            });
            commands.chain(sorts).collect()
        }
        PickerKind::Namespace => {
            let mut all = vec![PickerEntry {
                choice: Choice::AllNamespaces,
                name: Safe::own("all namespaces"),
                description: Safe::default(),
            }];
            let names = model.store.namespaces.iter().filter(|n| !n.sanitized());
            all.extend(names.map(|n| {
                let waiting = model.store.approvals.iter().filter(|a| a.namespace == *n && a.waits()).count();
                let told = if waiting > 0 { format!("{waiting} waiting") } else { String::new() };
                PickerEntry {
                    choice: Choice::Namespace(n.clone()),
                    name: n.clone(),
                    description: Safe::new(&told),
                }
            }));
            all
        }
        PickerKind::Context => {
            let now = &model.cluster.context;
            let told = |c: &Safe| if c == now { Safe::own("this one") } else { Safe::default() };
            let entry = |c: &Safe| PickerEntry {
                choice: Choice::Context(c.clone()),
                name: c.clone(),
                description: told(c),
            };
            model.contexts.iter().map(entry).collect()
        }
    };
    let found = (0..all.len()).collect();
    model.dialog =
        Some(Dialog::Picker(Box::new(Picker { kind, typed: String::new(), all, found, cursor: 0 })));
}

fn find(picker: &mut Picker) {
    picker.cursor = 0;
    if picker.typed.trim().is_empty() {
        picker.found = (0..picker.all.len()).collect();
        return;
    }
    let mut scorer = Scorer::new(picker.typed.trim());
    let mut found: Vec<(u32, usize)> = Vec::new();
    for (at, entry) in picker.all.iter().enumerate() {
        let PickerEntry { name, description, .. } = entry;
        let exact = name.as_str() == picker.typed.trim();
        let by_name = scorer.score(name.as_str()).map(|s| if exact { u32::MAX } else { s + 1000 });
        if let Some(score) = by_name.or_else(|| scorer.score(description.as_str())) {
            found.push((score, at));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    picker.found = found.into_iter().map(|(_, at)| at).collect();
}

pub(super) fn paste(picker: &mut Picker, text: &str) {
    picker.typed.push_str(Safe::new(text.lines().next().unwrap_or_default()).as_str());
    find(picker);
}

/// Returns what was chosen, if this key chose something.
pub(super) fn key(model: &mut Model, mut picker: Box<Picker>, key: Key) -> Option<Choice> {
    match model.settings.keymap.answer(key, true) {
        Some(Command::Cancel) => return None,
        Some(Command::Accept) => {
            let choice = picker.found.get(picker.cursor).map(|at| picker.all[*at].choice.clone());
            // A namespace that was never seen can be typed in full.
            return choice.or_else(|| {
                let typed = picker.typed.trim();
                let named = picker.kind == PickerKind::Namespace && !typed.is_empty();
                named.then(|| Choice::Namespace(Safe::new(typed)))
            });
        }
        Some(Command::NextLine | Command::NextField) => {
            picker.cursor = (picker.cursor + 1).min(picker.found.len().saturating_sub(1));
        }
        Some(Command::PreviousLine | Command::PreviousField) => {
            picker.cursor = picker.cursor.saturating_sub(1);
        }
        Some(Command::RubOut) => {
            picker.typed.pop();
            find(&mut picker);
        }
        Some(Command::ClearLine) => {
            picker.typed.clear();
            find(&mut picker);
        }
        _ => {
            if let Some(c) = key.text() {
                picker.typed.push(c);
                find(&mut picker);
            }
        }
    }
    model.dialog = Some(Dialog::Picker(picker));
    None
}
