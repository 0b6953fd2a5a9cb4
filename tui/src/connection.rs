//! Names and verdicts about the connection that all layers share. Imports nothing but texts.

use std::sync::Arc;

use strum::IntoStaticStr;

use crate::text::Safe;

/// Which cluster, as whom. Pinned at the start: what is shown is what is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterLabel {
    /// Context of the kubeconfig.
    pub context: Safe,
    /// The same as it came.
    pub raw_context: Arc<str>,
    /// Cluster of the kubeconfig.
    pub cluster: Safe,
    /// Address of the server.
    pub server: Safe,
    /// The authenticated user; before the server named one, the kubeconfig's.
    pub user: Safe,
    /// `true` if the configuration marks it as production.
    pub production: bool,
    /// `true` if it is read-only for good: `--read-only` or the configuration.
    pub sealed: bool,
}

/// Kinds of trouble, as far as they can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No kubeconfig, no such context, or nothing to connect to.
    NoCluster,
    /// Nobody answers, or the answer does not come.
    Silent,
    /// 401: the credentials are not taken.
    Unauthorized,
    /// 403: no permission to list.
    Forbidden,
    /// 404: the kinds are not there.
    NoKinds,
    /// Anything else that the server says.
    Refused,
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum KindName {
    /// ActionApproval.
    Approvals,
    /// Event.
    Events,
    /// AutopilotRuleObject.
    Objects,
    /// AutopilotRule.
    Rules,
}

impl KindName {
    /// All.
    pub const ALL: [KindName; 4] =
        [KindName::Approvals, KindName::Rules, KindName::Objects, KindName::Events];

    /// Returns the plural, as the API spells it.
    pub fn plural(self) -> &'static str {
        match self {
            KindName::Approvals => "actionapprovals",
            KindName::Events => "events",
            KindName::Objects => "autopilotruleobjects",
            KindName::Rules => "autopilotrules",
        }
    }

    /// Returns the name for people.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// A verb that is needed for approvals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Verb {
    /// Approve and decline.
    Patch,
    /// Delete.
    Delete,
}

impl Verb {
    /// Returns the verb, as RBAC spells it.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An answer of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `true` if we may do it.
    pub allowed: bool,
    /// Reason.
    pub reason: Safe,
}
