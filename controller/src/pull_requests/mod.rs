//! Pull requests: approvals are mirrored to a forge, and what people do there is written back to the approvals. This
//! side and the engine meet only in the ActionApproval.

mod cluster;
mod flux;
mod forge;
pub mod github;
pub mod plan;
pub mod run;
pub(crate) mod supervisor;
pub mod text;
pub mod tracker;
mod watch;
pub mod worker;

pub use forge::{
    Author, Branch, Change, Conditional, Decider, File, Forge, ForgeError, NewPull, Page, Pull, PullState,
    is_kustomization,
};
pub use github::GitHub;
pub use plan::PullRequestSettings;
