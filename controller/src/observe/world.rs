//! All that is known of the cluster but the rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use autopilot_shared::names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;

use super::project;
use super::pvcs::{Change, Labels, Pvcs};
use super::slot_set::SlotSet;
use super::versioned_table::{Deleted, Key, Table, Versioned};
use crate::decide::view::{Approval, Journal, ObjectView, Obstacles, QuotaRoom, ResizeReport};

/// One rule on one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// The object id: name of the volume.
    pub object: Arc<str>,
    /// Name of the rule.
    pub rule: Arc<str>,
}

impl Versioned for Journal {
    fn version(&self) -> u64 {
        project::version(Some(&self.version))
    }
}

impl Versioned for Approval {
    fn version(&self) -> u64 {
        project::version(self.raw.metadata.resource_version.as_deref())
    }
}

/// A record with a version of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T>(pub u64, pub T);

impl<T> Versioned for At<T> {
    fn version(&self) -> u64 {
        self.0
    }
}

/// The cluster.
#[derive(Debug, Default)]
pub struct World {
    /// PVCs.
    pub claims: Pvcs,
    claims_listing: Option<SlotSet>,
    claims_synced: bool,
    claims_deleted: Deleted,
    /// Labels of namespaces.
    pub namespaces: Table<At<Labels>>,
    /// StorageClasses, and whether they allow expansion.
    pub classes: Table<At<bool>>,
    /// Quotas that count storage.
    pub quotas: Table<At<Vec<QuotaRoom>>>,
    rooms: HashMap<Box<str>, Vec<QuotaRoom>>,
    /// Approvals.
    pub approvals: Table<Approval>,
    /// Journals.
    pub journals: Table<Journal>,
}

static NO_REPORT: ResizeReport = ResizeReport { infeasible: None, progress: None };

impl World {
    /// A list of PVCs begins.
    pub fn claims_start(&mut self) {
        self.claims_listing = Some(SlotSet::with_capacity(self.claims.capacity()));
    }

    /// Takes in a PVC.
    pub fn claim(&mut self, pvc: &PersistentVolumeClaim) -> Option<Change> {
        let claim = project::claim(pvc, &mut self.claims);
        let (namespace, name) = (Arc::clone(&claim.namespace), claim.name().to_owned());
        let change = self.claims.put(claim);
        if let (Some(listing), Some(slot)) =
            (&mut self.claims_listing, self.claims.by_name(&namespace, &name))
        {
            listing.insert(slot);
        }
        change
    }

    /// Takes in a PVC as the answer to a request has it: it may have been deleted since.
    pub fn claim_answered(&mut self, pvc: &PersistentVolumeClaim) -> Option<Change> {
        let version = project::version(pvc.metadata.resource_version.as_deref());
        let namespace = pvc.namespace().unwrap_or_default();
        let gone = self.claims_deleted.covers(&namespace, &pvc.name_any(), version);
        (!gone).then(|| self.claim(pvc))?
    }

    /// A PVC was deleted.
    pub fn claim_gone(&mut self, pvc: &PersistentVolumeClaim) -> Option<Change> {
        let version = project::version(pvc.metadata.resource_version.as_deref());
        let (namespace, name) = (pvc.namespace().unwrap_or_default(), pvc.name_any());
        self.claims_deleted.note((namespace.as_str().into(), name.as_str().into()), version);
        self.claims.remove(&namespace, &name, version)
    }

    /// A PVC is known to be gone, whatever was seen.
    pub fn claim_absent(&mut self, namespace: &str, name: &str) -> Option<Change> {
        self.claims.remove(namespace, name, u64::MAX)
    }

    /// The list of PVCs is complete: what it did not name is gone.
    pub fn claims_done(&mut self) -> Vec<Change> {
        self.claims_synced = true;
        let Some(listed) = self.claims_listing.take() else {
            return Vec::new();
        };
        let gone: Vec<(Arc<str>, String)> = self
            .claims
            .iter()
            .filter(|(slot, _)| !listed.contains(*slot))
            .map(|(_, claim)| (Arc::clone(&claim.namespace), claim.name().to_owned()))
            .collect();
        gone.iter().filter_map(|(namespace, name)| self.claims.remove(namespace, name, u64::MAX)).collect()
    }

