//! The cases. Each takes a repository that may hold anything, makes names of its own and expects nothing else to be absent.
//! A case that `emulate` alone does not pass, but only with our front before it, says so.

mod git;
mod pulls;

pub(crate) use git::*;
pub(crate) use pulls::*;
