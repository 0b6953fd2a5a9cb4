//! The states of one (rule, object) pair.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of one object under one rule. Text forms are the original API's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleState {
    /// First seen, not evaluated yet.
    Initializing,
    /// The conditions do not hold.
    Normal,
    /// The conditions hold, but not for long enough yet, or something else goes first.
    Triggered,
    /// An approval is pending.
    ActionAwaitingApproval,
    /// The action will start.
    ActiveActionsPending,
    /// The action runs.
    ActiveActionsInProgress,
    /// The action is done, the cool-down runs.
    ActiveActionsTaken,
    /// A person, or the controller, declined the action.
    ActionsDeclined,
}

impl RuleState {
    /// All states, in the order of a cycle.
    pub const ALL: [RuleState; 8] = [
        RuleState::Initializing,
        RuleState::Normal,
        RuleState::Triggered,
        RuleState::ActionAwaitingApproval,
        RuleState::ActiveActionsPending,
        RuleState::ActiveActionsInProgress,
        RuleState::ActiveActionsTaken,
        RuleState::ActionsDeclined,
    ];

    /// Returns the API's constant, as in `status.state` and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleState::Initializing => "Initializing",
            RuleState::Normal => "Normal",
            RuleState::Triggered => "Triggered",
            RuleState::ActionAwaitingApproval => "ActionAwaitingApproval",
            RuleState::ActiveActionsPending => "ActiveActionsPending",
            RuleState::ActiveActionsInProgress => "ActiveActionsInProgress",
            RuleState::ActiveActionsTaken => "ActiveActionsTaken",
            RuleState::ActionsDeclined => "ActionsDeclined",
        }
    }

    /// Returns the word in event texts: as [`Self::as_str`], except that a declined object reads `ActiveActionsDeclined`
    /// there (the original's guide).
    pub fn event_str(self) -> &'static str {
        match self {
            RuleState::ActionsDeclined => "ActiveActionsDeclined",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Error of a text that is no state.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no rule state")]
pub struct UnknownState(String);

impl FromStr for RuleState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        RuleState::ALL
            .into_iter()
            .find(|s| s.as_str() == text || s.event_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl Serialize for RuleState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RuleState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for RuleState {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleState".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_declined_are_read_and_each_is_written_where_it_belongs() {
        assert_eq!("ActionsDeclined".parse::<RuleState>().unwrap(), RuleState::ActionsDeclined);
        assert_eq!("ActiveActionsDeclined".parse::<RuleState>().unwrap(), RuleState::ActionsDeclined);
        assert_eq!(RuleState::ActionsDeclined.to_string(), "ActionsDeclined");
        assert_eq!(RuleState::ActionsDeclined.event_str(), "ActiveActionsDeclined");
    }
}
