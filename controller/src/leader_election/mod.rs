//! Who works: one of several controllers, by a Lease of `coordination.k8s.io/v1`.
//!
//! The lease saves work, it protects nothing: every write to Kubernetes carries a precondition of its own, so
//! two controllers at once are wasteful, never wrong. [`election`] decides (pure: the clock is an argument),
//! [`lease`] asks the API server and waits. Renewing the lease is the only write that Autopilot makes at
//! rest.

pub mod election;
pub mod lease;
pub mod record;

pub use election::{BadSettings, Election, Loss, Settings, Step};
pub use lease::{Claim, Lease, ReleaseError};
pub use record::Record;

use rand::TryRng;
use rand::rngs::SysRng;

/// Name of the Lease object, in the controller's namespace.
pub const LEASE_NAME: &str = "autopilot";

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes for the identity in the leader election: {0}")]
pub struct NoRandomness(String);

/// A name for this process in the lease: the pod's name (`POD_NAME`, else `HOSTNAME`, else the kernel's host
/// name) and eight random hex digits. The digits make a restarted pod another candidate: it must not take the
/// lease of its predecessor, which may still be running, for its own.
///
/// # Errors
/// When the operating system's random source fails; without it two candidates could mistake each other for
/// themselves.
pub fn own_identity() -> Result<String, NoRandomness> {
    let random = SysRng.try_next_u32().map_err(|error| NoRandomness(error.to_string()))?;
    let named = |name: &str| std::env::var(name).ok();
    let host = [named("POD_NAME"), named("HOSTNAME"), kernel_host_name()]
        .into_iter()
        .flatten()
        .map(|text| text.trim().to_owned())
        .find(|text| !text.is_empty());
    Ok(identity(host.as_deref().unwrap_or("autopilot"), random))
}

/// The identity of host `host` with the random digits `random`, as `kubectl get lease` shows it.
pub fn identity(host: &str, random: u32) -> String {
    format!("{host}_{random:08x}")
}

fn kernel_host_name() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok()
}
