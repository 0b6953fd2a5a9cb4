//! The cluster as the engine sees it: watches in, slim records out.

mod index;
mod project;
mod pvcs;
mod slot_set;
mod versioned_table;
mod watch;
mod world;

pub(crate) use autopilot_shared::error::chain;
pub(crate) use index::{KindIndex, PvcIndex, TableChange, key_of};
pub use project::{Unreadable, approval, claim, journal, quotas, readable, version};
pub use pvcs::{Change, Labels, Pvc, Pvcs};
pub(crate) use slot_set::SlotSet;
pub use versioned_table::{Deleted, Key, Table, Versioned};
pub use watch::{CONFIG_MAP, Kind, Observation, WatchEvent, watch_all};
pub(crate) use watch::{PAGE, follow};
pub use world::{At, Pair, World, cluster_key};
