//! From a confirmed question to a write: held for some visible seconds, looked at once more, then sent.

use std::collections::HashSet;
use std::time::Duration;

use crate::content::size::counts_down;
use crate::decision::{Ending, Target, Write, Written};
use crate::effect::Effect;
use crate::message::Tone;
use crate::model::{Confirm, Dialog, HOLD, Held, Model, NotDone, Outcome, Sending, held_subject};
use crate::text::Safe;

/// Writes at the same time.
const WRITES: usize = 8;
/// More than this between two looks at the clock was not on the screen: the console stood still.
const SEEN: Duration = Duration::from_millis(1200);
/// So much of a countdown is left after the console stood still: time to see it, and to take it back.
const LAST: Duration = Duration::from_secs(1);
/// So much more on the clock on the wall than on ours: the computer slept.
const SLEPT: Duration = Duration::from_secs(5);

/// Holds the decision of a question that was answered with yes.
pub(super) fn hold(model: &mut Model, confirm: &Confirm) {
    model.decisions += 1;
    model.held.push(Held {
        number: model.decisions,
        action: confirm.action,
        targets: confirm.targets.clone(),
        reason: confirm.reason(),
        remaining: HOLD,
        stale: confirm.stale,
    });
    let here: HashSet<&str> = confirm.targets.iter().map(|t| &*t.uid).collect();
    if let Some(table) = model.screen_mut().table_mut() {
        table.unmark(|id| here.contains(id));
    }
    model.dirty = true;
}

/// Drops the last decision that is held.
pub(super) fn undo(model: &mut Model) {
    match model.held.pop() {
        Some(held) => {
            let what = held_subject(&held);
            model.toast(Tone::Plain, format!("taken back, nothing was written: {} {what}", held.action));
        }
        None => model.toast(Tone::Plain, "nothing is held: what was sent cannot be taken back"),
    }
}

/// Lets everything that is held be sent now.
pub(super) fn send_now(model: &mut Model) {
    model.held.iter_mut().for_each(|h| h.remaining = Duration::ZERO);
}

/// Counts down: what is held comes nearer to being sent, as long as the person sees that and can take it back. While the
/// console was stopped, or its terminal took nothing, nobody saw it: then no countdown runs out.
pub(super) fn count_down(model: &mut Model, by: Duration) {
    if !counts_down(model) {
        return;
    }
    for held in &mut model.held {
        let least = if by > SEEN { LAST.min(held.remaining) } else { Duration::ZERO };
        held.remaining = held.remaining.saturating_sub(by.min(SEEN)).max(least);
    }
}

/// Sends what has been held long enough; messages go.
pub(super) fn expire(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now;
    let before = model.toasts.len();
    model.toasts.retain(|t| t.until > now.mono);
    model.dirty |= before != model.toasts.len();
    if !model.held.iter().any(|h| h.remaining.is_zero()) {
        return;
    }
    model.dirty = true;
    let (due, held) = std::mem::take(&mut model.held).into_iter().partition(|h| h.remaining.is_zero());
    model.held = held;
    let due: Vec<Held> = due;
    for held in due {
        begin(model, &held);
        for target in &held.targets {
            let write = write(model, &held, target);
            if model.sending.iter().any(|s| s.write.target.uid == target.uid) {
                let ending = Ending::Dropped(Safe::own("another decision on it is on its way"));
                end(model, held.number, write, ending, effects);
            } else {
                let (number, stale) = (held.number, held.stale);
                model.sending.push(Sending { number, write, stale, sent: false });
            }
        }
    }
}

/// Sends what waits for its turn, each looked at once more: what has changed, or would go into a lost connection, is
/// not sent. While changes do not come in for a moment, it waits.
pub(super) fn send(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.sending.iter().all(|s| s.sent) {
        return;
    }
    let (sent, waiting): (Vec<_>, Vec<_>) =
        std::mem::take(&mut model.sending).into_iter().partition(|s| s.sent);
    model.sending = sent;
    let mut under_way = model.sending.len();
    // Where nobody may be there, one tries: a server that is dead is not run over.
    let at_once = if model.stale() { 1 } else { WRITES };
    for mut next in waiting {
        let Write { target, action, .. } = &next.write;
        let why = match target.changed(model.store.approvals.get(&target.uid), *action) {
            _ if model.read_only => Some("the console is read-only"),
            _ if model.stale() && !next.stale => Some("the connection was lost"),
            changed => changed,
        };
        match why {
            Some(why) => end(model, next.number, next.write, Ending::Dropped(Safe::own(why)), effects),
            None => {
                let current = model.link.is_live() || next.stale;
                if current && under_way < at_once {
                    under_way += 1;
                    next.sent = true;
                    next.write.at = model.now.wall;
                    effects.push(Effect::Send(Box::new(next.write.clone())));
                }
                model.sending.push(next);
            }
        }
    }
}

/// Drops what waits for its turn.
fn drop_waiting(model: &mut Model, why: &'static str, effects: &mut Vec<Effect>) {
    let (sent, waiting): (Vec<_>, Vec<_>) =
        std::mem::take(&mut model.sending).into_iter().partition(|s| s.sent);
    model.sending = sent;
    for waiting in waiting {
        end(model, waiting.number, waiting.write, Ending::Dropped(Safe::own(why)), effects);
    }
}

