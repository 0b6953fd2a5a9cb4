//! All traffic with the API server: one task per connection with a watch per kind and a probe, small questions about
//! permissions, writes, and single reads. Everything that is learned leaves as a [`crate::message::Msg`].

pub mod access;
pub(crate) mod error;
pub mod fetch;
mod kind_stream;
mod kinds;
mod probe;
pub mod send;
mod session;
mod task;
mod task_context;
mod throttle;
mod watch;

pub use session::{Session, SessionError, Source};
pub use task::ClusterTask;
pub use throttle::Times;
