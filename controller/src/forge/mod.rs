//! Pull requests: approvals are mirrored to a forge, and what people do there is written back to the approvals. This
//! side and the engine meet only in the ActionApproval.

pub mod books;
pub mod desk;
pub mod flow;
pub mod github;
mod port;
pub mod run;
pub mod text;

pub use flow::Settings;
pub use github::GitHub;
pub use port::{
    Author, Branch, Change, Conditional, Decider, File, Forge, ForgeError, NewPull, Page, Pull, PullState,
    is_kustomization,
};
pub use run::{Parts, run};
