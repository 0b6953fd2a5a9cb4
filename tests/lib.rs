//! What the end-to-end tests, the walk-through and the benchmarks share: a whole world on real servers.

mod support;
pub mod walkthrough;

pub use support::controllers::Controllers;
pub use support::gitops;
pub use support::rules::{KUBELET_KEY, PX_KEY, RuleText};
pub use support::scene::{Scene, SceneOptions, checkout};

/// Bytes in a gibibyte, as metrics carry sizes.
pub const GIB: f64 = 1_073_741_824.0;
