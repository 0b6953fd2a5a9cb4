//! The console and the command line of Autopilot: what waits for a person, live, and the decision, bound to what was
//! shown.
//!
//! `feed` turns watches into messages; `update` (pure) turns messages into a changed `model` and effects; `view` (pure)
//! draws the model; `effect` does what must happen outside. Everything from outside passes through [`text::Safe`].

pub mod app;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod connection;
pub mod content;
pub mod decision;
pub mod effect;
mod filter;
pub mod keymap;
pub mod message;
pub mod model;
mod permitted;
pub mod rows;
mod selection;
pub mod table;
pub mod text;
pub mod theme;
pub mod update;
mod view;
