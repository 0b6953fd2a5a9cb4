//! Slim rows: what the console keeps of an object. Everything that can be shown is [`crate::text::Safe`]; what goes back
//! to the API stays as it came.

pub mod approval;
pub mod column;
pub mod event;
mod names;
pub mod object;
mod pair;
pub mod parts;
mod pin;
pub mod rule;
mod subject;
pub mod wire;

pub use approval::Approval;
pub use column::{Cell, CellContext, Column, Kind, Row};
pub use event::{EventKind, EventRecord};
pub use names::{Names, pair};
pub use object::{ObjectRow, Step};
pub use pair::PairRow;
pub use parts::{ApprovalState, PullRequestRow};
pub use pin::Pin;
pub use rule::{ConditionCell, RuleRow};
pub use subject::{Subject, View};
