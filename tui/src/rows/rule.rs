//! A rule: whether it is understood, whether it has data, how its objects are.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::FromStr as _;
use std::sync::Arc;

use autopilot_shared::RuleState;
use autopilot_shared::api::{APPROVAL_REQUIRED, AutopilotRuleSpec, AutopilotRuleStatus};
use jiff::Timestamp;

use crate::clock::{age, seconds_since};
use crate::rows::column::{Cell, CellContext, Row, columns};
use crate::rows::names::Names;
use crate::rows::pin::Pin;
use crate::rows::wire;
use crate::text::Safe;
use crate::theme::{Glyphs, Role};

/// A condition: what it says, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionCell {
    /// `Some(true)` for `True`.
    pub holds: Option<bool>,
    /// Reason and message.
    pub why: Safe,
}

impl ConditionCell {
    /// Returns `yes`, `no`, `unknown`.
    pub(crate) fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        }
    }

    /// Returns the role of the word.
    pub(crate) fn role(&self) -> Role {
        match self.holds {
            Some(true) => Role::Good,
            Some(false) => Role::Bad,
            None => Role::Dim,
        }
    }

    fn cell(&self, glyphs: Glyphs) -> Cell<'static> {
        let glyph = match self.holds {
            Some(true) => glyphs.yes,
            Some(false) => glyphs.no,
            None => "?",
        };
        Cell::new(format!("{glyph} {}", self.word()), self.role())
    }
}

/// Objects per state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u32; RuleState::ALL.len()]);

impl StateCounts {
    /// Returns how many objects are in a state.
    pub(crate) fn count(&self, state: RuleState) -> u32 {
        self.0[state as usize]
    }
}

impl FromIterator<(RuleState, u32)> for StateCounts {
    fn from_iter<I: IntoIterator<Item = (RuleState, u32)>>(counts: I) -> StateCounts {
        let mut all = StateCounts::default();
        for (state, count) in counts {
            all.0[state as usize] = count;
        }
        all
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRow {
    /// UID.
    pub uid: Arc<str>,
    /// Name, as the API has it.
    pub raw_name: Arc<str>,
    /// Name.
    pub name: Safe,
    /// Condition `Ready`: the rule is understood.
    pub ready: ConditionCell,
    /// Condition `DataAvailable`.
    pub data: ConditionCell,
    /// `true` if its actions need an approval.
    pub requires_approval: bool,
    /// `true` if it is suspended.
    pub suspended: bool,
    /// Weight among rules of one object.
    pub weight: i64,
    /// Objects that it selects.
    pub objects: Option<i64>,
    /// Objects per state.
    pub states: StateCounts,
    /// Its conditions, one a line.
    pub conditions: Vec<Safe>,
    /// Its actions, one a line.
    pub actions: Vec<Safe>,
    /// Since when it is there.
    pub created: Option<Timestamp>,
}

impl RuleRow {
    /// Keeps what is shown.
    pub fn from_wire(object: wire::Object<AutopilotRuleSpec, AutopilotRuleStatus>, _: &mut Names) -> RuleRow {
        let wire::Object { metadata: meta, spec, status, unreadable } = object;
        let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let condition = |kind: &str| {
            status.conditions.iter().find(|c| c.type_ == kind).map_or_else(ConditionCell::default, |c| {
                ConditionCell {
                    holds: match c.status.as_str() {
                        "True" => Some(true),
                        "False" => Some(false),
                        _ => None,
                    },
                    why: Safe::new(&format!("{}: {}", c.reason, c.message)),
                }
            })
        };
        let known = status.states.iter().filter_map(|(state, count)| {
            Some((RuleState::from_str(state).ok()?, u32::try_from(*count).unwrap_or(0)))
        });
        let states = known.collect();
        let conditions = spec
            .conditions
            .expressions
            .iter()
            .map(|e| {
                let key = e.key.as_deref().or(e.key_alias.as_deref()).unwrap_or_default();
                Safe::new(&format!("{key} {} {}", e.operator, e.values.clone().unwrap_or_default().join(" ")))
            })
            .collect();
        let actions = spec
            .actions
            .iter()
            .map(|a| {
                let params = a.params.iter().flatten().map(|(k, v)| format!(" {k}={v}")).collect::<String>();
                Safe::new(&format!("{}{params}", a.name))
            })
            .collect();
        let name = Safe::new(&meta.name);
        RuleRow {
            uid: meta.uid.as_str().into(),
            raw_name: Names::raw(&meta.name, &name),
            name,
            ready: match unreadable {
                Some(why) => {
                    ConditionCell { holds: None, why: Safe::new(&format!("it cannot be read: {why}")) }
                }
                None => condition("Ready"),
            },
            data: condition("DataAvailable"),
            requires_approval: spec.enforcement.as_deref() == Some(APPROVAL_REQUIRED),
            suspended: spec.suspend == Some(true),
            weight: spec.weight.unwrap_or(0),
            objects: status.objects,
            states,
            conditions,
            actions,
            created: meta.creation_timestamp,
        }
    }

    /// Returns the states that have objects, and how many.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (RuleState, u32)> + '_ {
        RuleState::ALL
            .into_iter()
            .map(|state| (state, self.states.count(state)))
            .filter(|(_, count)| *count > 0)
    }

    fn counted(&self) -> String {
        self.counts().map(|(s, n)| format!("{n} {s}")).collect::<Vec<_>>().join(", ")
    }

    fn waiting(&self) -> u32 {
        self.states.count(RuleState::ActionAwaitingApproval)
    }
}

columns! {
    /// Columns of the rules.
    RuleColumn {
        Rule "rule" ["name", "r"] "RULE" Text 14 40 0;
        Ready "ready" ["understood"] "READY" Text 9 10 0;
        Data "data" [] "DATA" Text 9 10 0;
        Asks "asks" ["approval"] "ASKS" Text 5 6 2;
        Objects "objects" ["n"] "OBJECTS" Number 7 8 1 descending;
        States "states" ["state"] "STATES" Text 18 90 2;
        Age "age" [] "AGE" Age 6 7 3 descending;
    }
}

impl Row for RuleRow {
    type Column = RuleColumn;

