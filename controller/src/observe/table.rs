//! Records by namespace and name that only move forward: an older version never replaces a newer one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Namespace (empty for cluster-scoped kinds) and name.
pub type Key = (Arc<str>, Arc<str>);

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
    synced: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { records: HashMap::new(), listing: None, written: HashMap::new(), synced: false }
    }
}

impl<T: Versioned> Table<T> {
    /// The record of a name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.records.get(&(Arc::from(namespace), Arc::from(name)))
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

    /// Takes in the answer to one of our own writes: a list that was read before it must not make it gone.
    pub fn put_written(&mut self, key: Key, record: T) -> bool {
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

    /// A deletion was seen, at a version; a newer record of that name stays.
    pub fn remove(&mut self, key: &Key, version: u64) -> Option<T> {
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
