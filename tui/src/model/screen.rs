//! What is on the screen, and the way back.

use std::sync::Arc;

use super::Store;
use super::link::KindName;
use crate::record::{Approval, Column, ObjectRow, PairRow, Row as _, RuleRow};
use crate::table::{Pin, TableState};
use crate::text::Safe;

/// The four tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What waits for me.
    Approvals,
    /// What happens.
    Events,
    /// Objects and their states.
    Objects,
    /// Rules.
    Rules,
}

impl View {
    /// In the order of the tabs.
    pub const ALL: [View; 4] = [View::Approvals, View::Events, View::Objects, View::Rules];

    /// The title.
    pub fn title(self) -> &'static str {
        match self {
            View::Approvals => "Approvals",
            View::Events => "Events",
            View::Objects => "Objects",
            View::Rules => "Rules",
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            View::Approvals => "approvals",
            View::Events => "events",
            View::Objects => "objects",
            View::Rules => "rules",
        }
    }

    /// The kind that it shows.
    pub fn kind(self) -> KindName {
        match self {
            View::Approvals => KindName::Approvals,
            View::Events => KindName::Events,
            View::Objects => KindName::Objects,
            View::Rules => KindName::Rules,
        }
    }

    /// Its columns.
    pub fn columns(self) -> &'static [Column] {
        match self {
            View::Approvals => Approval::COLUMNS,
            View::Events => PairRow::COLUMNS,
            View::Objects => ObjectRow::COLUMNS,
            View::Rules => RuleRow::COLUMNS,
        }
    }
}

/// One object, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetailOf {
    /// An approval, by UID.
    Approval(Arc<str>),
    /// Happenings, by rule and object.
    Events(Arc<str>),
    /// An object, by UID.
    Object(Arc<str>),
    /// A rule, by UID.
    Rule(Arc<str>),
}

impl DetailOf {
    /// The identity of the row.
    pub fn id(&self) -> &Arc<str> {
        match self {
            DetailOf::Approval(id) | DetailOf::Events(id) | DetailOf::Object(id) | DetailOf::Rule(id) => id,
        }
    }

    /// The table it is in.
    pub fn view(&self) -> View {
        match self {
            DetailOf::Approval(_) => View::Approvals,
            DetailOf::Events(_) => View::Events,
            DetailOf::Object(_) => View::Objects,
            DetailOf::Rule(_) => View::Rules,
        }
    }
}

/// An object as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// Asked for.
    Asked,
    /// Its lines.
    Lines(Vec<Safe>),
    /// Why not.
    Failed(Safe),
}

/// What is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A table.
    Table(View, Box<TableState>),
    /// One object.
    Detail {
        /// Which.
        of: DetailOf,
        /// First line.
        scroll: usize,
        /// First column.
        shift: usize,
        /// As the cluster has it, when that was asked for.
        yaml: Option<Yaml>,
    },
}

/// A screen.
#[derive(Clone, Debug)]
pub struct Screen {
    /// What is shown.
    pub shown: Shown,
    /// The rows of a list that is held still. What is decided is decided on what is there, not on these.
    pub still: Option<Arc<Store>>,
}

impl Screen {
    /// A table.
    pub fn table(view: View) -> Screen {
        Screen { shown: Shown::Table(view, Box::new(TableState::new(view.columns()))), still: None }
    }

    /// A table of what belongs to something.
    pub fn pinned(view: View, pin: Pin) -> Screen {
        let mut table = TableState::new(view.columns());
        table.pin = Some(pin);
        Screen { shown: Shown::Table(view, Box::new(table)), still: None }
    }

    /// One object.
    pub fn detail(of: DetailOf) -> Screen {
        Screen { shown: Shown::Detail { of, scroll: 0, shift: 0, yaml: None }, still: None }
    }

    /// The rows that a list shows.
    pub fn rows<'a>(&'a self, store: &'a Store) -> &'a Store {
        self.still.as_deref().unwrap_or(store)
    }

    /// The table, if it is one.
    pub fn table_ref(&self) -> Option<(View, &TableState)> {
        match &self.shown {
            Shown::Table(view, table) => Some((*view, table)),
            Shown::Detail { .. } => None,
        }
    }

    /// The same, to change it.
    pub fn table_mut(&mut self) -> Option<&mut TableState> {
        match &mut self.shown {
            Shown::Table(_, table) => Some(table),
            Shown::Detail { .. } => None,
        }
    }

    /// The view it belongs to.
    pub fn view(&self) -> View {
        match &self.shown {
            Shown::Table(view, _) => *view,
            Shown::Detail { of, .. } => of.view(),
        }
    }
}
