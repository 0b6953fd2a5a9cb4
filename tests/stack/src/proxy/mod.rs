//! Faults between a client and a server: a reverse proxy on loopback, plain HTTP towards the client, that delays, loses,
//! refuses and holds back what the test tells it to, and remembers every request.

mod fault_proxy;
mod forward;
mod order;
mod record;
mod refusal;
mod rule;
mod shared;
mod watch;

pub use fault_proxy::{FaultProxy, Fired};
pub use record::Recorded;
pub use refusal::Refusal;
pub use rule::{Action, KillWhen, Match, RuleId, Seen};
