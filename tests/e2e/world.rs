//! The world moves while the controller looks: rules, claims, what stands in the way, and the storage.

#[path = "world/claims.rs"]
mod claims;
#[path = "world/obstacles.rs"]
mod obstacles;
#[path = "world/rules.rs"]
mod rules;
#[path = "world/stage.rs"]
mod stage;
#[path = "world/storage.rs"]
mod storage;
