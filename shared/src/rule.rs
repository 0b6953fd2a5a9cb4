//! A rule that has been understood. Raw [`AutopilotRule`](crate::api::AutopilotRule)s end here: what is built by
//! [`Rule::parse`] cannot be wrong.

mod expression;

pub use expression::{Aliases, Expression, ExpressionError, Test};
