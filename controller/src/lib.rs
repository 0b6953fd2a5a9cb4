//! The controller: `observe` the cluster, `query` the metrics, `decide` (pure), `act` on Kubernetes; `lead`, `serve`
//! and `run` hold it together.

pub mod act;
pub mod decide;
pub mod forge;
pub mod lead;
pub mod observe;
pub mod query;
pub mod run;
pub mod serve;
