//! `update`: a message changes the model, and effects follow. Pure: no IO, no clock. Never imports `view`, `cluster` or
//! `app`.

mod dispatch;
mod feed;
mod held_decisions;
mod keys;
mod mouse;
mod navigate;
mod paste;
mod picker;
mod refresh;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Now;
use crate::effect::Effect;
use crate::message::Msg;
use crate::model::{Access, Model, ScreenContent};
use crate::selection::shown_approvals;

pub use held_decisions::{abandon, stop, writes};

/// Applies a message. Call [`settle`] before drawing.
pub fn update(model: &mut Model, now: Now, msg: Msg) -> Vec<Effect> {
    let passed = now.mono.saturating_sub(model.now.mono);
    let unseen = now
        .wall
        .duration_since(model.now.wall)
        .saturating_sub(jiff::SignedDuration::try_from(passed).unwrap_or_default());
    // What was on the screen while that time passed is what the model still says.
    held_decisions::count_down(model, passed);
    model.now = Now { mono: model.now.mono + passed, wall: now.wall };
    let mut effects = Vec::new();
    held_decisions::slept(model, unseen, &mut effects);
    held_decisions::expire(model, &mut effects);
    // Before the message: an answer to a question that is none any more is no answer.
    feed::withdraw(model);
    match msg {
        Msg::Key(event) => keys::key(model, event, &mut effects),
        Msg::Paste(text) => paste::paste(model, &text),
        Msg::Mouse(event) => mouse::mouse(model, event),
        Msg::Resize(width, height) => {
            model.size = (width, height);
            model.dirty = true;
        }
        Msg::Tick => model.dirty = true,
        Msg::ClusterEvent(generation, event) if generation == model.generation => feed::apply(model, event),
        Msg::ClusterEvent(..) => {}
        Msg::Sent(written) => held_decisions::sent(model, *written, &mut effects),
        Msg::Access { round, .. } if round != model.access.round() => {}
        Msg::Access { namespace, answers, .. } => {
            for (verb, answer) in answers {
                model.access.answered(namespace.clone(), verb, answer);
            }
            model.dirty = true;
        }
        Msg::Yaml(of, yaml) => {
            if let ScreenContent::Detail { of: shown, yaml: place, .. } = &mut model.screen_mut().shown
                && *shown == of
                && place.is_some()
            {
                *place = Some(yaml);
                model.dirty = true;
            }
        }
        Msg::Say(tone, text) => model.toast(tone, text),
    }
    held_decisions::expire(model, &mut effects);
    feed::withdraw(model);
    held_decisions::send(model, &mut effects);
    effects
}

/// Brings the shown table up to date, and asks what we may do where that is not known. Once before each drawing, not
/// once for each message.
pub fn settle(model: &mut Model) -> Vec<Effect> {
    refresh::refresh(model);
    ask_access(model)
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
        effects.push(Effect::AskAccess { round: model.access.round(), namespace: None });
    }
    let namespaces: BTreeSet<Arc<str>> =
        shown_approvals(model).iter().map(|a| Arc::clone(&a.raw_namespace)).collect();
    for namespace in namespaces {
        if effects.len() < AT_ONCE && Access::should_ask(&mut model.access, Some(&namespace), now) {
            effects.push(Effect::AskAccess { round: model.access.round(), namespace: Some(namespace) });
        }
    }
    effects
}
