//! What is selected, what belongs to it, and the way there and back.

use std::sync::Arc;

use crate::effect::Effect;
use crate::model::{DetailOf, Model, Screen, Shown, Tone, View, Yaml};
use crate::record::Approval;
use crate::table::Pin;
use crate::text::Safe;

/// What a command is about.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    /// The approvals.
    pub rows: Vec<&'a Approval>,
    /// How many are marked, here or not.
    pub marked: usize,
    /// Marked ones that the list does not show: nobody sees them, so nothing is about them.
    pub hidden: usize,
}

/// The approvals that a command is about: the marked ones that are shown, else the selected one, else the one in full.
/// Never more. Where all that is marked is hidden, it is about none.
pub(super) fn chosen(model: &Model) -> Chosen<'_> {
    let approvals = &model.store.approvals;
    let one = |id: &Arc<str>| Chosen { rows: approvals.get(id).into_iter().collect(), ..Chosen::default() };
    match &model.screen().shown {
        Shown::Table(View::Approvals, table) if !table.marked().is_empty() => {
            let listed = &model.screen().rows(&model.store).approvals;
            let shown = table.shown_marks(listed);
            let rows: Vec<_> = shown.filter_map(|row| approvals.get(&row.uid)).collect();
            let marked = table.marked().len();
            let there = match rows.len() == marked {
                true => marked,
                false => table.marked().iter().filter(|id| approvals.get(id).is_some()).count(),
            };
            Chosen { marked, hidden: there.saturating_sub(rows.len()), rows }
        }
        Shown::Table(View::Approvals, table) => table.selected.as_ref().map(one).unwrap_or_default(),
        Shown::Detail { of: DetailOf::Approval(id), .. } => one(id),
        _ => Chosen::default(),
    }
}

/// The approvals that a command is about.
pub(super) fn shown_approvals(model: &Model) -> Vec<&Approval> {
    chosen(model).rows
}

/// Marked rows that the list does not show.
pub(crate) fn hidden_marks(model: &Model) -> usize {
    chosen(model).hidden
}

/// What is selected, or shown in full.
pub(super) fn subject(model: &Model) -> Option<DetailOf> {
    match &model.screen().shown {
        Shown::Detail { of, .. } => Some(of.clone()),
        Shown::Table(view, table) => {
            let id = Arc::clone(table.selected.as_ref()?);
            Some(match view {
                View::Approvals => DetailOf::Approval(id),
                View::Events => DetailOf::Events(id),
                View::Objects => DetailOf::Object(id),
                View::Rules => DetailOf::Rule(id),
            })
        }
    }
}

/// Rule, object's id and shown name of a subject.
fn belongs(model: &Model, of: &DetailOf) -> Option<(Safe, Option<(Safe, Safe)>)> {
    let store = &model.store;
    Some(match of {
        DetailOf::Approval(id) => {
            let row = store.approvals.get(id)?;
            (row.rule.clone(), Some((row.volume.clone(), row.object.clone())))
        }
        DetailOf::Events(id) => {
            let row = store.events.get(id)?;
            let name = row.claim.as_ref().map_or_else(|| row.volume.clone(), |(_, name)| name.clone());
            (row.rule.clone(), (!row.volume.is_empty()).then(|| (row.volume.clone(), name)))
        }
        DetailOf::Object(id) => {
            let row = store.objects.get(id)?;
            (row.rule.clone(), Some((row.volume.clone(), row.object.clone())))
        }
        DetailOf::Rule(id) => (store.rules.get(id)?.name.clone(), None),
    })
}

/// Goes to a view as it was left; what is stacked above it goes.
pub(super) fn view(model: &mut Model, view: View) {
    let root = model.screens.remove(0);
    model.screens.clear();
    if root.view() == view {
        model.screens.push(root);
    } else {
        model.left.push(root);
        let place = model.left.iter().position(|s| s.view() == view);
        let screen = place.map_or_else(|| Screen::table(view), |at| model.left.remove(at));
        model.screens.push(screen);
    }
    model.dirty = true;
}

