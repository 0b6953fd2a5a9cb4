//! A scene with GitHub and Flux: pull requests for approvals, on real servers. The fault proxy stands between the
//! controller and GitHub; people and the mirror that Flux reads go past it.

mod case;
mod checks;
mod scene;
mod servers;

pub use case::{Case, Question, condition};
pub use scene::GitOpsScene;
pub use servers::{AUTHOR, BOT, FLUX, FOLDER, GitOpsServers, KUSTOMIZATION, STEP, folder};
