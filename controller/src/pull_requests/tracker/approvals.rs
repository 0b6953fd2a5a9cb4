//! Approvals, as the cluster shows them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{Key, Rest, Tracker, rest};
use crate::decide::{Approval, Target};
use crate::observe::version;
use crate::pull_requests::plan::{ClusterEffect, Observed, Settings};
use crate::pull_requests::text::branch;

/// Between two looks at the folder because of what a file may have written.
const FOLDER_AGAIN: SignedDuration = SignedDuration::from_secs(10);

impl Tracker {
    /// A list of all approvals begins.
    pub fn begin_resync(&mut self) {
        self.listed_again = Some(BTreeSet::new());
    }

    /// The list is complete: what it did not hold is gone.
    pub fn end_resync(&mut self) {
        if let Some(listed) = self.listed_again.take() {
            let gone: Vec<Key> = self.approvals.keys().filter(|k| !listed.contains(*k)).cloned().collect();
            for key in gone {
                self.remove(&key);
            }
        }
        self.synced = true;
        self.look_for_orphans();
    }

    /// An approval is as this; an older version than the known one is passed over.
    pub fn apply(&mut self, approval: Approval) {
        let key = key(&approval);
        if let Some(listed) = &mut self.listed_again {
            listed.insert(key.clone());
        }
        let newer = |known: &Approval| {
            version(approval.raw.metadata.resource_version.as_deref())
                > version(known.raw.metadata.resource_version.as_deref())
        };
        let (fresh, says) = match self.approvals.get(&key) {
            Some(known) if !newer(known) => return,
            Some(known) => {
                let fresh = known.raw.metadata.uid != approval.raw.metadata.uid;
                (fresh, fresh || known.raw.spec != approval.raw.spec)
            }
            None => (true, true),
        };
        if fresh {
            self.observed.insert(key.clone(), Observed::default());
            self.repeats.remove(&key);
            self.branches.entry(branch_of(&approval)).or_default().insert(key.clone());
        }
        if says && Self::comes_from_a_file(&approval) {
            // Soon, and not with every change of somebody who writes all the time.
            let due = self.folder.take().map(|folder| folder.at + FOLDER_AGAIN).or(self.folder_due);
            self.folder_due = Some(due.unwrap_or(Timestamp::MIN));
        }
        self.approvals.insert(key.clone(), approval);
        self.touch(&key);
        if fresh {
            self.look_for_orphans();
        }
    }

    /// An approval was deleted.
    pub fn delete(&mut self, namespace: &str, name: &str, uid: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        if self.approvals.get(&key).is_some_and(|a| a.raw.metadata.uid.as_deref() == Some(uid)) {
            self.remove(&key);
            self.look_for_orphans();
        }
    }

    fn remove(&mut self, key: &Key) {
        self.forget_plan(key);
        self.queue.leave(key);
        if let Some(name) = self.approvals.get(key).map(branch_of) {
            self.loosen(key, &name);
        }
        self.observed.remove(key);
        self.rests.remove(key);
        self.stalls.remove(key);
        self.repeats.remove(key);
        self.dirty.remove(key);
        if let Some(approval) = self.approvals.remove(key) {
            let name = branch_of(&approval);
            if let Some(keys) = self.branches.get_mut(&name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.branches.remove(&name);
                    self.forget_branch(&name);
                }
            }
        }
    }

    /// Other settings. Another repository is another flow.
    pub fn configure(&mut self, settings: Settings) {
        if settings == self.settings {
            return;
        }
        let moved = settings.base != self.settings.base || settings.folder != self.settings.folder;
        if moved {
            self.folder = None;
            self.folder_due = Some(Timestamp::MIN);
        }
        if settings.base != self.settings.base {
            self.identity.base = settings.base.clone().unwrap_or_default();
            self.known = false;
        }
        self.settings = settings;
        self.touch_all();
    }

    /// A cluster write was carried out, or the approval is otherwise by now; nothing when it is gone.
    pub fn written(&mut self, now: Timestamp, key: &Key, effect: ClusterEffect, left: Option<Approval>) {
        match left {
            Some(approval) => {
                let before = self.approvals.get(key).and_then(|a| a.raw.metadata.resource_version.clone());
                let changed = approval.raw.metadata.resource_version != before;
                self.apply(approval);
                // What changes nothing, twice, is not done in a loop.
                let last = self.rests.get(key).filter(|r| same(&r.effect, &effect)).map(|r| r.attempts);
                let attempts = last.map_or(0, |n| n + 1);
                let pause = if changed && last.is_none() { SignedDuration::ZERO } else { rest(attempts) };
                self.rests.insert(key.clone(), Rest { effect, attempts, until: now + pause });
            }
            None => {
                let uid = self.approvals.get(key).and_then(|a| a.raw.uid()).unwrap_or_default();
                self.delete(&key.0, &key.1, &uid);
            }
        }
    }

    /// Nothing is known of a cluster write.
    pub fn failed(&mut self, now: Timestamp, key: &Key, effect: ClusterEffect) {
        let attempts = self.rests.get(key).filter(|r| same(&r.effect, &effect)).map_or(0, |r| r.attempts + 1);
        self.rests.insert(key.clone(), Rest { effect, attempts, until: now + rest(attempts) });
        self.dirty.insert(key.clone());
    }
}

/// The same write, whatever version it is based on.
fn same(a: &ClusterEffect, b: &ClusterEffect) -> bool {
    match (a, b) {
        (
            ClusterEffect::AddFinalizer { finalizers: a, .. },
            ClusterEffect::AddFinalizer { finalizers: b, .. },
        ) => a == b,
        (ClusterEffect::WriteStatus { status: a, .. }, ClusterEffect::WriteStatus { status: b, .. }) => {
            a == b
        }
        (ClusterEffect::Mirror(_), ClusterEffect::Mirror(_)) => true,
        (ClusterEffect::Remove(_), ClusterEffect::Remove(_)) => true,
        (ClusterEffect::Release { .. }, ClusterEffect::Release { .. }) => true,
        _ => false,
    }
}

pub(crate) fn key(approval: &Approval) -> Key {
    (approval.raw.namespace().unwrap_or_default(), approval.raw.name_any())
}

pub(crate) fn branch_of(approval: &Approval) -> String {
    branch::branch(&approval.raw.namespace().unwrap_or_default(), &approval.raw.name_any())
}

pub(crate) fn target(approval: &Approval) -> Target {
    Target {
        namespace: approval.raw.namespace().unwrap_or_default(),
        name: approval.raw.name_any(),
        uid: approval.raw.uid().unwrap_or_default(),
        version: approval.raw.resource_version().unwrap_or_default(),
    }
}
