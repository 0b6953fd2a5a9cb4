//! All rules, by name, and what is known of those that cannot be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use autopilot_shared::names;

use super::rule_entry::RuleEntry;
use crate::observe::{Deleted, cluster_key};

/// All rules, and what is known of those that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    rules: BTreeMap<Arc<str>, RuleEntry>,
    /// Names by the value of label `rule`.
    labels: HashMap<String, Arc<str>>,
    /// Labels of rules that are there and cannot be read: what is theirs is left alone.
    unreadable: BTreeSet<String>,
    /// Rules that a list under way has named.
    listing: Option<BTreeSet<Arc<str>>>,
    deleted: Deleted,
    synced: bool,
}

impl RuleIndex {
    pub(crate) fn get(&self, name: &str) -> Option<&RuleEntry> {
        self.rules.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut RuleEntry> {
        self.rules.get_mut(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &RuleEntry)> {
        self.rules.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut RuleEntry)> {
        self.rules.iter_mut()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns the name of the rule that a label stands for.
    pub(crate) fn by_label(&self, label: &str) -> Option<&Arc<str>> {
        self.labels.get(label)
    }

    /// Returns whether a label stands for a rule that cannot be read.
    pub(crate) fn is_unreadable(&self, label: &str) -> bool {
        self.unreadable.contains(label)
    }

    /// Returns whether a whole list was taken in.
    pub(crate) fn synced(&self) -> bool {
        self.synced
    }

    /// A list begins: what it does not name is gone at its end.
    pub(crate) fn begin_resync(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// A rule of this name is there, and can be read.
    pub(crate) fn note_readable(&mut self, name: &Arc<str>) {
        self.unreadable.remove(&names::label_value(name));
        self.list(name);
    }

    /// A rule of this name is there, and cannot be read.
    pub(crate) fn note_unreadable(&mut self, name: &str) {
        self.unreadable.insert(names::label_value(name));
        self.list(&name.into());
    }

    fn list(&mut self, name: &Arc<str>) {
        if let Some(listing) = &mut self.listing {
            listing.insert(Arc::clone(name));
        }
    }

    /// The list is complete. Returns the rules that it did not name.
    pub(crate) fn end_resync(&mut self) -> Vec<Arc<str>> {
        self.synced = true;
        let Some(listed) = self.listing.take() else { return Vec::new() };
        self.rules.keys().filter(|name| !listed.contains(*name)).cloned().collect()
    }

    /// A deletion was seen.
    pub(crate) fn note_deleted(&mut self, name: &str, version: u64) {
        self.deleted.note(cluster_key(name), version);
    }

    /// Returns whether an answer of this version is from before the deletion of the rule.
    pub(crate) fn deleted_since(&self, name: &str, version: u64) -> bool {
        self.deleted.covers("", name, version)
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, entry: RuleEntry) {
        self.labels.insert(names::label_value(&name), Arc::clone(&name));
        self.rules.insert(name, entry);
    }

    /// Removes a rule, if it has this UID or none is given. Returns whether it was there.
    pub(crate) fn remove(&mut self, name: &str, uid: Option<&str>) -> bool {
        if self.get(name).is_some_and(|entry| uid.is_some_and(|uid| uid != entry.uid())) {
            return false;
        }
        self.labels.remove(&names::label_value(name));
        self.rules.remove(name).is_some()
    }
}
