//! From query results to verdicts: which queries a rule needs, which object a sample belongs to, and what follows for each
//! object.
//!
//! Pure, so that every case can be a row of a table. Never imports `decide`, `act` or `engine`, a clock, or IO.

pub(crate) mod availability;
pub(crate) mod deep_look;
pub(crate) mod facts;
pub(crate) mod objects;
pub(crate) mod queries;
pub mod reading;
pub(crate) mod samples;
pub mod verdict;
