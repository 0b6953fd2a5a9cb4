//! Writes to the cluster that failed or changed nothing: the same write is tried again later, not in a loop.

use std::collections::BTreeMap;

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use super::request::ApprovalKey;
use crate::pull_requests::plan::ClusterEffect;

/// First pause; doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(1);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// When a write to an approval may be carried out again.
#[derive(Debug)]
struct RetryAt {
    effect: ClusterEffect,
    attempts: u32,
    until: Timestamp,
}

/// The last write to each approval.
#[derive(Debug, Default)]
pub(super) struct ClusterWrites {
    retries: BTreeMap<ApprovalKey, RetryAt>,
}

impl ClusterWrites {
    /// When the next write to an approval may be carried out; `None` if that is now.
    pub(super) fn held_until(&self, key: &ApprovalKey, now: Timestamp) -> Option<Timestamp> {
        self.retries.get(key).map(|retry| retry.until).filter(|until| *until > now)
    }

    /// Remembers a write that was carried out. If it `changed` the approval, only its repetition has a pause.
    pub(super) fn succeeded(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        effect: ClusterEffect,
        changed: bool,
    ) {
        let last = self.attempts(key, &effect);
        let attempts = last.map_or(0, |attempts| attempts + 1);
        let pause = if changed && last.is_none() { SignedDuration::ZERO } else { pause(attempts) };
        self.retries.insert(key.clone(), RetryAt { effect, attempts, until: now + pause });
    }

    pub(super) fn failed(&mut self, now: Timestamp, key: &ApprovalKey, effect: ClusterEffect) {
        let attempts = self.attempts(key, &effect).map_or(0, |attempts| attempts + 1);
        self.retries.insert(key.clone(), RetryAt { effect, attempts, until: now + pause(attempts) });
    }

    /// How often the same write was tried again; `None` if the last one was another.
    fn attempts(&self, key: &ApprovalKey, effect: &ClusterEffect) -> Option<u32> {
        self.retries.get(key).filter(|last| is_same(&last.effect, effect)).map(|last| last.attempts)
    }

    pub(super) fn remove(&mut self, key: &ApprovalKey) {
        self.retries.remove(key);
    }

    pub(super) fn clear(&mut self) {
        self.retries.clear();
    }
}

fn pause(attempts: u32) -> SignedDuration {
    backoff(attempts, FIRST, LONGEST)
}

/// Whether two writes are the same, whatever version they are based on.
fn is_same(a: &ClusterEffect, b: &ClusterEffect) -> bool {
    use ClusterEffect::{AddFinalizer, Mirror, Release, Remove, WriteStatus};
    match (a, b) {
        (AddFinalizer { finalizers: a, .. }, AddFinalizer { finalizers: b, .. }) => a == b,
        (WriteStatus { status: a, .. }, WriteStatus { status: b, .. }) => a == b,
        (Mirror(_), Mirror(_)) | (Remove(_), Remove(_)) | (Release { .. }, Release { .. }) => true,
        _ => false,
    }
}