/// Opens the selected row.
pub(super) fn open(model: &mut Model) {
    if matches!(model.screen().shown, Shown::Detail { .. }) {
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

/// Back to where one came from.
pub(super) fn back(model: &mut Model) {
    if let Shown::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown
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
        table.bereft = false;
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
    let columns = model.screen().view().columns();
    if let Some(table) = model.screen_mut().table_mut() {
        table.set_filter("", false, columns);
    }
}

/// What belongs to the subject, in another view.
pub(super) fn related(model: &mut Model, view: View) {
    let Some((rule, pair)) = subject(model).and_then(|of| belongs(model, &of)) else {
        model.toast(Tone::Plain, "nothing is selected");
        return;
    };
    if view == View::Rules {
        match model.store.rule(rule.as_str()).map(|r| Arc::clone(&r.uid)) {
            Some(uid) => push(model, Screen::detail(DetailOf::Rule(uid))),
            None => model.toast(Tone::Bad, format!("rule {rule} is not there, or may not be read")),
        }
        return;
    }
    let pin = match pair {
        Some((volume, name)) => Pin::Pair(rule.shared(), volume.shared(), name.shared()),
        None => Pin::Rule(rule.shared()),
    };
    push(model, Screen::pinned(view, pin));
}

/// Asks for the subject as the cluster has it.
pub(super) fn yaml(model: &mut Model, effects: &mut Vec<Effect>) {
    if let Shown::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown
        && yaml.take().is_some()
    {
        *scroll = 0;
        model.dirty = true;
        return;
    }
    let Some(of) = subject(model) else { return };
    let found =
        match &of {
            DetailOf::Approval(id) => model.store.approvals.get(id).map(|row| {
                ("actionapprovals", Some(Arc::clone(&row.raw_namespace)), Arc::clone(&row.raw_name))
            }),
            DetailOf::Object(id) => model.store.objects.get(id).map(|row| {
                ("autopilotruleobjects", Some(Arc::clone(&row.raw_namespace)), Arc::clone(&row.raw_name))
            }),
            DetailOf::Rule(id) => {
                model.store.rules.get(id).map(|row| ("autopilotrules", None, Arc::clone(&row.raw_name)))
            }
            DetailOf::Events(_) => None,
        };
    let Some((plural, namespace, name)) = found else {
        let why = match of {
            DetailOf::Events(_) => "events are shown as they are",
            _ => "it is gone: the cluster has nothing to show",
        };
        model.toast(Tone::Plain, why);
        return;
    };
    if !matches!(model.screen().shown, Shown::Detail { .. }) {
        push(model, Screen::detail(of.clone()));
    }
    if let Shown::Detail { yaml, scroll, .. } = &mut model.screen_mut().shown {
        *yaml = Some(Yaml::Asked);
        *scroll = 0;
    }
    model.dirty = true;
    effects.push(Effect::Fetch(of, plural, namespace, name));
}

/// The link of the subject's pull request, if it may be opened: `https`, printable ASCII, of a configured host.
///
/// # Errors
/// Why it may not, for people.
pub fn link(model: &Model) -> Result<String, String> {
    let rows = shown_approvals(model);
    let pull = rows.first().and_then(|r| r.pull_request.as_ref()).ok_or("it has no pull request")?;
    let url = crate::text::link(pull.url.as_str()).filter(|_| !pull.url.altered());
    let url = url.ok_or_else(|| format!("this is no link that may be opened: {}", pull.url))?;
    let host = url.trim_start_matches("https://").split(['/', ':', '?', '#']).next().unwrap_or_default();
    let hosts = &model.settings.hosts;
    if hosts.is_empty() || hosts.iter().any(|h| h == host) {
        Ok(url.to_owned())
    } else {
        Err(format!("{host} is not among the configured hosts"))
    }
}
