//! A rule's object that has a journal.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObjectSpec, AutopilotRuleObjectStatus, LABEL_RULE};
use jiff::Timestamp;

use crate::clock::{age, seconds_since};
use crate::rows::column::{Cell, CellContext, Row, columns};
use crate::rows::names::Names;
use crate::rows::parts::SizeChange;
use crate::rows::pin::Pin;
use crate::rows::wire;
use crate::text::Safe;
use crate::theme::{Glyphs, Role};

/// Returns the role of a state.
pub(crate) fn state_role(state: &str) -> Role {
    match state {
        "Normal" | "ActiveActionsTaken" => Role::Good,
        "ActionAwaitingApproval" | "Triggered" => Role::Warn,
        "ActionsDeclined" | "ActiveActionsDeclined" => Role::Bad,
        "Initializing" => Role::Dim,
        _ => Role::Text,
    }
}

/// Returns the glyph of a state.
pub(crate) fn state_glyph(state: &str, glyphs: Glyphs) -> &'static str {
    match state {
        "Normal" | "ActiveActionsTaken" => glyphs.yes,
        "ActionAwaitingApproval" => glyphs.wait,
        "Triggered" => glyphs.up,
        "ActionsDeclined" | "ActiveActionsDeclined" => glyphs.no,
        "Initializing" => glyphs.gone,
        _ => glyphs.dot,
    }
}

/// One transition of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Option<Timestamp>,
    /// The state that was entered.
    pub state: Safe,
    /// Why, and who decided.
    pub note: Safe,
}

/// An object under a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectRow {
    /// UID.
    pub uid: Arc<str>,
    /// Name of the journal, as the API has it.
    pub raw_name: Arc<str>,
    /// Namespace, as the API has it.
    pub raw_namespace: Arc<str>,
    /// Namespace.
    pub namespace: Safe,
    /// The PVC.
    pub object: Safe,
    /// The object's id.
    pub volume: Safe,
    /// The rule.
    pub rule: Safe,
    /// The state now.
    pub state: Option<RuleState>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Reason for staying in the state.
    pub why: Safe,
    /// The proposed change.
    pub change: Option<SizeChange>,
    /// The last transitions, newest last.
    pub steps: Vec<Step>,
    /// Transitions ever.
    pub transitions: u64,
}

impl ObjectRow {
    /// Keeps what is shown.
    pub fn from_wire(
        object: wire::Object<AutopilotRuleObjectSpec, AutopilotRuleObjectStatus>,
        names: &mut Names,
    ) -> ObjectRow {
        let wire::Object { metadata: meta, status, unreadable, .. } = object;
        let status = status.unwrap_or_default();
        let rule = meta.labels.get(LABEL_RULE).map(String::as_str).unwrap_or_default();
        let claim = status.object.as_ref();
        // The name is `<object id>-<rule>`; the status knows better where it speaks.
        let by_name = meta.name.strip_suffix(rule).and_then(|n| n.strip_suffix('-')).unwrap_or(&meta.name);
        let volume = claim.map(|c| c.uid.as_str()).filter(|u| !u.is_empty()).unwrap_or(by_name);
        let volume = Safe::new(volume);
        let mut shared = |text: &str| names.safe(text);
        let steps = status
            .items
            .iter()
            .map(|item| Step {
                at: item.last_process_timestamp.as_ref().map(|t| t.0),
                state: shared(&item.state),
                note: match (&item.decision, &item.reason) {
                    (Some(d), _) => {
                        let who = if d.by.is_empty() { "somebody" } else { &d.by };
                        let why = if d.reason.is_empty() { String::new() } else { format!(": {}", d.reason) };
                        Safe::new(&format!("decided by {who} via {}{why}", d.via))
                    }
                    (None, Some(reason)) => shared(reason),
                    (None, None) => Safe::default(),
                },
            })
            .collect();
        let namespace = shared(&meta.namespace);
        ObjectRow {
            uid: meta.uid.as_str().into(),
            raw_name: meta.name.as_str().into(),
            raw_namespace: Names::raw(&meta.namespace, &namespace),
            namespace,
            object: claim
                .map(|c| c.name.as_str())
                .filter(|n| !n.is_empty())
                .map_or_else(|| volume.clone(), Safe::new),
            volume,
            rule: shared(rule),
            state: status.state,
            since: status.since.map(|t| t.0).or(meta.creation_timestamp),
            why: match unreadable {
                Some(why) => Safe::new(&format!("it cannot be read: {why}")),
                None => shared(status.reason.as_deref().unwrap_or_default()),
            },
            change: status.proposal.map(|p| SizeChange { from: shared(&p.from), to: shared(&p.to) }),
            steps,
            transitions: status.transitions,
        }
    }

