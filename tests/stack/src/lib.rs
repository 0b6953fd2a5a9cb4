//! Real servers for the tests: a Kubernetes API, Prometheus, the controller under test, a storage driver, and the faults
//! that are put between them. Everything listens on loopback only and ends with the value that started it.

pub mod binaries;
pub mod cluster;
pub mod controller;
pub mod csi;
pub mod exporter;
pub mod fetch;
pub mod flux;
mod git_http;
pub mod github;
pub mod kubectl;
mod lock;
mod port;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod quantity;
mod serve;
mod servers;
pub mod stub_prometheus;
pub mod temp;
pub mod wait;

pub use binaries::Binaries;
pub use cluster::{Cluster, ClusterOptions, User};
pub use controller::{Controller, ControllerCommand, controller_binary};
pub use csi::{Behaviour, CsiDriver, Resize};
pub use exporter::Exporter;
pub use flux::{Flux, Kustomization, Ready};
pub use github::{Actor, Budget, GitHub, GitHubOptions, GitMirror, SecondaryLimit};
pub use kubectl::Output;
pub use port::free_port;
pub use process::{Killer, Process};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use proxy::{Action, FaultProxy, Fired, KillWhen, Match, Recorded, Refusal, RuleId, Seen};
pub use stub_prometheus::{StubAnswer, StubPrometheus, StubRequest};
pub use temp::TempDir;
pub use wait::wait_for;