/// Drops what is held.
fn drop_held(model: &mut Model, why: &'static str, effects: &mut Vec<Effect>) {
    for held in std::mem::take(&mut model.held) {
        begin(model, &held);
        for target in &held.targets {
            let write = write(model, &held, target);
            end(model, held.number, write, Ending::Dropped(Safe::own(why)), effects);
        }
    }
}

/// Drops decisions if the clock on the wall went on without ours: whoever comes back to the console decides anew, on what
/// is there now.
pub(super) fn slept(model: &mut Model, by: jiff::SignedDuration, effects: &mut Vec<Effect>) {
    if by < jiff::SignedDuration::try_from(SLEPT).unwrap_or(jiff::SignedDuration::MAX) {
        return;
    }
    let why = "the computer slept, or its clock was set";
    drop_held(model, why, effects);
    drop_waiting(model, why, effects);
    if matches!(model.dialog, Some(Dialog::Confirm(_))) {
        let text = Safe::new(&format!("withdrawn, nothing was written: {why}"));
        model.dialog = Some(Dialog::Notice { opened: model.now.mono, text });
    }
    model.dirty = true;
    effects.push(Effect::Awake);
}

/// Begins the result of a decision.
fn begin(model: &mut Model, held: &Held) {
    model.outcomes.push(Outcome {
        number: held.number,
        action: held.action,
        total: held.targets.len(),
        done: 0,
        not_done: Vec::new(),
    });
}

/// Returns what a held decision would write.
pub fn writes(model: &Model, held: &Held) -> Vec<Write> {
    held.targets.iter().map(|target| write(model, held, target)).collect()
}

fn write(model: &Model, held: &Held, target: &Target) -> Write {
    Write {
        action: held.action,
        target: target.clone(),
        reason: held.reason.clone(),
        by: model.cluster.user.to_string(),
        context: model.cluster.context.clone(),
        server: model.cluster.server.clone(),
        at: model.now.wall,
        dry_run: false,
    }
}

/// Ends a write that was not sent: it is told, kept for the summary, and logged.
fn end(model: &mut Model, number: u64, write: Write, ending: Ending, effects: &mut Vec<Effect>) {
    let written = Written { at: model.now.wall, write, ending };
    tell(model, number, &written);
    model.written.push(written.clone());
    effects.push(Effect::Note(Box::new(written)));
}

/// Drops all that has not been sent, since the console is about to end.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    drop_waiting(model, "the console was left", &mut effects);
    drop_held(model, "the console was left", &mut effects);
    effects
}

/// Ends all decisions with the console, however that comes: what is held is not sent, and of what is on its way nobody will
/// know.
pub fn abandon(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    drop_waiting(model, "the console was left", &mut effects);
    for sending in std::mem::take(&mut model.sending) {
        let ending = Ending::Unknown(Safe::own("the console was left before an answer came"));
        end(model, sending.number, sending.write, ending, &mut effects);
    }
    drop_held(model, "the console was left", &mut effects);
    effects
}

/// Takes the result of a write.
pub(super) fn sent(model: &mut Model, written: Written, effects: &mut Vec<Effect>) {
    let place = model.sending.iter().position(|s| s.write.target.uid == written.write.target.uid);
    let number = place.map_or(0, |at| model.sending.remove(at).number);
    if matches!(written.ending, Ending::Denied(_)) {
        model.access.forget();
        let namespace = Some(written.write.target.raw_namespace.clone());
        effects.push(Effect::AskAccess { round: model.access.round(), namespace });
    }
    let others = written.ending.keeps_others();
    tell(model, number, &written);
    model.written.push(written);
    if let Some(why) = others {
        drop_waiting(model, why, effects);
    }
    model.dirty = true;
}

/// Tells one line for each decision, once all of it has ended. A decision that did not end well stays until it is
/// dismissed.
fn tell(model: &mut Model, number: u64, written: &Written) {
    let Some(at) = model.outcomes.iter().position(|o| o.number == number) else { return };
    let outcome = &mut model.outcomes[at];
    let target = &written.write.target;
    match written.ending.why() {
        None => outcome.done += 1,
        Some(why) => {
            let unknown = matches!(written.ending, Ending::Unknown(_));
            outcome.not_done.push(NotDone { target: target.clone(), why: why.clone(), unknown });
        }
    }
    let again = written.ending.why().is_none().then(|| target.uid.clone());
    if outcome.ended() && outcome.not_done.is_empty() {
        let text = match outcome.total {
            1 => format!("{} {}/{}", outcome.action.done(), target.namespace, target.object),
            _ => outcome.words(),
        };
        model.outcomes.remove(at);
        model.toast(Tone::Good, text);
    }
    if let Some(uid) = again {
        // An earlier attempt on the same object is history.
        model
            .outcomes
            .retain(|o| !(o.ended() && o.total == 1 && o.not_done.iter().all(|n| n.target.uid == uid)));
    }
}

/// Dismisses decisions that did not end well; `true` if there were some.
pub(super) fn dismiss(model: &mut Model) -> bool {
    let before = model.outcomes.len();
    model.outcomes.retain(|o| !o.ended());
    model.outcomes.len() < before
}
