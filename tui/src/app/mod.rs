//! The loop: the only place that waits, draws and carries out effects.

pub mod audit;
pub mod crash_report;
mod os;
pub(crate) mod terminal;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::app::terminal::Screen;
use crate::clock::Now;
use crate::cluster::fetch::FetchError;
use crate::cluster::{ClusterTask, Source, access, fetch, send};
use crate::config::Settings;
use crate::connection::ClusterLabel;
use crate::content::size::deadline;
use crate::decision::{Ending, Written};
use crate::effect::Effect;
use crate::message::{Msg, Tone, Yaml};
use crate::model::Model;
use crate::text::Safe;
use crate::update::{abandon, settle, stop, update};

/// At most one picture in this time for what the cluster brings; keys are drawn at once.
const FRAME: Duration = Duration::from_millis(100);
/// Messages between two pictures: a storm must not starve keys.
const DRAIN: usize = 256;

/// Parameters of the console.
#[derive(Debug)]
pub(crate) struct Start {
    /// Source of the cluster.
    pub source: Source,
    /// The namespace; all if none.
    pub namespace: Option<String>,
    /// Settings from the configuration and the flags.
    pub settings: Settings,
}

struct Outside {
    cluster: ClusterTask,
    source: Source,
    out: mpsc::Sender<Msg>,
    results: mpsc::UnboundedSender<Msg>,
}

/// Result of a session.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Decisions, for the summary.
    pub written: Vec<Written>,
    /// Error of the terminal, if it was that which ended it.
    pub outcome: anyhow::Result<()>,
}

/// Runs the console until somebody leaves.
///
/// # Errors
/// When the terminal cannot be taken.
pub(crate) async fn run(mut start: Start) -> anyhow::Result<Ended> {
    start.source.log_in().await;
    start.source.taken = true;
    let mut screen = Screen::enter(start.settings.mouse)?;
    let ended = run_loop(start, &mut screen).await;
    screen.leave();
    ended
}

async fn run_loop(start: Start, screen: &mut Screen) -> anyhow::Result<Ended> {
    let began = Instant::now();
    let now = || Now { mono: began.elapsed(), wall: jiff::Timestamp::now() };
    // Bounded: a fast server waits for a slow terminal, not the other way round.
    let (out, mut messages) = mpsc::channel(512);
    let (results, mut done) = mpsc::unbounded_channel();
    let namespace: Option<Arc<str>> = start.namespace.as_deref().map(Arc::from);
    let label = ClusterLabel {
        context: Safe::new(start.source.context.as_deref().unwrap_or_default()),
        sealed: start.source.read_only,
        ..ClusterLabel::default()
    };
    let mut model = Model::new(start.settings, label, namespace.clone(), screen.size()?);
    model.now = now();
    model.link.started = Some(model.now);
    model.contexts = start.source.contexts();
    let cluster = ClusterTask::start(start.source.clone(), namespace, 0, out.clone());
    let mut outside = Outside { cluster, source: start.source, out, results };
    let mut input = EventStream::new();
    let (mut term, mut hup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut int = signal(SignalKind::interrupt())?;
    let mut drawn = Instant::now();
    let mut outcome = Ok(());
    draw(&mut model, screen, &mut outside)?;
    'console: while !model.quit {
        let deadline = deadline(&model).map(|at| began + at);
        let at_once;
        tokio::select! {
            biased;
            event = input.next() => {
                let mut next = Some(event);
                // What came together is read together: a picture between two keys would make pasted text look typed.
                for _ in 0..DRAIN {
                    let event = match next {
                        Some(Some(Ok(event))) => event,
                        Some(Some(Err(error))) => {
                            outcome = Err(error.into());
                            break 'console;
                        }
                        Some(None) => break 'console,
                        None => break,
                    };
                    if let Some(msg) = read(&event) {
                        handle(&mut model, now(), msg, screen, &mut outside);
                    }
                    next = match futures::poll!(input.next()) {
                        Poll::Ready(event) if !model.quit => Some(event),
                        _ => None,
                    };
                }
                at_once = true;
            }
            _ = term.recv() => break,
            _ = hup.recv() => break,
            _ = int.recv() => break,
            Some(msg) = done.recv() => {
                at_once = true;
                handle(&mut model, now(), msg, screen, &mut outside);
            }
            () = sleep_until(drawn + FRAME), if model.dirty => at_once = true,
            Some(msg) = messages.recv() => {
                handle(&mut model, now(), msg, screen, &mut outside);
                for _ in 0..DRAIN {
                    let Ok(msg) = messages.try_recv() else { break };
                    handle(&mut model, now(), msg, screen, &mut outside);
                }
                at_once = drawn.elapsed() >= FRAME;
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                handle(&mut model, now(), Msg::Tick, screen, &mut outside);
                at_once = true;
            }
        }
        if at_once && model.dirty {
            if let Err(error) = draw(&mut model, screen, &mut outside) {
                outcome = Err(error);
                break;
            }
            drawn = Instant::now();
        }
    }
    // However it ended: nothing is sent any more; what has been answered by now, then what is on its way.
    for effect in stop(&mut model) {
        outside.carry_out(effect, screen);
    }
    while let Ok(msg) = done.try_recv() {
        handle(&mut model, now(), msg, screen, &mut outside);
    }
    for effect in abandon(&mut model) {
        outside.carry_out(effect, screen);
    }
    Ok(Ended { written: model.written, outcome })
}

