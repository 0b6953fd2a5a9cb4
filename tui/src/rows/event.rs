//! Events of AutopilotRules, as they are read: transitions of an object, or anything else.

use std::str::FromStr as _;

use autopilot_shared::RuleState;
use jiff::Timestamp;

use crate::rows::names::Names;
use crate::rows::wire;
use crate::text::Safe;

/// Kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// From one state to another.
    Transition {
        /// The state before.
        from: RuleState,
        /// The state after.
        to: RuleState,
    },
    /// Something else.
    Other {
        /// The event's reason.
        reason: Safe,
        /// The event's message.
        text: Safe,
    },
}

/// An event of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: EventKind,
    /// `true` if it is a warning.
    pub warning: bool,
}

/// One event of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The rule.
    pub rule: Safe,
    /// The object's id; empty where the text names none.
    pub volume: Safe,
    /// The event.
    pub event: PairEvent,
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
            Some((Ok(from), Ok(to))) => EventKind::Transition { from, to },
            _ => EventKind::Other {
                reason: names.safe(event.reason.as_deref().unwrap_or_default()),
                text: Safe::new(message),
            },
        };
        EventRecord {
            rule: names.safe(rule),
            volume: names.safe(volume),
            event: PairEvent { at, what, warning: event.type_.as_deref() == Some("Warning") },
        }
    }
}
