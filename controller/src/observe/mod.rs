//! The cluster as the engine sees it: watches in, slim records out.

mod project;
mod pvcs;
mod versioned_table;
mod watch;
mod world;

pub(crate) use autopilot_shared::error::chain;
pub use project::{Unreadable, approval, claim, journal, quotas, readable, version};
pub use pvcs::{Change, Claim, Claims, Labels};
pub use versioned_table::{Deleted, Key, Table, Versioned};
pub use watch::{CONFIG_MAP, Kind, Observation, Seen, watch_all};
pub use world::{At, Pair, World, cluster_key};