fn read(event: &Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(*key)),
        Event::Paste(text) => Some(Msg::Paste(text.clone())),
        Event::Mouse(mouse) => Some(Msg::Mouse(*mouse)),
        Event::Resize(width, height) => Some(Msg::Resize(*width, *height)),
        Event::FocusGained | Event::FocusLost => None,
    }
}

fn draw(model: &mut Model, screen: &mut Screen, outside: &mut Outside) -> anyhow::Result<()> {
    for effect in settle(model) {
        outside.carry_out(effect, screen);
    }
    screen.draw(model)?;
    model.dirty = false;
    Ok(())
}

fn handle(model: &mut Model, now: Now, msg: Msg, screen: &mut Screen, outside: &mut Outside) {
    #[cfg(debug_assertions)]
    terminal::panic_if_asked(&msg);
    let effects = update(model, now, msg);
    crash_report::kept(|last| last.follow(model));
    for effect in effects {
        outside.carry_out(effect, screen);
    }
}

impl Outside {
    fn carry_out(&mut self, effect: Effect, screen: &mut Screen) {
        let results = self.results.clone();
        let session = self.cluster.session();
        match effect {
            Effect::Send(write) => {
                crash_report::kept(|last| last.sent(&write));
                tokio::spawn(async move {
                    let ending = match session {
                        Some(session) => send::send(&session.client(), &write).await,
                        None => Ending::Dropped(Safe::own("there is no connection")),
                    };
                    let written = Written { at: jiff::Timestamp::now(), write: *write, ending };
                    note(&written, &results);
                    let _ = results.send(Msg::Sent(Box::new(written)));
                });
            }
            Effect::Note(written) => note(&written, &results),
            Effect::AskAccess { round, namespace } => {
                let Some(session) = session else { return };
                tokio::spawn(async move {
                    let answers = access::access(&session, namespace.as_ref()).await;
                    let _ = results.send(Msg::Access { round, namespace, answers });
                });
            }
            Effect::Fetch { subject, plural, namespace, name } => {
                tokio::spawn(async move {
                    let yaml = match session {
                        Some(session) => fetch::yaml(&session, plural, namespace.as_deref(), &name).await,
                        None => Err(FetchError::NoConnection),
                    };
                    let yaml = match yaml {
                        Ok(text) => Yaml::Lines(Safe::lines(&text)),
                        Err(why) => Yaml::Failed(Safe::new(&why.to_string())),
                    };
                    let _ = results.send(Msg::Yaml(subject, yaml));
                });
            }
            Effect::Browse(url) => {
                tokio::spawn(async move {
                    let (tone, text) = match os::browse(&url).await {
                        Ok(()) => (Tone::Good, format!("opened {url}")),
                        Err(error) => (Tone::Bad, format!("no browser ({error}): {url}")),
                    };
                    let _ = results.send(Msg::Say(tone, Safe::new(&text)));
                });
            }
            Effect::Copy(text) => {
                let told = match os::copy_sequence(&text) {
                    Some(sequence) if screen.raw(&sequence).is_ok() => format!("copied {text}"),
                    _ => "this cannot be copied".to_owned(),
                };
                let _ = results.send(Msg::Say(Tone::Plain, Safe::new(&told)));
            }
            Effect::Watch { context, namespace, generation } => {
                if let Some(context) = context {
                    self.source.context = Some(context.to_string());
                } else if let Some(session) = session {
                    // The context that is shown, whatever the kubeconfig says by now.
                    self.source.context = Some(session.context().to_owned());
                }
                self.cluster =
                    ClusterTask::start(self.source.clone(), namespace, generation, self.out.clone());
            }
            Effect::Reconnect => self.cluster.wake(),
            Effect::Awake => self.cluster.awake(),
            Effect::Mouse(on) => screen.mouse(on),
            Effect::Redraw => screen.redraw(),
        }
    }
}

/// Writes to the local log. A decision that could not be logged is not undone; that is said.
fn note(written: &Written, results: &mpsc::UnboundedSender<Msg>) {
    // The log first: the crash report is not about what has ended.
    if let Some(place) = audit::place()
        && let Err(error) = audit::append(&place, &audit::line(written))
    {
        let text = Safe::new(&format!("the log {} cannot be written: {error}", place.display()));
        let _ = results.send(Msg::Say(Tone::Bad, text));
    }
    crash_report::kept(|last| last.ended(written));
}

/// Returns a line for each decision, for the terminal that is left behind.
pub fn summary(written: &[Written]) -> Vec<String> {
    written.iter().map(Written::line).collect()
}
