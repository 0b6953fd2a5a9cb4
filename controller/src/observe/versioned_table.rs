//! Records by namespace and name that only move forward: an older version never replaces a newer one.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

/// Namespace (empty for cluster-scoped kinds) and name.
pub type Key = (Arc<str>, Arc<str>);

/// A key that is looked up and not kept. Hashed as [`Key`] is.
#[derive(Hash)]
struct Name<'a>(&'a str, &'a str);

impl Equivalent<Key> for Name<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1
    }
}

/// A record that knows its resourceVersion.
pub trait Versioned {
    /// As a number; see [`super::version`].
    fn version(&self) -> u64;
}

/// A kind's records, fed by a watch and by the answers to our own writes.
#[derive(Debug)]
pub struct Table<T> {
    records: HashMap<Key, T>,
    listing: Option<HashSet<Key>>,
    /// Answers to our own writes that no watch has shown yet.
    written: HashMap<Key, u64>,
    deleted: Deleted,
    synced: bool,
}

/// Deletions that a watch has shown, with their versions: the answer to a request may come later, and must not bring
/// back what is gone.
#[derive(Debug, Default)]
pub struct Deleted(HashMap<Key, u64>);

/// Deletions that are remembered: far more than there are requests in flight.
const REMEMBERED: usize = 4096;

impl Deleted {
    /// A deletion was seen, at a version.
    pub fn note(&mut self, key: Key, version: u64) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, version);
    }

    /// Whether an answer of this version is from before the deletion.
    pub fn covers(&self, namespace: &str, name: &str, version: u64) -> bool {
        self.0.get(&Name(namespace, name)).is_some_and(|at| *at >= version)
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            records: HashMap::new(),
            listing: None,
            written: HashMap::new(),
            deleted: Deleted::default(),
            synced: false,
        }
    }
}

impl<T: Versioned> Table<T> {
    /// The record of a name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.records.get(&Name(namespace, name))
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.records.iter()
    }

    /// A whole list was taken in at least once.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// A list begins: what it does not name is gone at its end.
    pub fn start(&mut self) {
        self.listing = Some(HashSet::new());
    }

    /// Takes in a record, from a list, a watch or the answer to a write; whether it was news.
    pub fn put(&mut self, key: Key, record: T) -> bool {
        if let Some(listing) = &mut self.listing {
            listing.insert(key.clone());
        }
        if self.written.get(&key).is_some_and(|version| *version <= record.version()) {
            self.written.remove(&key);
        }
        self.take(key, record)
    }

    /// Takes in the answer to one of our own writes: a list that was read before it must not make it gone, and it must
    /// not make there what has been deleted since.
    pub fn put_written(&mut self, key: Key, record: T) -> bool {
        if self.deleted.covers(&key.0, &key.1, record.version()) {
            return false;
        }
        self.written.insert(key.clone(), record.version());
        self.take(key, record)
    }

    /// A record is there that cannot be read: the known one stays.
    pub fn unreadable(&mut self, key: Key) {
        if let Some(listing) = &mut self.listing {
            listing.insert(key);
        }
    }

    fn take(&mut self, key: Key, record: T) -> bool {
        match self.records.get(&key) {
            Some(known) if known.version() >= record.version() => false,
            _ => {
                self.records.insert(key, record);
                true
            }
        }
    }

    /// A deletion was seen, at a version (`u64::MAX` where it is not known); a newer record of that name stays.
    pub fn remove(&mut self, key: &Key, version: u64) -> Option<T> {
        if version < u64::MAX {
            self.deleted.note(key.clone(), version);
        }
        if self.records.get(key).is_some_and(|known| known.version() > version) {
            return None;
        }
        self.written.remove(key);
        self.records.remove(key)
    }

    /// The list is complete. Returns what it did not name and is gone, and what it did not name although we wrote it
    /// and no watch has shown it since: that may be newer than the list, or gone, and must be read.
    pub fn finish(&mut self) -> (Vec<(Key, T)>, Vec<Key>) {
        self.synced = true;
        let Some(listed) = self.listing.take() else {
            return (Vec::new(), Vec::new());
        };
        let missing = self.records.keys().filter(|k| !listed.contains(*k)).cloned();
        let (doubtful, gone): (Vec<Key>, Vec<Key>) = missing.partition(|key| self.written.contains_key(key));
        let gone = gone.into_iter().filter_map(|key| self.records.remove(&key).map(|record| (key, record)));
        (gone.collect(), doubtful)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Versioned for u64 {
        fn version(&self) -> u64 {
            *self
        }
    }

    fn key(name: &str) -> Key {
        ("".into(), name.into())
    }

    #[test]
    fn a_record_never_goes_back_in_time() {
        let mut table = Table::default();
        assert!(table.put(key("a"), 5));
        assert!(!table.put(key("a"), 4), "a stale watch event");
        assert!(table.remove(&key("a"), 4).is_none(), "a stale deletion");
        assert_eq!(table.get("", "a"), Some(&5));
        assert!(table.remove(&key("a"), 6).is_some());
    }

    #[test]
    fn a_late_answer_to_a_write_brings_nothing_back() {
        let mut table = Table::default();
        table.put(key("a"), 5);
        // Given a write at 6 whose answer is on its way, and a deletion that the watch shows before.
        assert_eq!(table.remove(&key("a"), 7), Some(5));
        assert!(!table.put_written(key("a"), 6));
        assert_eq!(table.get("", "a"), None);
        // One that was made again under that name is another.
        assert!(table.put_written(key("a"), 9));
    }

    #[test]
    fn what_a_new_list_lacks_is_gone_but_not_what_we_wrote_meanwhile() {
        let mut table = Table::default();
        table.put(key("a"), 1);
        table.put(key("b"), 1);
        table.start();
        table.put(key("b"), 1);
        table.put(key("ours"), 9);
        assert!(!table.synced());
        let (gone, doubtful) = table.finish();
        assert_eq!((gone, doubtful), (vec![(key("a"), 1)], vec![]));
        assert!(table.synced() && table.get("", "ours").is_some());

        // Given a write that was answered before its list begins, and that the list was read too early to name.
        table.put_written(key("early"), 7);
        table.start();
        table.put(key("b"), 1);
        let (gone, doubtful) = table.finish();
        assert_eq!((gone, doubtful), (vec![(key("ours"), 9)], vec![key("early")]));
        // Once a watch has shown it, a list that lacks it says that it is gone.
        table.put(key("early"), 7);
        table.start();
        table.put(key("b"), 1);
        assert_eq!(table.finish(), (vec![(key("early"), 7)], vec![]));
    }
}
