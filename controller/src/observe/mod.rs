//! The cluster as the engine sees it: watches in, slim records out.

mod claims;
mod project;
mod table;
mod watch;
mod world;

pub use claims::{Change, Claim, Claims, Labels};
pub use project::{approval, claim, journal, quotas, version};
pub use table::{Key, Table, Versioned};
pub(crate) use watch::chain;
pub use watch::{CONFIG_MAP, Kind, Observation, Seen, watch_all};
pub use world::{At, Pair, World, cluster_key};
