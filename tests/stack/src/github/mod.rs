//! GitHub's REST API: `emulate` (an npm package) keeps repositories, pull requests and comments; a front of our own before
//! it adds what it lacks. README.md names each addition.

mod accounts;
mod actor;
mod ask;
mod front;
mod limits;
mod merge;
mod mirror;
mod pulls;
mod refs;
mod route;
mod server;

pub use accounts::{
    ALICE_TOKEN, Account, BOT_TOKEN, BOT_TOKEN_2, GitHubOptions, OTHER_BOT_TOKEN, OUTSIDER_TOKEN, OWNER_TOKEN,
};
pub use actor::{Actor, Comment, Commit, PullRequest};
pub use limits::{Budget, SecondaryLimit};
pub use mirror::GitMirror;
pub use server::GitHub;
