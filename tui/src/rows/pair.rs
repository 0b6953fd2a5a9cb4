//! The events of one object under one rule, folded into a row.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{age, seconds_since};
use crate::rows::column::{Cell, CellContext, Row, columns};
use crate::rows::event::{EventKind, EventRecord, PairEvent};
use crate::rows::names::{PvcName, pair};
use crate::rows::object::{state_glyph, state_role};
use crate::rows::pin::Pin;
use crate::text::Safe;
use crate::theme::Role;

/// Events kept of one pair.
const KEPT: usize = 64;

/// The events of one object under one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRow {
    /// Rule and volume.
    pub id: Arc<str>,
    /// The rule.
    pub rule: Safe,
    /// The object's id.
    pub volume: Safe,
    /// The PVC, once an object says which it is.
    pub pvc: Option<PvcName>,
    /// Newest last.
    pub events: VecDeque<PairEvent>,
}

impl PairRow {
    /// Returns the row of a pair that had no event yet.
    pub(crate) fn new(event: &EventRecord) -> PairRow {
        PairRow {
            id: pair(event.rule.as_str(), event.volume.as_str()),
            rule: event.rule.clone(),
            volume: event.volume.clone(),
            pvc: None,
            events: VecDeque::with_capacity(1),
        }
    }

    /// Adds an event. An event that is seen again (a list after a watch) is known by its time and content.
    pub(crate) fn add(&mut self, record: EventRecord) {
        let event = record.event;
        if self.events.contains(&event) {
            return;
        }
        let place = self.events.iter().rposition(|e| e.at <= event.at).map_or(0, |p| p + 1);
        self.events.insert(place, event);
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
    }

    /// Returns how many events are kept; `64+` if there were more.
    pub fn count(&self) -> String {
        let more = if self.events.len() < KEPT { "" } else { "+" };
        format!("{}{more}", self.events.len())
    }

    fn last(&self) -> Option<&PairEvent> {
        self.events.back()
    }

    fn at(&self) -> Option<Timestamp> {
        self.last().map(|e| e.at)
    }

    fn object(&self) -> &Safe {
        self.pvc.as_ref().map_or(&self.volume, |pvc| &pvc.name)
    }

    fn namespace(&self) -> &str {
        self.pvc.as_ref().map_or("", |pvc| pvc.namespace.as_str())
    }

    fn words(&self, arrow: &str) -> String {
        match self.last().map(|e| &e.what) {
            Some(EventKind::Transition { from, to }) => format!("{from} {arrow} {to}"),
            Some(EventKind::Other { text, .. }) => text.to_string(),
            None => String::new(),
        }
    }

    fn state(&self) -> &str {
        match self.last().map(|e| &e.what) {
            Some(EventKind::Transition { to, .. }) => to.as_str(),
            Some(EventKind::Other { reason, .. }) => reason.as_str(),
            None => "",
        }
    }
}

columns! {
    /// Columns of the events.
    EventColumn {
        Last "age" ["when", "last"] "LAST" Age 6 7 0;
        Namespace "namespace" ["ns"] "NAMESPACE" Text 9 24 3;
        Object "object" ["pvc", "obj"] "OBJECT" Text 12 40 0;
        Rule "rule" ["r"] "RULE" Text 10 28 2;
        What "state" ["to", "status"] "WHAT" Text 20 70 0;
        Count "count" ["n"] "N" Number 4 6 1 descending;
    }
}

impl Row for PairRow {
    type Column = EventColumn;

    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn sanitized(&self) -> bool {
        let last = self.last().is_some_and(|e| match &e.what {
            EventKind::Transition { .. } => false,
            EventKind::Other { reason, text } => reason.sanitized() || text.sanitized(),
        });
        last || self.rule.sanitized()
            || self.volume.sanitized()
            || self.pvc.as_ref().is_some_and(|pvc| pvc.namespace.sanitized() || pvc.name.sanitized())
    }

    fn cell<'a>(&'a self, column: EventColumn, context: &CellContext) -> Cell<'a> {
        match column {
            EventColumn::Last => {
                Cell::text(self.at().map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default())
            }
            EventColumn::Namespace => Cell::text(self.namespace()),
            EventColumn::Object => Cell::text(self.object().as_str()).middle(),
            EventColumn::Rule => Cell::text(self.rule.as_str()),
            EventColumn::What => {
                let warning = self.last().is_some_and(|e| e.warning);
                let role = if warning { Role::Bad } else { state_role(self.state()) };
                let glyph =
                    if warning { context.glyphs.altered } else { state_glyph(self.state(), context.glyphs) };
                Cell::new(format!("{glyph} {}", self.words(context.glyphs.arrow)), role)
            }
            EventColumn::Count => Cell::new(self.count(), Role::Dim),
        }
    }

    fn text(&self, column: EventColumn) -> Cow<'_, str> {
        match column {
            EventColumn::Namespace => self.namespace().into(),
            EventColumn::Object => self.object().as_str().into(),
            EventColumn::Rule => self.rule.as_str().into(),
            EventColumn::What => self.state().into(),
            EventColumn::Last | EventColumn::Count => "".into(),
        }
    }

    fn number(&self, column: EventColumn, now: Timestamp) -> Option<f64> {
        match column {
            EventColumn::Last => self.at().map(|t| seconds_since(t, now) as f64),
            EventColumn::Count => Some(self.events.len() as f64),
            EventColumn::Namespace | EventColumn::Object | EventColumn::Rule | EventColumn::What => None,
        }
    }

    fn compare(&self, other: &Self, column: EventColumn) -> Ordering {
        match column {
            EventColumn::Last => other.at().cmp(&self.at()).then_with(|| self.id.cmp(&other.id)),
            EventColumn::Namespace => {
                self.namespace().cmp(other.namespace()).then_with(|| self.object().cmp(other.object()))
            }
            EventColumn::Object => self.object().cmp(other.object()),
            EventColumn::Rule => self.rule.cmp(&other.rule),
            EventColumn::What => self.state().cmp(other.state()),
            EventColumn::Count => self.events.len().cmp(&other.events.len()),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.object().as_str())
            || test(self.namespace())
            || test(self.rule.as_str())
            || test(self.volume.as_str())
            || test(self.state())
            || matches!(self.last().map(|e| &e.what), Some(EventKind::Other { text, .. }) if test(text.as_str()))
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.at()
    }

    fn belongs_to(&self, pin: &Pin) -> bool {
        pin.has_pair(self.rule.as_str(), self.volume.as_str())
    }
}
