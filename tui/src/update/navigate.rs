//! The way to other views, rows and clusters, and back.

use std::sync::Arc;

use crate::connection::ClusterLabel;
use crate::content::size::{body_height, detail_height};
use crate::effect::Effect;
use crate::message::{Tone, Yaml};
use crate::model::{Link, Model, Screen, ScreenContent, Store};
use crate::rows::{ColumnSpec, Pin, Subject, View};
use crate::selection::subject;
use crate::text::Safe;
use crate::update::refresh::refresh;

/// The rule and the object that a subject belongs to.
struct Belonging {
    rule: Safe,
    /// `None` for what is about a whole rule.
    object: Option<PinnedObject>,
}

/// An object's id, and its name for people.
struct PinnedObject {
    volume: Safe,
    name: Safe,
}

/// Returns what a subject belongs to; `None` if it is gone.
fn belonging(model: &Model, of: &Subject) -> Option<Belonging> {
    let store = &model.store;
    let pair = |rule: &Safe, volume: &Safe, name: &Safe| Belonging {
        rule: rule.clone(),
        object: Some(PinnedObject { volume: volume.clone(), name: name.clone() }),
    };
    Some(match of {
        Subject::Approval(id) => {
            let row = store.approvals.get(id)?;
            pair(&row.rule, &row.volume, &row.object)
        }
        Subject::Object(id) => {
            let row = store.objects.get(id)?;
            pair(&row.rule, &row.volume, &row.object)
        }
        Subject::Events(id) => {
            let row = store.events.get(id)?;
            if row.volume.is_empty() {
                Belonging { rule: row.rule.clone(), object: None }
            } else {
                pair(&row.rule, &row.volume, row.pvc.as_ref().map_or(&row.volume, |pvc| &pvc.name))
            }
        }
        Subject::Rule(id) => Belonging { rule: store.rules.get(id)?.name.clone(), object: None },
    })
}

/// Goes to a view as it was left; what is stacked above it goes.
pub(super) fn view(model: &mut Model, view: View) {
    let root = model.screens.remove(0);
    model.screens.clear();
    if root.view() == view {
        model.screens.push(root);
    } else {
        model.background.push(root);
        let place = model.background.iter().position(|s| s.view() == view);
        let screen = place.map_or_else(|| Screen::table(view), |at| model.background.remove(at));
        model.screens.push(screen);
    }
    model.dirty = true;
}

/// Opens the selected row.
pub(super) fn open(model: &mut Model) {
    if matches!(model.screen().shown, ScreenContent::Detail { .. }) {
        return;
    }
    if let Some(of) = subject(model) {
        push(model, Screen::detail(of));
    }
}

/// Shows a screen; `back` leads here.
pub(super) fn push(model: &mut Model, screen: Screen) {
    model.screens.push(screen);
    // A way back of this length is no way back.
    if model.screens.len() > 32 {
        model.screens.remove(1);
    }
    model.dirty = true;
}

/// Goes back to where one came from.
pub(super) fn back(model: &mut Model) {
    if let ScreenContent::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown
        && yaml.take().is_some()
    {
        *scroll = 0;
        model.dirty = true;
        return;
    }
    if model.screens.len() > 1 {
        model.screens.pop();
        if let Some(table) = model.screen_mut().table_mut() {
            table.rebuild();
        }
    } else if let Some(table) = model.screen_mut().table_mut() {
        // At the root, back undoes what narrows the list.
        table.marks_lost = false;
        if !table.marked().is_empty() {
            table.unmark(|_| true);
        } else {
            clear_filter(model);
        }
    }
    model.dirty = true;
}

/// Shows all rows again.
pub(super) fn clear_filter(model: &mut Model) {
    if let Some(table) = model.screen_mut().table_mut() {
        table.set_filter("", false);
    }
}

/// Shows what belongs to the subject in another view.
pub(super) fn related(model: &mut Model, view: View) {
    let Some(Belonging { rule, object }) = subject(model).and_then(|of| belonging(model, &of)) else {
        model.toast(Tone::Plain, "nothing is selected");
        return;
    };
    if view == View::Rules {
        match model.store.rule(rule.as_str()).map(|r| Arc::clone(&r.uid)) {
            Some(uid) => push(model, Screen::detail(Subject::Rule(uid))),
            None => model.toast(Tone::Bad, format!("rule {rule} is not there, or may not be read")),
        }
        return;
    }
    let pin = match object {
        Some(PinnedObject { volume, name }) => {
            Pin::Pair { rule: rule.shared(), volume: volume.shared(), name: name.shared() }
        }
        None => Pin::Rule { rule: rule.shared() },
    };
    push(model, Screen::pinned(view, pin));
}

