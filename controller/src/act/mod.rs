//! Writes to Kubernetes: one effect, one request, with the version that the effect carries. The outcome is the world as it
//! is now, also if the write was refused because the world had moved.
//!
//! Never imports `engine`: it decides nothing and remembers nothing.

mod actor;
mod events;
mod perform;
mod pvc;
mod request;
mod workload;

pub use actor::{Actor, Failure};
pub(crate) use actor::{FIELD_MANAGER, Outcome};
pub(crate) use request::TIME_OUT;
