//! From a metric to a resized volume, step by step, as a person sees it: what `make walkthrough` prints and what the
//! tests of the same name check.

mod endings;
mod filling;
mod gitops_scenario;
mod pace;
mod print;
mod scenario;
mod shell;
mod stage;
mod walk;

pub use gitops_scenario::play_gitops;
pub use pace::Pace;
pub use print::report;
pub use scenario::play;
pub use stage::Stage;
pub use walk::{DATA, Walk};
