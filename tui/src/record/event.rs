//! Transitions of AutopilotRules, folded per rule and object.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::str::FromStr as _;
use std::sync::Arc;

use autopilot_shared::RuleState;
use jiff::Timestamp;

use super::column::{Cell, CellContext, Column, Kind, Row, column};
use super::{Names, pair, wire};
use crate::clock::{age, seconds_since};
use crate::text::Safe;
use crate::theme::Role;

/// Happenings kept of one pair.
const KEPT: usize = 64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// From one state to another.
    Transition(RuleState, RuleState),
    /// Something else: reason and text.
    Other(Safe, Safe),
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The rule.
    pub rule: Safe,
    /// The object's id; empty where the text names none.
    pub volume: Safe,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
    /// Whether it is a warning.
    pub warning: bool,
}

impl EventRecord {
    /// Reads an event: `rule: <rule>:<object id> transition from <A> => <B>`, or anything else.
    pub fn from_wire(event: &wire::Event, names: &mut Names) -> EventRecord {
        let message = event.message.as_deref().unwrap_or_default();
        let at = event
            .last_timestamp
            .or(event.event_time)
            .or(event.first_timestamp)
            .or(event.metadata.creation_timestamp)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let rule = event.involved_object.name.as_str();
        let start = message.find("rule: ").map(|at| &message[at + 6..]);
        let subject = start.and_then(|s| s.strip_prefix(rule)?.strip_prefix(':'));
        let (volume, rest) = match subject {
            Some(s) => s.split_at(s.find([' ', ':']).unwrap_or(s.len())),
            None => ("", message),
        };
        let states = rest.strip_prefix(" transition from ").and_then(|s| s.split_once(" => "));
        let what = match states.map(|(a, b)| (RuleState::from_str(a), RuleState::from_str(b))) {
            Some((Ok(from), Ok(to))) => Happened::Transition(from, to),
            _ => Happened::Other(names.safe(event.reason.as_deref().unwrap_or_default()), Safe::new(message)),
        };
        EventRecord {
            rule: names.safe(rule),
            volume: names.safe(volume),
            at,
            what,
            warning: event.type_.as_deref() == Some("Warning"),
        }
    }
}

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
    pub happened: VecDeque<(Timestamp, Happened, bool)>,
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

    fn last(&self) -> Option<&(Timestamp, Happened, bool)> {
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
            Some((_, Happened::Transition(from, to), _)) => format!("{from} {arrow} {to}"),
            Some((_, Happened::Other(_, text), _)) => text.to_string(),
            None => String::new(),
        }
    }

    fn state(&self) -> &str {
        match self.last() {
            Some((_, Happened::Transition(_, to), _)) => to.as_str(),
            Some((_, Happened::Other(reason, _), _)) => reason.as_str(),
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

    fn altered(&self) -> bool {
        let said = self
            .last()
            .is_some_and(|(_, what, _)| matches!(what, Happened::Other(a, b) if a.altered() || b.altered()));
        said || self.rule.altered()
            || self.volume.altered()
            || self.claim.as_ref().is_some_and(|(a, b)| a.altered() || b.altered())
    }

    fn cell<'a>(&'a self, column: usize, context: &CellContext) -> Cell<'a> {
        match column {
            0 => Cell::text(self.at().map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default()),
            1 => Cell::text(self.namespace()),
            2 => Cell::text(self.object().as_str()).middle(),
            3 => Cell::text(self.rule.as_str()),
            4 => {
                let warning = self.last().is_some_and(|l| l.2);
                let role = if warning { Role::Bad } else { super::object::state_role(self.state()) };
                let glyph = if warning {
                    context.glyphs.altered
                } else {
                    super::object::state_glyph(self.state(), context.glyphs)
                };
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
            || matches!(self.last(), Some((_, Happened::Other(_, text), _)) if test(text.as_str()))
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.at()
    }
}
