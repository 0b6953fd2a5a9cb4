//! The console and the command line of Autopilot: what waits for a person, live, and the decision, bound to what was
//! shown.
//!
//! `cluster` turns watches into messages; `update` (pure) turns messages into a changed `model` and effects; `content`
//! (pure) turns the model into lines, and `view` paints them; `app` and `cluster` carry out effects. Everything from outside
//! passes through [`text::Safe`].
//!
//! Each module imports only modules to its left: `text clock theme`, `commands`, `keymap connection`, `config`, `rows`,
//! `filter decision`, `table message effect`, `model cluster`, `selection`, `permitted`, `content`, `update view`, `app`,
//! `cli`. There is no import circle between files.
//!
//! What is `pub` here is for `main.rs` and for tests; there is no promise to others.

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
