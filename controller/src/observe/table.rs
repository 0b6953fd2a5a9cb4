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
    synced: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { records: HashMap::new(), listing: None, synced: false }
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
        self.records.remove(key)
    }

    /// The list is complete. Returns what it did not name.
    pub fn finish(&mut self) -> Vec<(Key, T)> {
        self.synced = true;
        let Some(listed) = self.listing.take() else {
            return Vec::new();
        };
        let gone: Vec<Key> = self.records.keys().filter(|k| !listed.contains(*k)).cloned().collect();
        gone.into_iter().filter_map(|key| self.records.remove(&key).map(|record| (key, record))).collect()
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
        let gone = table.finish();
        assert_eq!(gone, [(key("a"), 1)]);
        assert!(table.synced() && table.get("", "ours").is_some());
    }
}
