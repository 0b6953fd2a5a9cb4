//! The parts of a test: servers with the shipped manifests, controllers, rules, terminals.

pub mod cluster_pool;
pub mod controllers;
pub mod gitops;
pub mod install;
pub mod objects;
pub mod pty;
pub mod rules;
pub mod scene;
pub mod series;
pub mod transitions;
