//! The parts of a test: servers with the shipped manifests, controllers, rules, terminals.

pub(crate) mod cluster_pool;
pub mod controllers;
pub mod gitops;
pub mod install;
pub mod objects;
pub mod pty;
pub(crate) mod rules;
pub(crate) mod scene;
pub mod series;
pub mod transitions;
