//! What the controller shows of itself: metrics, readiness, liveness, logs and their level.

pub mod health;
pub mod http;
pub mod log;
pub mod metrics;

pub use health::{Heartbeat, Readiness};
pub use http::{Admin, Limits, ServeError, Server, start};
pub use log::{Format, LogError, LogHandle};
pub use metrics::{Failure, ForgeFigures, InFlight, Metrics};