    /// Returns the state's word.
    pub(crate) fn state_word(&self) -> &'static str {
        self.state.map_or("", RuleState::as_str)
    }
}

columns! {
    /// Columns of the objects.
    ObjectColumn {
        State "state" ["status"] "STATE" Text 16 26 0;
        Namespace "namespace" ["ns"] "NAMESPACE" Text 9 24 2;
        Object "object" ["pvc", "obj"] "OBJECT" Text 12 40 0;
        Rule "rule" ["r"] "RULE" Text 10 28 1;
        Since "age" ["since"] "SINCE" Age 6 7 0 descending;
        Why "why" ["reason"] "WHY" Text 14 80 3;
        Count "count" ["n"] "N" Number 4 6 4 descending;
    }
}

impl Row for ObjectRow {
    type Column = ObjectColumn;

    fn id(&self) -> &Arc<str> {
        &self.uid
    }

    fn sanitized(&self) -> bool {
        [&self.namespace, &self.object, &self.volume, &self.rule, &self.why].iter().any(|s| s.sanitized())
            || self.steps.iter().any(|s| s.state.sanitized() || s.note.sanitized())
    }

    fn cell<'a>(&'a self, column: ObjectColumn, context: &CellContext) -> Cell<'a> {
        match column {
            ObjectColumn::State => {
                let word = self.state_word();
                Cell::new(format!("{} {word}", state_glyph(word, context.glyphs)), state_role(word))
            }
            ObjectColumn::Namespace => Cell::text(self.namespace.as_str()),
            ObjectColumn::Object => Cell::text(self.object.as_str()).middle(),
            ObjectColumn::Rule => Cell::text(self.rule.as_str()),
            ObjectColumn::Since => {
                Cell::text(self.since.map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default())
            }
            ObjectColumn::Why => Cell::new(self.why.as_str(), Role::Dim),
            ObjectColumn::Count => Cell::new(self.transitions.to_string(), Role::Dim),
        }
    }

    fn text(&self, column: ObjectColumn) -> Cow<'_, str> {
        match column {
            ObjectColumn::State => self.state_word().into(),
            ObjectColumn::Namespace => self.namespace.as_str().into(),
            ObjectColumn::Object => self.object.as_str().into(),
            ObjectColumn::Rule => self.rule.as_str().into(),
            ObjectColumn::Why => self.why.as_str().into(),
            ObjectColumn::Since | ObjectColumn::Count => "".into(),
        }
    }

    fn number(&self, column: ObjectColumn, now: Timestamp) -> Option<f64> {
        match column {
            ObjectColumn::Since => self.since.map(|t| seconds_since(t, now) as f64),
            ObjectColumn::Count => Some(self.transitions as f64),
            ObjectColumn::State
            | ObjectColumn::Namespace
            | ObjectColumn::Object
            | ObjectColumn::Rule
            | ObjectColumn::Why => None,
        }
    }

    fn compare(&self, other: &Self, column: ObjectColumn) -> Ordering {
        let rank = |o: &ObjectRow| {
            o.state.map_or(9, |s| match s {
                RuleState::ActionAwaitingApproval => 0,
                RuleState::Triggered => 1,
                RuleState::ActiveActionsPending => 2,
                RuleState::ActiveActionsInProgress => 3,
                RuleState::ActionsDeclined => 4,
                RuleState::ActiveActionsTaken => 5,
                RuleState::Initializing => 6,
                RuleState::Normal => 7,
            })
        };
        match column {
            ObjectColumn::State => rank(self)
                .cmp(&rank(other))
                .then_with(|| self.since.cmp(&other.since))
                .then_with(|| self.uid.cmp(&other.uid)),
            ObjectColumn::Namespace => {
                self.namespace.cmp(&other.namespace).then_with(|| self.object.cmp(&other.object))
            }
            ObjectColumn::Object => self.object.cmp(&other.object),
            ObjectColumn::Rule => self.rule.cmp(&other.rule),
            ObjectColumn::Since => other.since.cmp(&self.since),
            ObjectColumn::Why => self.why.cmp(&other.why),
            ObjectColumn::Count => self.transitions.cmp(&other.transitions),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.object.as_str())
            || test(self.namespace.as_str())
            || test(self.rule.as_str())
            || test(self.volume.as_str())
            || test(self.state_word())
            || test(self.why.as_str())
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.since
    }

    fn belongs_to(&self, pin: &Pin) -> bool {
        pin.has_pair(self.rule.as_str(), self.volume.as_str())
    }
}
