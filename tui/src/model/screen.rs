//! Screens: a table or one object, and the rows of a list that is held still.

use std::sync::Arc;

use crate::message::Yaml;
use crate::model::store::Store;
use crate::rows::{Pin, Subject, View};
use crate::table::TableState;

/// Content of a screen.
#[derive(Clone, Debug)]
pub enum ScreenContent {
    /// A table.
    Table(View, Box<TableState>),
    /// One object.
    Detail {
        /// Which.
        of: Subject,
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
    /// Its content.
    pub shown: ScreenContent,
    /// The rows of a list that is held still. What is decided is decided on what is there, not on these.
    pub still: Option<Arc<Store>>,
}

impl Screen {
    /// Returns a table.
    pub(crate) fn table(view: View) -> Screen {
        Screen { shown: ScreenContent::Table(view, Box::new(TableState::new(view.columns()))), still: None }
    }

    /// Returns a table of what belongs to something.
    pub(crate) fn pinned(view: View, pin: Pin) -> Screen {
        let mut table = TableState::new(view.columns());
        table.pin = Some(pin);
        Screen { shown: ScreenContent::Table(view, Box::new(table)), still: None }
    }

    /// Returns a screen with one object.
    pub(crate) fn detail(of: Subject) -> Screen {
        Screen { shown: ScreenContent::Detail { of, scroll: 0, shift: 0, yaml: None }, still: None }
    }

    /// Returns the rows that a list shows.
    pub(crate) fn rows<'a>(&'a self, store: &'a Store) -> &'a Store {
        self.still.as_deref().unwrap_or(store)
    }

    /// Returns the table, if it is one.
    pub fn table_ref(&self) -> Option<(View, &TableState)> {
        match &self.shown {
            ScreenContent::Table(view, table) => Some((*view, table)),
            ScreenContent::Detail { .. } => None,
        }
    }

    /// Returns the same, to change it.
    pub(crate) fn table_mut(&mut self) -> Option<&mut TableState> {
        match &mut self.shown {
            ScreenContent::Table(_, table) => Some(table),
            ScreenContent::Detail { .. } => None,
        }
    }

    /// Returns the view it belongs to.
    pub(crate) fn view(&self) -> View {
        match &self.shown {
            ScreenContent::Table(view, _) => *view,
            ScreenContent::Detail { of, .. } => of.view(),
        }
    }
}
