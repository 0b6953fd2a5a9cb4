//! The engine: takes in what is seen, decides pair by pair, hands writes to the actor. One task, no locks.
//!
//! `core` has the engine and its components; `event_loop`, `ingest`, `evaluation`, `reconcile` and `results` are what it does.
//! No component imports the engine.

mod active_config;
mod backoff;
mod config;
mod core;
mod evaluation;
mod event_loop;
mod ingest;
mod lookup;
mod pair_sets;
mod pairs;
mod passes;
mod reconcile;
mod results;
mod rule_entry;
mod rules;
mod scheduler;
#[cfg(test)]
mod tests;
mod view;
mod writes;

pub use self::core::{CLUSTER, Engine, Parts};