    /// Returns the kinds that have not been listed yet.
    pub fn missing(&self) -> Vec<&'static str> {
        [
            (self.claims_synced, "persistentvolumeclaims"),
            (self.namespaces.synced(), "namespaces"),
            (self.classes.synced(), "storageclasses"),
            (self.quotas.synced(), "resourcequotas"),
            (self.approvals.synced(), "actionapprovals"),
            (self.journals.synced(), "autopilotruleobjects"),
        ]
        .into_iter()
        .filter_map(|(synced, kind)| (!synced).then_some(kind))
        .collect()
    }

    /// Returns the labels of a namespace. `None` if it is not known.
    pub fn namespace_labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get("", namespace).map(|At(_, labels)| &**labels)
    }

    /// Returns what the quotas of a namespace leave, all in one.
    pub fn quotas_of(&self, namespace: &str) -> &[QuotaRoom] {
        self.rooms.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Gathers anew what the quotas of a namespace leave: quotas change less often than they are looked at.
    pub fn count_quotas(&mut self, namespace: &str) {
        let mut all: Vec<QuotaRoom> = self
            .quotas
            .iter()
            .filter(|((of, _), _)| &**of == namespace)
            .flat_map(|(_, At(_, rooms))| rooms.iter().cloned())
            .collect();
        all.sort_by(|a, b| (&a.name, &a.class).cmp(&(&b.name, &b.class)));
        if all.is_empty() {
            self.rooms.remove(namespace);
        } else {
            self.rooms.insert(namespace.into(), all);
        }
    }

    /// The PVC at a position as a decision sees it.
    pub fn object_view(&self, slot: u32, selected: bool) -> Option<ObjectView<'_>> {
        let claim = self.claims.get(slot)?;
        let rare = claim.rare.as_deref();
        Some(ObjectView {
            namespace: &claim.namespace,
            name: claim.name(),
            uid: claim.uid(),
            request: claim.request,
            request_text: rare.and_then(|r| r.request_text.as_deref()),
            capacity: claim.capacity,
            selected: selected && claim.is_object() && !claim.deleting,
            obstacles: Obstacles {
                class: claim.class.as_deref(),
                expandable: claim.class.as_deref().and_then(|c| self.classes.get("", c)).map(|At(_, e)| *e),
                size_in_git: rare.and_then(|r| r.size_in_git.as_deref()),
                quotas: self.quotas_of(&claim.namespace),
            },
            resize: rare.map_or(&NO_REPORT, |r| &r.resize),
        })
    }

    /// The journal of a pair: under the usual name or, where another pair has that, under the hashed one.
    pub fn journal(&self, namespace: &str, pair: &Pair) -> Option<&Journal> {
        let plain = self.journals.get(namespace, &names::rule_object_name(&pair.object, &pair.rule))?;
        if belongs(plain, pair) {
            return Some(plain);
        }
        self.journals.get(namespace, &names::hashed_rule_object_name(&pair.object, &pair.rule))
    }

    /// Whether the usual name of a pair's journal is another pair's: `a-b` on `c` and `b` on `c-a` have the same.
    pub fn journal_name_taken(&self, namespace: &str, pair: &Pair) -> bool {
        let plain = self.journals.get(namespace, &names::rule_object_name(&pair.object, &pair.rule));
        plain.is_some_and(|journal| !belongs(journal, pair))
    }

    /// The approvals that a pair may use: under the usual name and under the hashed one.
    pub fn approvals_of(&self, namespace: &str, pair: &Pair) -> (Option<&Approval>, Option<&Approval>) {
        (
            self.approvals.get(namespace, &names::approval_name(&pair.rule, &pair.object)),
            self.approvals.get(namespace, &names::hashed_approval_name(&pair.rule, &pair.object)),
        )
    }
}

/// Key of a cluster-scoped record.
pub fn cluster_key(name: &str) -> Key {
    (Arc::from(""), Arc::from(name))
}

/// Whether a journal's labels are a pair's; one without labels belongs to whoever has its name.
fn belongs(journal: &Journal, pair: &Pair) -> bool {
    let is =
        |label: &Option<String>, text: &str| label.as_ref().is_none_or(|l| *l == names::label_value(text));
    is(&journal.labels.0, &pair.rule) && is(&journal.labels.1, &pair.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pvc(version: &str) -> PersistentVolumeClaim {
        let mut pvc = PersistentVolumeClaim::default();
        pvc.metadata.name = Some("data".to_owned());
        pvc.metadata.namespace = Some("pg1".to_owned());
        pvc.metadata.resource_version = Some(version.to_owned());
        pvc
    }

    #[test]
    fn a_late_answer_brings_no_pvc_back() {
        let mut world = World::default();
        assert!(world.claim(&pvc("5")).is_some());
        assert!(world.claim_gone(&pvc("7")).is_some());
        assert!(world.claim_answered(&pvc("6")).is_none());
        assert_eq!(world.claims.by_name("pg1", "data"), None);
        assert!(world.claim_answered(&pvc("8")).is_some(), "made again");
    }
}
