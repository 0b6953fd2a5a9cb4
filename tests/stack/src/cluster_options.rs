//! The options of a cluster.

use std::time::Duration;

/// The token of the administrator (group `system:masters`).
pub const ADMIN_TOKEN: &str = "stack-admin";

/// A user of the API with a static token. RBAC says what the user may do.
#[derive(Debug, Clone)]
pub struct User {
    /// The bearer token.
    pub token: String,
    /// The name that RBAC and the audit see.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// The servers to start, and their settings.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Whether to start kube-controller-manager with the garbage collector, the binder, and the
    /// controllers of namespaces and of aggregated roles (without it, the roles view, edit and admin are empty).
    pub controller_manager: bool,
    /// Users besides the administrator.
    pub users: Vec<User>,
    /// The lifetime of events; the server's default is an hour.
    pub event_ttl: Option<Duration>,
    /// More flags for kube-apiserver.
    pub apiserver_flags: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { controller_manager: true, users: Vec::new(), event_ttl: None, apiserver_flags: Vec::new() }
    }
}

impl ClusterOptions {
    /// Returns the options of a cluster that starts faster: without kube-controller-manager. `CsiDriver` binds the claims.
    #[must_use]
    pub fn without_binder() -> Self {
        Self { controller_manager: false, ..Self::default() }
    }
}
