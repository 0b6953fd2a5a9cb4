//! What the end-to-end tests, the walk-through and the benchmarks share: a whole world on real servers.

mod controllers;
pub mod gitops;
mod rules;
mod scene;
pub mod walkthrough;

pub use controllers::Controllers;
pub use rules::{KUBELET_KEY, PX_KEY, RuleText};
pub use scene::{Scene, SceneOptions, checkout};

/// Bytes in a gibibyte, as metrics carry sizes.
pub const GIB: f64 = 1_073_741_824.0;
