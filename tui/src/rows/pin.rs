//! Narrows a list that is opened from a row of another list.

use std::sync::Arc;

/// A rule, or an object under a rule: only rows that belong to it are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// All that belongs to a rule.
    Rule {
        /// Name of the rule.
        rule: Arc<str>,
    },
    /// All that belongs to an object under a rule.
    Pair {
        /// Name of the rule.
        rule: Arc<str>,
        /// The object's id.
        volume: Arc<str>,
        /// Name of the object, for the title.
        name: Arc<str>,
    },
}

impl Pin {
    /// Returns the words for a title.
    pub(crate) fn title(&self) -> String {
        match self {
            Pin::Rule { rule } => format!("rule {rule}"),
            Pin::Pair { rule, name, .. } => format!("{name} under {rule}"),
        }
    }

    /// `true` if a rule belongs to it.
    pub(crate) fn has_rule(&self, name: &str) -> bool {
        match self {
            Pin::Rule { rule } | Pin::Pair { rule, .. } => **rule == *name,
        }
    }

    /// `true` if an object under a rule belongs to it.
    pub(crate) fn has_pair(&self, rule: &str, object: &str) -> bool {
        match self {
            Pin::Rule { .. } => self.has_rule(rule),
            Pin::Pair { volume, .. } => self.has_rule(rule) && **volume == *object,
        }
    }
}