    fn id(&self) -> &Arc<str> {
        &self.uid
    }

    fn sanitized(&self) -> bool {
        self.name.sanitized()
            || self.ready.why.sanitized()
            || self.data.why.sanitized()
            || self.conditions.iter().chain(&self.actions).any(Safe::sanitized)
    }

    fn cell<'a>(&'a self, column: RuleColumn, context: &CellContext) -> Cell<'a> {
        match column {
            RuleColumn::Rule => Cell::text(self.name.as_str()),
            RuleColumn::Ready if self.suspended => Cell::new("suspended", Role::Warn),
            RuleColumn::Ready => self.ready.cell(context.glyphs),
            RuleColumn::Data => self.data.cell(context.glyphs),
            RuleColumn::Asks => Cell::text(if self.requires_approval { "yes" } else { "no" }),
            RuleColumn::Objects => Cell::text(self.objects.map(|n| n.to_string()).unwrap_or_default()),
            RuleColumn::States => {
                Cell::new(self.counted(), if self.waiting() > 0 { Role::Warn } else { Role::Text })
            }
            RuleColumn::Age => {
                Cell::text(self.created.map(|t| age(seconds_since(t, context.now.wall))).unwrap_or_default())
            }
        }
    }

    fn text(&self, column: RuleColumn) -> Cow<'_, str> {
        match column {
            RuleColumn::Rule => self.name.as_str().into(),
            RuleColumn::Ready if self.suspended => "suspended".into(),
            RuleColumn::Ready => self.ready.word().into(),
            RuleColumn::Data => self.data.word().into(),
            RuleColumn::Asks => (if self.requires_approval { "yes" } else { "no" }).into(),
            RuleColumn::States => self.counted().into(),
            RuleColumn::Objects | RuleColumn::Age => "".into(),
        }
    }

    fn number(&self, column: RuleColumn, now: Timestamp) -> Option<f64> {
        match column {
            RuleColumn::Objects => self.objects.map(|n| n as f64),
            RuleColumn::Age => self.created.map(|t| seconds_since(t, now) as f64),
            RuleColumn::Rule
            | RuleColumn::Ready
            | RuleColumn::Data
            | RuleColumn::Asks
            | RuleColumn::States => None,
        }
    }

    fn compare(&self, other: &Self, column: RuleColumn) -> Ordering {
        match column {
            RuleColumn::Rule => self.name.cmp(&other.name),
            RuleColumn::Ready => self.ready.holds.cmp(&other.ready.holds),
            RuleColumn::Data => self.data.holds.cmp(&other.data.holds),
            RuleColumn::Asks => self.requires_approval.cmp(&other.requires_approval),
            RuleColumn::Objects => self.objects.cmp(&other.objects),
            RuleColumn::States => {
                other.waiting().cmp(&self.waiting()).then_with(|| self.counted().cmp(&other.counted()))
            }
            RuleColumn::Age => other.created.cmp(&self.created),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.name.as_str())
            || self.conditions.iter().chain(&self.actions).any(|s| test(s.as_str()))
            || self.counts().any(|(s, _)| test(s.as_str()))
    }

    fn ages_from(&self) -> Option<Timestamp> {
        self.created
    }

    fn belongs_to(&self, pin: &Pin) -> bool {
        pin.has_rule(self.name.as_str())
    }
}
