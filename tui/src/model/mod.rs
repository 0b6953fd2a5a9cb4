//! Everything the console knows: plain data, changed by [`crate::update`] only, drawn by [`crate::view`].

mod access;
pub(crate) mod dialog;
mod held;
mod last_key;
mod link;
mod screen;
mod store;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::style::Style;

use crate::clock::Now;
use crate::config::Settings;
use crate::connection::ClusterLabel;
use crate::decision::Written;
use crate::message::Tone;
use crate::rows::View;
use crate::table::TableState;
use crate::text::Safe;
use crate::theme::Role;

pub(crate) use access::Access;
pub use dialog::{Choice, Confirm, Dialog, Field, Focus, Picker, PickerEntry, PickerKind, SETTLE};
pub use held::{HOLD, Held, NotDone, Outcome, Sending, held_subject};
pub(crate) use last_key::{LastKey, PASTED, REPEAT};
pub use link::{Denial, Link, LinkState, Outage};
pub(crate) use screen::{Screen, ScreenContent};
pub(crate) use store::Store;
pub(crate) use store::with_rows;

/// Time for which a message stays.
pub(crate) const TOAST: Duration = Duration::from_secs(8);

/// A message that goes by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// The text.
    pub text: Safe,
    /// Its tone.
    pub tone: Tone,
    /// Time at which it goes.
    pub until: Duration,
}

/// A line being typed under the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterInput {
    /// The filter as it was.
    pub before: String,
    /// `true` if it was fuzzy.
    pub was_fuzzy: bool,
}

/// A table together with the rows that it lists.
#[derive(Debug)]
pub(crate) struct ShownTable<'a> {
    /// Which table.
    pub view: View,
    /// Its state.
    pub table: &'a mut TableState,
    /// All rows, or those of a list that is held still.
    pub rows: &'a Store,
}

impl ShownTable<'_> {
    /// Brings order, selection and scroll position up to date.
    pub(crate) fn refresh(&mut self, now: Timestamp) {
        with_rows!(self.rows, self.view, rows => self.table.refresh(rows, now));
    }

    /// Selects the row at a place, or the last one before it.
    pub(crate) fn select_at(&mut self, place: usize) {
        with_rows!(self.rows, self.view, rows => self.table.select_at(place, rows));
    }
}

/// Everything.
#[derive(Debug)]
pub struct Model {
    /// Now.
    pub now: Now,
    /// Settings from the configuration and the flags.
    pub settings: Settings,
    /// Which cluster.
    pub cluster: ClusterLabel,
    /// Namespace that is shown; all, if none.
    pub namespace: Option<Arc<str>>,
    /// Contexts of the kubeconfig.
    pub contexts: Vec<Safe>,
    /// State of the connection.
    pub link: Link,
    /// The cluster task that is listened to; what others say is of a former context or namespace.
    pub generation: u64,
    /// Rows.
    pub store: Store,
    /// Screens, the shown one last; never empty.
    pub screens: Vec<Screen>,
    /// Views that are not shown, as they were left.
    pub background: Vec<Screen>,
    /// A dialog: takes all keys until it is answered.
    pub dialog: Option<Dialog>,
    /// Set while a filter is being typed.
    pub filtering: Option<FilterInput>,
    /// Confirmed and not sent.
    pub held: Vec<Held>,
    /// Sent and not answered, or waiting for their turn.
    pub sending: Vec<Sending>,
    /// Decisions that are ending, and those that did not end well and have not been dismissed.
    pub outcomes: Vec<Outcome>,
    /// Messages.
    pub toasts: Vec<Toast>,
    /// Writes that have ended, for the summary.
    pub written: Vec<Written>,
    /// Permissions that the server confirmed or denied.
    pub access: Access,
    /// `true` if nothing is written.
    pub read_only: bool,
    /// Numbers decisions.
    pub decisions: u64,
    /// The last key.
    pub last_key: LastKey,
    /// Size of the terminal.
    pub size: (u16, u16),
    /// `true` if the console should end.
    pub quit: bool,
    /// `true` if something changed that may be seen.
    pub dirty: bool,
}

impl Model {
    /// Returns an empty console of this size.
    pub fn new(
        settings: Settings,
        cluster: ClusterLabel,
        namespace: Option<Arc<str>>,
        size: (u16, u16),
    ) -> Model {
        let read_only = cluster.sealed;
        let store = Store::within(namespace.as_ref());
        Model {
            now: Now::default(),
            settings,
            cluster,
            namespace,
            contexts: Vec::new(),
            link: Link::default(),
            generation: 0,
            store,
            screens: vec![Screen::table(View::Approvals)],
            background: Vec::new(),
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
        }
    }

    /// Returns the shown screen.
    pub fn screen(&self) -> &Screen {
        // Never empty: `Model::new` puts one in, `back` keeps the last.
        &self.screens[self.screens.len() - 1]
    }

    /// Returns the same, to change it.
    pub(crate) fn screen_mut(&mut self) -> &mut Screen {
        let last = self.screens.len() - 1;
        &mut self.screens[last]
    }

    /// Returns the shown table and the rows that it lists; `None` if one object is shown in full.
    pub(crate) fn shown_table(&mut self) -> Option<ShownTable<'_>> {
        let last = self.screens.len() - 1;
        let Screen { shown, still } = &mut self.screens[last];
        let rows = still.as_deref().unwrap_or(&self.store);
        match shown {
            ScreenContent::Table(view, table) => Some(ShownTable { view: *view, table, rows }),
            ScreenContent::Detail { .. } => None,
        }
    }

    /// Shows a message for a while.
    pub(crate) fn toast(&mut self, tone: Tone, text: impl Into<Safe>) {
        let text = text.into();
        self.toasts.retain(|t| t.text != text);
        self.toasts.push(Toast { text, tone, until: self.now.mono + TOAST });
        if self.toasts.len() > 4 {
            self.toasts.remove(0);
        }
        self.dirty = true;
    }

    /// `true` if a decision on an approval is held or on its way.
    pub(crate) fn busy(&self, uid: &str) -> bool {
        let held = self.held.iter().flat_map(|h| &h.targets);
        held.chain(self.sending.iter().map(|s| &s.write.target)).any(|t| &*t.uid == uid)
    }

    /// Returns when what waits for changes to come in again has waited long enough.
    pub(crate) fn waits_until(&self) -> Option<Duration> {
        let asks = matches!(self.dialog, Some(Dialog::Confirm(_)));
        let waits = asks || !self.held.is_empty() || self.sending.iter().any(|s| !s.sent);
        self.link.lost_at().filter(|end| waits && *end > self.now.mono)
    }

    /// `true` if what is decided on may be old.
    pub fn stale(&self) -> bool {
        self.link.is_lost(self.now)
    }

    /// Returns how a role looks in the current theme.
    pub(crate) fn style(&self, role: Role) -> Style {
        self.settings.theme.style(role)
    }

    /// `true` if what is shown may be old, and so is dim.
    pub fn dim(&self) -> bool {
        self.link.state_of(self.screen().view().kind()) != LinkState::Live
    }
}
