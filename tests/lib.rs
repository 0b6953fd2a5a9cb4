//! The library of the end-to-end tests, the walk-through and the benchmarks: real servers with the controller among them.

mod support;
pub mod walkthrough;

pub use support::cluster_pool::{ClusterPool, PooledCluster, SharedPool};
pub use support::controllers::{self, Controllers};
pub use support::gitops;
pub use support::install::{self, checkout};
pub use support::objects;
pub use support::pty;
pub use support::rules::{KUBELET_KEY, PX_KEY, RuleText};
pub use support::scene::{Scene, SceneOptions};
pub use support::series::{self, GIB};
pub use support::transitions;
