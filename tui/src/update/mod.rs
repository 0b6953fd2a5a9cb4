//! `update`: what a message does to the model, and what must happen because of it. Pure: no IO, no clock.

mod enable;
mod feed;
mod hold;
mod keys;
mod mouse;
mod open;
mod paste;
mod picker;

use crossterm::event::{KeyEvent, MouseEvent};

pub use enable::enabled;
pub(crate) use hold::subject;
pub use hold::{abandon, stop, writes};
pub(crate) use open::{hidden_marks, link};

use crate::clock::Now;
use crate::effect::{Effect, Written};
use crate::model::{
    Access, Answer, DetailOf, Dialog, Model, Screen, Shown, Tone, Verb, View, Yaml, link::KindName,
    link::Trouble, store,
};
use crate::record::{Approval, EventRecord, ObjectRow, RuleRow};
use crate::text::Safe;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the feed saw.
#[derive(Clone, Debug)]
pub enum Feed {
    /// A list begins.
    Start(KindName),
    /// The list is complete.
    Done(KindName),
    /// Changes of a kind come in.
    Following(KindName),
    /// Changes of a kind do not come in, though the server answers.
    Behind(KindName),
    /// Are there.
    Approvals(Vec<Approval>),
    /// Are there.
    Objects(Vec<ObjectRow>),
    /// Are there.
    Rules(Vec<RuleRow>),
    /// Happened.
    Events(Vec<EventRecord>),
    /// Is gone, by UID.
    Gone(KindName, Arc<str>),
    /// The server said something.
    Contact,
    /// The server did not, or not what was asked for.
    Trouble(Trouble, Safe),
    /// A kind cannot be listed.
    Denied(KindName, Trouble, Safe),
    /// Which cluster this is, once that is known.
    Cluster(Box<crate::model::ClusterLabel>),
    /// Who we are.
    Identity(Safe),
    /// The credentials were read anew: who we are, and what we may do, is not known before the server said so.
    Credentials(Safe),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// A deadline of the model came.
    Tick,
    /// The feed of this generation.
    Feed(u64, Feed),
    /// A write ended.
    Sent(Box<Written>),
    /// What we may do; the number is that of [`Access::round`] when it was asked.
    Access(u64, Option<Arc<str>>, Vec<(Verb, Answer)>),
    /// An object as the cluster has it.
    Yaml(DetailOf, Yaml),
    /// Something to say.
    Say(crate::model::Tone, Safe),
}

/// What a message does. Call [`settle`] before drawing.
pub fn update(model: &mut Model, now: Now, msg: Msg) -> Vec<Effect> {
    let passed = now.mono.saturating_sub(model.now.mono);
    let unseen = now
        .wall
        .duration_since(model.now.wall)
        .saturating_sub(jiff::SignedDuration::try_from(passed).unwrap_or_default());
    // What was on the screen while that time passed is what the model still says.
    hold::count_down(model, passed);
    model.now = Now { mono: model.now.mono + passed, wall: now.wall };
    let mut effects = Vec::new();
    hold::slept(model, unseen, &mut effects);
    hold::expire(model, &mut effects);
    // Before the message: an answer to a question that is none any more is no answer.
    feed::withdraw(model);
    match msg {
        Msg::Key(event) => keys::key(model, event, &mut effects),
        Msg::Paste(text) => paste::paste(model, &text),
        Msg::Mouse(event) => mouse::mouse(model, event, &mut effects),
        Msg::Resize(width, height) => {
            model.size = (width, height);
            model.dirty = true;
        }
        Msg::Tick => model.dirty = true,
        Msg::Feed(generation, feed) if generation == model.generation => {
            feed::feed(model, feed, &mut effects)
        }
        Msg::Feed(..) => {}
        Msg::Sent(written) => hold::sent(model, *written, &mut effects),
        Msg::Access(round, ..) if round != model.access.round() => {}
        Msg::Access(_, namespace, answers) => {
            for (verb, answer) in answers {
                model.access.answered(namespace.clone(), verb, answer, model.now);
            }
            model.dirty = true;
        }
        Msg::Yaml(of, yaml) => {
            if let Shown::Detail { of: shown, yaml: place, .. } = &mut model.screen_mut().shown
                && *shown == of
                && place.is_some()
            {
                *place = Some(yaml);
                model.dirty = true;
            }
        }
        Msg::Say(tone, text) => model.toast(tone, text),
    }
    hold::expire(model, &mut effects);
    feed::withdraw(model);
    hold::send(model, &mut effects);
    effects
}

/// Brings the shown table up to date, and asks what we may do where that is not known. Once before each drawing, not
/// once for each message.
pub fn settle(model: &mut Model) -> Vec<Effect> {
    refresh(model);
    ask_access(model)
}

/// Brings the shown table up to date.
pub(crate) fn refresh(model: &mut Model) {
    model.fit();
    if let Some(Dialog::Confirm(confirm)) = &model.dialog {
        let (lines, room) = crate::view::confirm_extent(model, confirm);
        if let Some(Dialog::Confirm(confirm)) = &mut model.dialog {
            confirm.reading.fit(lines, room);
        }
    }
    let frozen = matches!(model.dialog, Some(Dialog::Confirm(_)));
    let now = model.now.wall;
    let last = model.screens.len() - 1;
    let Model { screens, store, .. } = model;
    let Screen { shown, still } = &mut screens[last];
    let store = still.as_deref().unwrap_or(store);
    if let Shown::Table(view, table) = shown {
        // Under a dialog the list stands still.
        let paused = std::mem::replace(&mut table.paused, false);
        table.paused = paused || frozen;
        let lost = table.lost;
        match view {
            View::Approvals => table.refresh(&store.approvals, now, store::approval_in),
            View::Events => table.refresh(&store.events, now, store::event_in),
            View::Objects => table.refresh(&store.objects, now, store::object_in),
            View::Rules => table.refresh(&store.rules, now, store::rule_in),
        }
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
            model.fit();
        }
    }
}

/// Questions at once; their answers are drawn, and then the next are asked.
const AT_ONCE: usize = 4;

fn ask_access(model: &mut Model) -> Vec<Effect> {
    if !model.link.is_live() {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let now = model.now;
    if Access::should_ask(&mut model.access, None, now) {
        effects.push(Effect::AskAccess(model.access.round(), None));
    }
    let namespaces: BTreeSet<Arc<str>> =
        open::shown_approvals(model).iter().map(|a| Arc::clone(&a.raw_namespace)).collect();
    for namespace in namespaces {
        if effects.len() < AT_ONCE && Access::should_ask(&mut model.access, Some(&namespace), now) {
            effects.push(Effect::AskAccess(model.access.round(), Some(namespace)));
        }
    }
    effects
}