/// Asks for the subject as the cluster has it.
pub(super) fn yaml(model: &mut Model, effects: &mut Vec<Effect>) {
    if let ScreenContent::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown
        && yaml.take().is_some()
    {
        *scroll = 0;
        model.dirty = true;
        return;
    }
    let Some(of) = subject(model) else { return };
    let found =
        match &of {
            Subject::Approval(id) => model.store.approvals.get(id).map(|row| {
                ("actionapprovals", Some(Arc::clone(&row.raw_namespace)), Arc::clone(&row.raw_name))
            }),
            Subject::Object(id) => model.store.objects.get(id).map(|row| {
                ("autopilotruleobjects", Some(Arc::clone(&row.raw_namespace)), Arc::clone(&row.raw_name))
            }),
            Subject::Rule(id) => {
                model.store.rules.get(id).map(|row| ("autopilotrules", None, Arc::clone(&row.raw_name)))
            }
            Subject::Events(_) => None,
        };
    let Some((plural, namespace, name)) = found else {
        let why = match of {
            Subject::Events(_) => "events are shown as they are",
            _ => "it is gone: the cluster has nothing to show",
        };
        model.toast(Tone::Plain, why);
        return;
    };
    if !matches!(model.screen().shown, ScreenContent::Detail { .. }) {
        push(model, Screen::detail(of.clone()));
    }
    if let ScreenContent::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown {
        *yaml = Some(Yaml::Asked);
        *scroll = 0;
    }
    model.dirty = true;
    effects.push(Effect::Fetch { subject: of, plural, namespace, name });
}

/// Sorts by a column, in the direction that is of use there.
pub(super) fn sort(model: &mut Model, column: &'static ColumnSpec) {
    if let Some(table) = model.screen_mut().table_mut() {
        table.sort_by(column, column.descending);
    }
}

pub(super) fn turn_view(model: &mut Model, by: usize) {
    let at = View::ALL.iter().position(|v| *v == model.screens[0].view()).unwrap_or(0);
    view(model, View::ALL[(at + by) % View::ALL.len()]);
}

pub(super) fn shift(model: &mut Model, right: bool) {
    let turn = |n: usize, by: usize| if right { n + by } else { n.saturating_sub(by) };
    match &mut model.screen_mut().shown {
        ScreenContent::Table(view, table) => table.shift = turn(table.shift, 1).min(view.columns().len() - 1),
        ScreenContent::Detail { shift, .. } => *shift = turn(*shift, 8).min(2000),
    }
}

/// Goes so many rows or lines down, or up.
pub(super) fn step(model: &mut Model, by: isize) {
    refresh(model);
    if let Some(mut shown) = model.shown_table() {
        // Where the selected row went, the next one is the one in its place.
        let by = if shown.table.lost && by > 0 { by - 1 } else { by };
        shown.select_at(shown.table.cursor().saturating_add_signed(by));
        return;
    }
    let last_line = detail_height(model).saturating_sub(usize::from(body_height(model)));
    if let ScreenContent::Detail { scroll, .. } = &mut model.screen_mut().shown {
        *scroll = scroll.saturating_add_signed(by).min(last_line);
    }
}

/// Goes to another context, or shows another namespace.
pub(super) fn watch(
    model: &mut Model,
    context: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
    effects: &mut Vec<Effect>,
) {
    if !model.held.is_empty() || !model.sending.is_empty() {
        model.toast(Tone::Bad, "a decision is held: wait for it or take it back");
        return;
    }
    model.generation += 1;
    let namespaces = std::mem::take(&mut model.store.namespaces);
    model.store = Store::within(namespace.as_ref());
    model.store.namespaces = namespaces;
    model.link = Link::starting(model.now);
    model.namespace.clone_from(&namespace);
    model.screens = vec![Screen::table(View::Approvals)];
    model.background.clear();
    if let Some(context) = &context {
        // Nothing of the former one stays: what it is called and how it looks comes with the new cluster task.
        let sealed = model.cluster.sealed;
        model.cluster = ClusterLabel { context: Safe::new(context), sealed, ..ClusterLabel::default() };
        model.access.forget();
        model.store.namespaces.clear();
    }
    effects.push(Effect::Watch { context, namespace, generation: model.generation });
}
