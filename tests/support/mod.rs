//! What the tests take for granted: servers with the shipped manifests, controllers, rules.

pub mod controllers;
pub mod gitops;
pub mod rules;
pub mod scene;
