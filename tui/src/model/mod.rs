//! Everything the console knows: plain data, changed by [`crate::update`] only, drawn by [`crate::view`].

pub mod access;
pub mod dialog;
pub mod link;
pub mod screen;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

pub use access::{Access, Answer, Verb};
pub use dialog::{Confirm, Dialog, Field, Focus, Picker, PickerKind};
pub use link::{Link, LinkState, Trouble};
pub use screen::{DetailOf, Screen, Shown, View, Yaml};
pub use store::Store;

use crate::clock::Now;
use crate::effect::{Action, Target, Write, Written};
use crate::keymap::{Key, Keymap};
use crate::text::Safe;
use crate::theme::{Glyphs, Theme};

/// How long a decision is held before it is sent.
pub const HOLD: Duration = Duration::from_secs(5);
/// How long a dialog must have been on the screen before it can be confirmed.
pub const SETTLE: Duration = Duration::from_millis(300);
/// A key that comes again within this time is held down, not pressed.
pub const REPEAT: Duration = Duration::from_millis(700);
/// Keys closer than this are pasted, not typed.
pub const PASTED: Duration = Duration::from_millis(15);
/// How long a message stays.
pub const TOAST: Duration = Duration::from_secs(8);

/// Which cluster, as whom. Pinned at the start: what is shown is what is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterLabel {
    /// Context of the kubeconfig.
    pub context: Safe,
    /// The same as it came.
    pub raw_context: Arc<str>,
    /// Cluster of the kubeconfig.
    pub cluster: Safe,
    /// Address of the server.
    pub server: Safe,
    /// Who the server says we are; before it said so, the kubeconfig's user.
    pub user: Safe,
    /// Whether the configuration marks it as production.
    pub production: bool,
    /// Whether it is read-only for good: `--read-only` or the configuration.
    pub sealed: bool,
}

/// What the configuration and the flags say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys.
    pub keymap: Keymap,
    /// Colours.
    pub theme: Theme,
    /// Unicode or ASCII.
    pub glyphs: Glyphs,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// Whether links may be written as OSC 8.
    pub hyperlinks: bool,
    /// Hosts of pull requests that may be opened; empty: all.
    pub hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            keymap: Keymap::default(),
            theme: Theme::Default,
            glyphs: Glyphs::UNICODE,
            mouse: true,
            hyperlinks: false,
            hosts: Vec::new(),
        }
    }
}

/// A decision that has been confirmed and not been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Number of the decision, in order.
    pub number: u64,
    /// What.
    pub action: Action,
    /// On what.
    pub targets: Vec<Target>,
    /// Why.
    pub reason: String,
    /// How long it can still be taken back; this goes down only while its line and the key for it are at hand.
    pub left: Duration,
    /// Whether it was known that what is shown may be old.
    pub stale: bool,
}

/// A write that is on its way, or waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// Number of the decision.
    pub number: u64,
    /// The write.
    pub write: Write,
    /// Whether it was known that what is shown may be old.
    pub stale: bool,
    /// Whether it has been sent; else it waits for its turn.
    pub sent: bool,
}

/// How a decision ends: one line for all that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Number of the decision.
    pub number: u64,
    /// What.
    pub action: Action,
    /// How many it is about.
    pub total: usize,
    /// How many are done.
    pub done: usize,
    /// What is not done: the object, why, and whether it may have been written all the same.
    pub not: Vec<(Target, Safe, bool)>,
}

impl Outcome {
    /// Whether all of it has ended.
    pub fn ended(&self) -> bool {
        self.done + self.not.len() >= self.total
    }

    /// `17 approved, 3 not: pg1/data: its proposal changed`.
    pub fn words(&self) -> String {
        let (before, name, after) = self.parts();
        format!("{before}{name}{after}")
    }

