//! Slim rows: what the console keeps of an object. Everything that can be shown is [`crate::text::Safe`]; what goes back
//! to the API stays as it came.

pub(crate) mod approval;
pub(crate) mod column;
pub(crate) mod event;
mod names;
pub(crate) mod object;
mod pair;
pub(crate) mod parts;
mod pin;
pub(crate) mod rule;
mod subject;
pub mod wire;

pub use approval::{Approval, ApprovalColumn};
pub use column::{Cell, CellContext, Column, ColumnKind, ColumnSpec, Row};
pub use event::{EventKind, EventRecord, PairEvent};
pub use names::{Names, PvcName, pair};
pub use object::{ObjectColumn, ObjectRow, Step};
pub use pair::{EventColumn, PairRow};
pub(crate) use parts::{ApprovalState, ExecutionRow, PullRequestRow, SizeChange, Undecidable};
pub(crate) use pin::Pin;
pub use rule::{ConditionCell, RuleColumn, RuleRow};
pub use subject::{Subject, View};
