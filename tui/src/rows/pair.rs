//! The events of one object under one rule, folded into a row.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{age, seconds_since};
use crate::rows::column::{Cell, CellContext, Column, Kind, Row, column};
use crate::rows::event::{EventKind, EventRecord};
use crate::rows::names::pair;
use crate::rows::object::{state_glyph, state_role};
use crate::text::Safe;
use crate::theme::Role;

/// What happened to one object under one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRow {
    /// Rule and volume.
    pub id: Arc<str>,
    /// The rule.
    pub rule: Safe,
    /// The object's id.
    pub volume: Safe,
    /// Namespace and name of the PVC, once an object says so.
    pub claim: Option<(Safe, Safe)>,
    /// Newest last.
    pub happened: VecDeque<(Timestamp, EventKind, bool)>,
}

impl PairRow {
    /// The first happening of a pair.
    pub fn new(event: &EventRecord) -> PairRow {
        PairRow {
            id: pair(event.rule.as_str(), event.volume.as_str()),
            rule: event.rule.clone(),
            volume: event.volume.clone(),
            claim: None,
            happened: VecDeque::with_capacity(1),
        }
    }

    /// One more. An event that is seen again (a list after a watch) is known by its time and content.
    pub fn add(&mut self, event: EventRecord) {
        let entry = (event.at, event.what, event.warning);
        if self.happened.contains(&entry) {
            return;
        }
        let place = self.happened.iter().rposition(|(at, ..)| *at <= entry.0).map_or(0, |p| p + 1);
        self.happened.insert(place, entry);
        if self.happened.len() > KEPT {
            self.happened.pop_front();
        }
    }

    /// How many happenings are kept.
    pub fn count(&self) -> String {
        let more = if self.happened.len() < KEPT { "" } else { "+" };
        format!("{}{more}", self.happened.len())
    }

    fn last(&self) -> Option<&(Timestamp, EventKind, bool)> {
        self.happened.back()
    }

    fn at(&self) -> Option<Timestamp> {
        self.last().map(|l| l.0)
    }

    fn object(&self) -> &Safe {
        self.claim.as_ref().map_or(&self.volume, |(_, name)| name)
    }

    fn namespace(&self) -> &str {
        self.claim.as_ref().map_or("", |(namespace, _)| namespace.as_str())
    }

    fn words(&self, arrow: &str) -> String {
        match self.last() {
            Some((_, EventKind::Transition(from, to), _)) => format!("{from} {arrow} {to}"),
            Some((_, EventKind::Other(_, text), _)) => text.to_string(),
            None => String::new(),
        }
    }

    fn state(&self) -> &str {
        match self.last() {
            Some((_, EventKind::Transition(_, to), _)) => to.as_str(),
            Some((_, EventKind::Other(reason, _), _)) => reason.as_str(),
            None => "",
        }
    }
}

impl Row for PairRow {
    const COLUMNS: &'static [Column] = &[
        column!("age" ["when", "last"] "LAST" Age 6 7 0),
        column!("namespace" ["ns"] "NAMESPACE" Text 9 24 3),
        column!("object" ["pvc", "obj"] "OBJECT" Text 12 40 0),
        column!("rule" ["r"] "RULE" Text 10 28 2),
        column!("state" ["to", "status"] "WHAT" Text 20 70 0),
        column!("count" ["n"] "N" Number 4 6 1 true),
    ];

    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn sanitized(&self) -> bool {
        let said = self.last().is_some_and(
            |(_, what, _)| matches!(what, EventKind::Other(a, b) if a.sanitized() || b.sanitized()),
        );
        said || self.rule.sanitized()
            || self.volume.sanitized()
            || self.claim.as_ref().is_some_and(|(a, b)| a.sanitized() || b.sanitized())
    }

    fn cell<'a>(&'a self, column: usize, context: &CellContext) -> Cell<'a> {
        match column {
            0 => Cell::text(self.at().map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default()),
            1 => Cell::text(self.namespace()),
            2 => Cell::text(self.object().as_str()).middle(),
            3 => Cell::text(self.rule.as_str()),
            4 => {
                let warning = self.last().is_some_and(|l| l.2);
                let role = if warning { Role::Bad } else { state_role(self.state()) };
                let glyph =
                    if warning { context.glyphs.altered } else { state_glyph(self.state(), context.glyphs) };
                Cell::new(format!("{glyph} {}", self.words(context.glyphs.arrow)), role)
            }
            _ => Cell::new(self.count(), Role::Dim),
        }
    }

    fn text(&self, column: usize) -> Cow<'_, str> {
        match column {
            1 => self.namespace().into(),
            2 => self.object().as_str().into(),
            3 => self.rule.as_str().into(),
            4 => self.state().into(),
            _ => "".into(),
        }
    }

    fn number(&self, column: usize, now: Timestamp) -> Option<f64> {
        match column {
            0 => self.at().map(|t| seconds_since(t, now) as f64),
            5 => Some(self.happened.len() as f64),
            _ => None,
        }
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => other.at().cmp(&self.at()).then_with(|| self.id.cmp(&other.id)),
            1 => self.namespace().cmp(other.namespace()).then_with(|| self.object().cmp(other.object())),
            2 => self.object().cmp(other.object()),
            3 => self.rule.cmp(&other.rule),
            4 => self.state().cmp(other.state()),
            _ => self.happened.len().cmp(&other.happened.len()),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.object().as_str())
            || test(self.namespace())
            || test(self.rule.as_str())
            || test(self.volume.as_str())
            || test(self.state())
            || matches!(self.last(), Some((_, EventKind::Other(_, text), _)) if test(text.as_str()))
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.at()
    }
}

/// Happenings kept of one pair.
const KEPT: usize = 64;
