//! The cluster changes while the controller looks: rules, claims, obstacles, and the storage.

mod claims;
mod obstacles;
mod rules;
mod stage;
mod storage;
