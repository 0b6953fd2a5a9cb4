//! The common ground of all parts of Autopilot: the API types of group `autopilot.libopenstorage.org/v1alpha1`,
//! quantities, names, states, parsed rules and the configuration; and the small functions that must give the same
//! everywhere (text, time, back-off, hashes, errors). Never imports a client or a runtime.

pub mod api;
pub mod backoff;
pub mod config;
pub mod digest;
pub mod error;
pub mod hash;
pub mod names;
pub mod quantity;
pub mod rule;
pub mod state;
pub mod text;
pub mod time;

pub use quantity::Quantity;
pub use state::RuleState;