    /// The same in three: what stands before the name of an object, that name, and why.
    pub fn parts(&self) -> (String, String, String) {
        let name = |t: &Target| format!("{}/{}", t.namespace, t.object);
        let done = self.action.done();
        let unknown = self.not.iter().filter(|(.., unknown)| *unknown).count();
        // What nobody knows weighs most.
        let worst = self.not.iter().find(|(.., u)| *u).or(self.not.first());
        match (worst, self.total) {
            (None, _) => (format!("{} {done}", self.done), String::new(), String::new()),
            (Some((target, why, true)), 1) => {
                let after = format!(": no answer, it may have been written: {why}");
                (format!("{} ", self.action), name(target), after)
            }
            (Some((target, why, false)), 1) => (format!("not {done}: "), name(target), format!(": {why}")),
            (Some((target, why, _)), _) => {
                let not = match self.not.len() - unknown {
                    0 => String::new(),
                    n => format!(", {n} not"),
                };
                let unknown = match unknown {
                    0 => String::new(),
                    n => format!(", {n} perhaps (no answer)"),
                };
                (format!("{} {done}{not}{unknown}: ", self.done), name(target), format!(": {why}"))
            }
        }
    }
}

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// For the record.
    Plain,
    /// It went well.
    Good,
    /// Look here.
    Bad,
}

/// A message that goes by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// The text.
    pub text: Safe,
    /// How serious.
    pub tone: Tone,
    /// When it goes.
    pub until: Duration,
}

/// The last key, to tell pressing from holding and typing from pasting.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastKey {
    /// Which.
    pub key: Option<Key>,
    /// When.
    pub at: Duration,
    /// When this key came before.
    pub same_at: Option<Duration>,
    /// When a key came before this one.
    pub before: Option<Duration>,
}

/// A line being typed under the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterInput {
    /// The filter as it was.
    pub before: String,
    /// Whether it was fuzzy.
    pub was_fuzzy: bool,
}

/// Everything.
#[derive(Debug)]
pub struct Model {
    /// Now.
    pub now: Now,
    /// What the configuration says.
    pub settings: Settings,
    /// Which cluster.
    pub cluster: ClusterLabel,
    /// Namespace that is shown; all, if none.
    pub namespace: Option<Arc<str>>,
    /// Contexts of the kubeconfig.
    pub contexts: Vec<Safe>,
    /// How the connection is.
    pub link: Link,
    /// The feed that is listened to; what others say is of a former context or namespace.
    pub generation: u64,
    /// Rows.
    pub store: Store,
    /// Screens, the shown one last; never empty.
    pub screens: Vec<Screen>,
    /// Where each view was left.
    pub left: Vec<Screen>,
    /// What asks for an answer.
    pub dialog: Option<Dialog>,
    /// Whether a filter is being typed.
    pub filtering: Option<FilterInput>,
    /// Confirmed and not sent.
    pub held: Vec<Held>,
    /// Sent and not answered, or waiting for their turn.
    pub sending: Vec<Sending>,
    /// Decisions that are ending, and those that did not end well and have not been put away.
    pub outcomes: Vec<Outcome>,
    /// Messages.
    pub toasts: Vec<Toast>,
    /// What was written, for the end.
    pub written: Vec<Written>,
    /// What we may do.
    pub access: Access,
    /// Whether nothing is written.
    pub read_only: bool,
    /// Numbers decisions.
    pub decisions: u64,
    /// The last key.
    pub last_key: LastKey,
    /// Size of the terminal.
    pub size: (u16, u16),
    /// Whether to leave.
    pub quit: bool,
    /// Whether something changed that may be seen.
    pub dirty: bool,
}

impl Model {
    /// An empty console of this size.
    pub fn new(
        settings: Settings,
        cluster: ClusterLabel,
        namespace: Option<Arc<str>>,
        size: (u16, u16),
    ) -> Model {
        let read_only = cluster.sealed;
        let store = Store::within(namespace.as_ref());
        let mut model = Model {
            now: Now::default(),
            settings,
            cluster,
            namespace,
            contexts: Vec::new(),
            link: Link::default(),
            generation: 0,
            store,
            screens: vec![Screen::table(View::Approvals)],
            left: Vec::new(),
            dialog: None,
            filtering: None,
            held: Vec::new(),
            sending: Vec::new(),
            outcomes: Vec::new(),
            toasts: Vec::new(),
            written: Vec::new(),
            access: Access::default(),
            read_only,
            decisions: 0,
            last_key: LastKey::default(),
            size,
            quit: false,
            dirty: true,
        };
        model.fit();
        model
    }

