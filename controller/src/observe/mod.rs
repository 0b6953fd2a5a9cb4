//! The cluster as the engine sees it: watches in, slim records out.

mod claims;
mod project;
mod table;
mod watch;
mod world;

pub use claims::{Change, Claim, Claims, Labels};
pub use project::{Unreadable, approval, claim, journal, quotas, readable, version};
pub use table::{Deleted, Key, Table, Versioned};
pub(crate) use watch::chain;
pub use watch::{CONFIG_MAP, Kind, Observation, Seen, watch_all};
pub use world::{At, Pair, World, cluster_key};
