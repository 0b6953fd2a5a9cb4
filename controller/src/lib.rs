//! The controller: `observe` the cluster, ask `prometheus`, `evaluate` (pure), `decide` (pure), `act` on Kubernetes, run
//! by `engine`; `pull_requests`, `leader_election` and `telemetry` stand beside them, and `app` starts and ends it all.

pub mod act;
pub mod app;
pub mod cli;
pub mod decide;
pub mod engine;
pub mod evaluate;
pub mod leader_election;
pub mod observe;
pub mod prometheus;
pub mod pull_requests;
pub mod telemetry;
