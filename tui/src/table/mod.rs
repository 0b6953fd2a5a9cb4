//! Rows by identity, and one view of them: filtered, sorted, with a selection that follows its object. A view keeps slots and
//! no rows; it never imports the model.

mod slots;
mod state;

pub use slots::Rows;
pub use state::{Sort, TableState};
