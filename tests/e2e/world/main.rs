//! The world moves while the controller looks: rules, claims, what stands in the way, and the storage.

mod claims;
mod obstacles;
mod rules;
mod stage;
mod storage;
