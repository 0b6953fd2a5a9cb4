//! Prometheus: what to ask, asking it, and reading the answer.
//!
//! * [`pushdown`] writes the PromQL of an expression (pure).
//! * [`answer`] reads the body of an answer (pure).
//! * [`client`] asks one server: credentials, TLS, time-out, size cap.
//! * [`provider`] gives queries their turn, slow ones aside.
//!
//! Whether a sample counts, and for which object, is decided elsewhere; here nothing is dropped: NaN and infinities
//! arrive as they are.

pub mod answer;
pub mod client;
pub mod endpoint;
pub mod error;
pub mod provider;
pub mod pushdown;
pub(crate) mod tls;

pub(crate) use answer::clean;
pub use answer::{Answer, Sample};
pub use client::Client;
pub use endpoint::{Credentials, Endpoint, SecretFrom};
pub use error::{ClientError, QueryError};
pub use provider::{Ask, Provider};
