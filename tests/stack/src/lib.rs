//! Real servers for the tests: a Kubernetes API, Prometheus, the controller under test, a storage driver, and the faults
//! that are put between them. Everything listens on loopback only and ends with the value that started it.

pub mod binaries;
pub mod cluster;
mod cluster_options;
pub mod controller;
pub mod csi;
pub mod exporter;
pub mod fetch;
pub mod flux;
mod git_http;
pub mod github;
pub mod http_server;
pub mod kubectl;
pub mod lock;
mod port;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod quantity;
mod runtime;
mod servers;
pub mod stub_prometheus;
pub mod temp;
pub mod wait;

pub use binaries::{Binaries, built_binary};
pub use cluster::Cluster;
pub use cluster_options::{ADMIN_TOKEN, ClusterOptions, User};
pub use controller::{Controller, ControllerCommand, controller_binary};
pub use csi::{Behaviour, CsiDriver, Resize};
pub use exporter::Exporter;
pub use flux::{Flux, Kustomization, Ready};
pub use github::{Actor, Budget, GitHub, GitHubOptions, GitMirror, SecondaryLimit};
pub use kubectl::Output;
pub use lock::lock;
pub use port::free_port;
pub use process::{Killer, Process};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use proxy::{Action, FaultProxy, Fired, KillWhen, Match, Recorded, Refusal, RuleId, Seen};
pub use stub_prometheus::{StubAnswer, StubPrometheus, StubRequest};
pub use temp::TempDir;
pub use wait::wait_for;
