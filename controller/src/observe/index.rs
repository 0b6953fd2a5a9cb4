//! How the records of a kind follow its watch: one way for all kinds.

use autopilot_shared::api::{ActionApproval, AutopilotRuleObject};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, ResourceQuota};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use std::sync::Arc;
use tracing::error;

use super::project::{self, Unreadable, readable};
use super::pvcs::{Change, Labels};
use super::versioned_table::{Key, Table, Versioned};
use super::watch::WatchEvent;
use super::world::{At, World, cluster_key};
use crate::decide::view::{Approval, Journal, QuotaRoom};

/// Records of one kind, kept from its watch.
pub(crate) trait KindIndex {
    /// An object as the watch brings it.
    type Object;
    /// A change that somebody has to know of.
    type Change;

    /// A list begins.
    fn reset_begin(&mut self);

    /// An object exists.
    fn apply(&mut self, object: Self::Object) -> Option<Self::Change>;

    /// An object was deleted.
    fn delete(&mut self, object: Self::Object) -> Option<Self::Change>;

    /// The list is complete: what it did not name is gone.
    fn reset_end(&mut self) -> Vec<Self::Change>;

    /// Takes a step of the watch. Returns what it has changed.
    fn take(&mut self, event: WatchEvent<Box<Self::Object>>) -> Vec<Self::Change> {
        match event {
            WatchEvent::ResetBegin => {
                self.reset_begin();
                Vec::new()
            }
            WatchEvent::Apply(object) => self.apply(*object).into_iter().collect(),
            WatchEvent::Delete(object) => self.delete(*object).into_iter().collect(),
            WatchEvent::ResetEnd => self.reset_end(),
        }
    }
}

/// A change of a record under a key.
#[derive(Debug)]
pub(crate) enum TableChange<T> {
    /// It is new, or another than before.
    Changed(Key),
    /// It is gone; as it was last.
    Gone(Key, T),
    /// A list lacks it although we wrote it: the list may be older than the write, and the object must be read.
    Doubtful(Key),
}

impl<T: Versioned> Table<T> {
    fn changed(&mut self, key: Key, record: T) -> Option<TableChange<T>> {
        self.put(key.clone(), record).then_some(TableChange::Changed(key))
    }

    fn gone(&mut self, key: Key, last: T) -> Option<TableChange<T>> {
        self.remove(&key, last.version())?;
        Some(TableChange::Gone(key, last))
    }

    fn finished(&mut self) -> Vec<TableChange<T>> {
        let (gone, doubtful) = self.finish();
        let gone = gone.into_iter().map(|(key, last)| TableChange::Gone(key, last));
        gone.chain(doubtful.into_iter().map(TableChange::Doubtful)).collect()
    }

    fn keep_unreadable(&mut self, bad: Unreadable) {
        self.unreadable((bad.namespace.into(), bad.name.into()));
    }
}

impl KindIndex for Table<Approval> {
    type Object = DeserializeGuard<ActionApproval>;
    type Change = TableChange<Approval>;

    fn reset_begin(&mut self) {
        self.start();
    }

    fn apply(&mut self, object: Self::Object) -> Option<Self::Change> {
        match readable(object) {
            Ok(object) => self.changed(key_of(&object), project::approval(object)),
            Err(bad) => {
                error!(approval = bad.name, why = bad.why, "an approval cannot be read; it is ignored");
                self.keep_unreadable(bad);
                None
            }
        }
    }

    fn delete(&mut self, object: Self::Object) -> Option<Self::Change> {
        let object = readable(object).ok()?;
        self.gone(key_of(&object), project::approval(object))
    }

    fn reset_end(&mut self) -> Vec<Self::Change> {
        self.finished()
    }
}

impl KindIndex for Table<Journal> {
    type Object = DeserializeGuard<AutopilotRuleObject>;
    type Change = TableChange<Journal>;

    fn reset_begin(&mut self) {
        self.start();
    }

    fn apply(&mut self, object: Self::Object) -> Option<Self::Change> {
        match readable(object) {
            Ok(object) => self.changed(key_of(&object), project::journal(object)),
            Err(bad) => {
                error!(rule_object = bad.name, why = bad.why, "a rule object cannot be read; it is ignored");
                self.keep_unreadable(bad);
                None
            }
        }
    }

