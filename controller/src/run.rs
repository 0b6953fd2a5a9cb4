//! Wires the steps together: client, configuration, watches, lease, engine, serving.

mod asking;
mod engine;
mod pairs;
mod passes;
mod rules;
mod settings;
mod wire;

pub use engine::{Engine, Parts};
pub use wire::{RunError, run};
