//! Wires the steps together: client, configuration, watches, lease, engine, serving.

mod asking;
mod configuring;
mod deciding;
mod engine;
mod keeping;
mod learning;
mod pairs;
mod passes;
mod pulls;
mod rule_status;
mod rules;
mod seeing;
mod settings;
mod wire;

pub use engine::{Engine, Parts};
pub use wire::{RunError, run};
