//! The four tables, and one row of one of them.

use std::sync::Arc;

use strum::IntoStaticStr;

use crate::connection::KindName;
use crate::rows::approval::ApprovalColumn;
use crate::rows::column::{Column as _, ColumnSpec};
use crate::rows::object::ObjectColumn;
use crate::rows::pair::EventColumn;
use crate::rows::rule::RuleColumn;

/// The four tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum View {
    /// Approvals.
    Approvals,
    /// Events.
    Events,
    /// Objects and their states.
    Objects,
    /// Rules.
    Rules,
}

impl View {
    /// In the order of the tabs.
    pub const ALL: [View; 4] = [View::Approvals, View::Events, View::Objects, View::Rules];

    /// Returns the title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            View::Approvals => "Approvals",
            View::Events => "Events",
            View::Objects => "Objects",
            View::Rules => "Rules",
        }
    }

    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the kind that it shows.
    pub(crate) fn kind(self) -> KindName {
        match self {
            View::Approvals => KindName::Approvals,
            View::Events => KindName::Events,
            View::Objects => KindName::Objects,
            View::Rules => KindName::Rules,
        }
    }

    /// Returns its columns.
    pub fn columns(self) -> &'static [ColumnSpec] {
        match self {
            View::Approvals => ApprovalColumn::SPECS,
            View::Events => EventColumn::SPECS,
            View::Objects => ObjectColumn::SPECS,
            View::Rules => RuleColumn::SPECS,
        }
    }
}

/// One object, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An approval, by UID.
    Approval(Arc<str>),
    /// Events, by rule and object.
    Events(Arc<str>),
    /// An object, by UID.
    Object(Arc<str>),
    /// A rule, by UID.
    Rule(Arc<str>),
}

impl Subject {
    /// Returns a row of a table.
    pub(crate) fn new(view: View, id: Arc<str>) -> Subject {
        match view {
            View::Approvals => Subject::Approval(id),
            View::Events => Subject::Events(id),
            View::Objects => Subject::Object(id),
            View::Rules => Subject::Rule(id),
        }
    }

    /// Returns the table it is in.
    pub(crate) fn view(&self) -> View {
        match self {
            Subject::Approval(_) => View::Approvals,
            Subject::Events(_) => View::Events,
            Subject::Object(_) => View::Objects,
            Subject::Rule(_) => View::Rules,
        }
    }
}