    /// The shown screen.
    pub fn screen(&self) -> &Screen {
        // Never empty: `Model::new` puts one in, `back` keeps the last.
        &self.screens[self.screens.len() - 1]
    }

    /// The same, to change it.
    pub fn screen_mut(&mut self) -> &mut Screen {
        let last = self.screens.len() - 1;
        &mut self.screens[last]
    }

    /// Lines between the header and the foot.
    pub fn body_height(&self) -> u16 {
        self.size.1.saturating_sub(crate::view::HEAD + crate::view::foot_height(self))
    }

    /// Tells the table how many rows fit.
    pub fn fit(&mut self) {
        let height = usize::from(self.body_height().saturating_sub(1)).max(1);
        if let Some(table) = self.screen_mut().table_mut() {
            table.height = height;
        }
    }

    /// A message.
    pub fn toast(&mut self, tone: Tone, text: impl Into<Safe>) {
        let text = text.into();
        self.toasts.retain(|t| t.text != text);
        self.toasts.push(Toast { text, tone, until: self.now.mono + TOAST });
        if self.toasts.len() > 4 {
            self.toasts.remove(0);
        }
        self.dirty = true;
    }

    /// Whether the countdown of what is held is on the screen, and the key that takes it back means that. While a watch is
    /// taken up again nothing is sent: seconds that run out then would leave a decision that waits and cannot be taken back.
    pub fn counts_down(&self) -> bool {
        let (width, height) = self.size;
        let (narrowest, lowest) = crate::view::DRAWN;
        let seen = width >= narrowest && height >= lowest;
        let at_hand = self.dialog.is_none() && self.filtering.is_none();
        seen && at_hand && (self.link.is_live() || self.stale())
    }

    /// Whether a decision on an approval is held or on its way.
    pub fn busy(&self, uid: &str) -> bool {
        let held = self.held.iter().flat_map(|h| &h.targets);
        held.chain(self.sending.iter().map(|s| &s.write.target)).any(|t| &*t.uid == uid)
    }

    /// When something must be looked at again without anybody asking: a countdown, a message, an age that is shown.
    pub fn deadline(&self) -> Option<Duration> {
        let held = self.held.iter().filter(|_| self.counts_down()).map(|h| {
            // The countdown shows whole seconds.
            let part = Duration::from_nanos(u64::from(h.left.subsec_nanos()));
            self.now.mono + if part.is_zero() { h.left.min(Duration::from_secs(1)) } else { part }
        });
        let toasts = self.toasts.iter().map(|t| t.until);
        let dialog = self.dialog.iter().filter_map(Dialog::ready_at).filter(|at| *at > self.now.mono);
        let ages =
            crate::view::next_age_change(self).map(|s| self.now.mono + Duration::from_secs(s)).into_iter();
        held.chain(toasts).chain(dialog).chain(ages).chain(self.waits_until()).min()
    }

    /// When what waits for changes to come in again has waited long enough.
    fn waits_until(&self) -> Option<Duration> {
        let asks = matches!(self.dialog, Some(Dialog::Confirm(_)));
        let waits = asks || !self.held.is_empty() || self.sending.iter().any(|s| !s.sent);
        self.link.lost_at().filter(|end| waits && *end > self.now.mono)
    }

    /// Whether what is decided on may be old.
    pub fn stale(&self) -> bool {
        self.link.is_lost(self.now)
    }

    /// Whether what is shown may be old, and so is dim.
    pub fn dim(&self) -> bool {
        self.link.state_of(self.screen().view().kind()) != LinkState::Live
    }
}
