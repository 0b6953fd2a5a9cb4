//! What a list is narrowed to when it is opened from a row of another list.

use std::sync::Arc;

/// Only rows of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Of a rule.
    Rule(Arc<str>),
    /// Of a rule and an object: rule, object's id, name that is shown.
    Pair(Arc<str>, Arc<str>, Arc<str>),
}

impl Pin {
    /// For a title.
    pub fn title(&self) -> String {
        match self {
            Pin::Rule(rule) => format!("rule {rule}"),
            Pin::Pair(rule, _, name) => format!("{name} under {rule}"),
        }
    }
}
