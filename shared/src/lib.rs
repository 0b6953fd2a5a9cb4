//! What every part of Autopilot speaks: the API types of group `autopilot.libopenstorage.org/v1alpha1`, quantities,
//! names, states, rules that have been understood, and the configuration. No client, no runtime.

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