    /// Returns the record that was known: what the journal said when it went.
    fn delete(&mut self, object: Self::Object) -> Option<Self::Change> {
        let object = readable(object).ok()?;
        let (key, version) = (key_of(&object), version_of(&object));
        let gone = self.remove(&key, version)?;
        Some(TableChange::Gone(key, gone))
    }

    fn reset_end(&mut self) -> Vec<Self::Change> {
        self.finished()
    }
}

/// PVCs. Their records are of another make than tables.
pub(crate) struct PvcIndex<'a>(pub(crate) &'a mut World);

impl KindIndex for PvcIndex<'_> {
    type Object = PersistentVolumeClaim;
    type Change = Change;

    fn reset_begin(&mut self) {
        self.0.claims_start();
    }

    fn apply(&mut self, object: Self::Object) -> Option<Change> {
        self.0.claim(&object)
    }

    fn delete(&mut self, object: Self::Object) -> Option<Change> {
        self.0.claim_gone(&object)
    }

    fn reset_end(&mut self) -> Vec<Change> {
        self.0.claims_done()
    }
}

/// A change is the name of a namespace whose labels are others than before.
impl KindIndex for Table<At<Labels>> {
    type Object = Namespace;
    type Change = String;

    fn reset_begin(&mut self) {
        self.start();
    }

    fn apply(&mut self, object: Namespace) -> Option<String> {
        let (name, version) = (object.name_any(), version_of(&object));
        let labels = Arc::new(object.metadata.labels.unwrap_or_default());
        let before = self.get("", &name).map(|At(_, labels)| Arc::clone(labels));
        let news = self.put(cluster_key(&name), At(version, Arc::clone(&labels)));
        (news && before != Some(labels)).then_some(name)
    }

    fn delete(&mut self, object: Namespace) -> Option<String> {
        self.remove(&cluster_key(&object.name_any()), version_of(&object));
        None
    }

    fn reset_end(&mut self) -> Vec<String> {
        self.finish();
        Vec::new()
    }
}

impl KindIndex for Table<At<bool>> {
    type Object = StorageClass;
    type Change = std::convert::Infallible;

    fn reset_begin(&mut self) {
        self.start();
    }

    fn apply(&mut self, object: StorageClass) -> Option<Self::Change> {
        let expandable = object.allow_volume_expansion == Some(true);
        self.put(cluster_key(&object.name_any()), At(version_of(&object), expandable));
        None
    }

    fn delete(&mut self, object: StorageClass) -> Option<Self::Change> {
        self.remove(&cluster_key(&object.name_any()), version_of(&object));
        None
    }

    fn reset_end(&mut self) -> Vec<Self::Change> {
        self.finish();
        Vec::new()
    }
}

/// A change is the namespace whose quotas have to be counted again.
impl KindIndex for Table<At<Vec<QuotaRoom>>> {
    type Object = ResourceQuota;
    type Change = String;

    fn reset_begin(&mut self) {
        self.start();
    }

    fn apply(&mut self, object: ResourceQuota) -> Option<String> {
        let news = self.put(key_of(&object), At(version_of(&object), project::quotas(&object)));
        news.then(|| object.namespace().unwrap_or_default())
    }

    fn delete(&mut self, object: ResourceQuota) -> Option<String> {
        self.remove(&key_of(&object), version_of(&object));
        Some(object.namespace().unwrap_or_default())
    }

    fn reset_end(&mut self) -> Vec<String> {
        self.finish().0.into_iter().map(|((namespace, _), _)| namespace.to_string()).collect()
    }
}

/// Returns the key of an object's record.
pub(crate) fn key_of(object: &impl kube::Resource) -> Key {
    (
        object.meta().namespace.as_deref().unwrap_or_default().into(),
        object.meta().name.as_deref().unwrap_or_default().into(),
    )
}

fn version_of(object: &impl kube::Resource) -> u64 {
    project::version(object.meta().resource_version.as_deref())
}
