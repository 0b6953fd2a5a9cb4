//! PVCs as slim records: about 250 bytes each instead of the 13 kB of the typed object.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use autopilot_shared::quantity::Size;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::decide::ResizeReport;

/// Labels, shared between objects that have the same.
pub type Labels = Arc<BTreeMap<String, String>>;

/// What decisions need of a PVC.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Box<str>,
    /// `spec.volumeName`: the object id. Empty before it is bound.
    pub volume: Box<str>,
    /// UID.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// Seconds since the epoch.
    pub created: i64,
    /// Requested size.
    pub request: Size,
    /// The text of the request, where it is not the canonical one: the API keeps some texts as they were written.
    pub request_text: Option<Box<str>>,
    /// Size that the storage reports.
    pub capacity: Size,
    /// StorageClass.
    pub class: Option<Arc<str>>,
    /// Labels.
    pub labels: Labels,
    /// GitOps tool that owns the size.
    pub size_in_git: Option<Arc<str>>,
    /// The PVC carries `size-in-git: ignore`.
    pub ignore_size_in_git: bool,
    /// Phase is `Bound`.
    pub bound: bool,
    /// Has a deletion timestamp.
    pub deleting: bool,
    /// What the storage says of a resize, where it says something.
    pub resize: Option<Box<ResizeReport>>,
}

impl Claim {
    /// Whether it is an object that rules can act on.
    pub fn is_object(&self) -> bool {
        self.bound && !self.volume.is_empty()
    }
}

/// All PVCs, by position, by name and by volume.
#[derive(Debug, Default)]
pub struct Claims {
    slots: Vec<Option<Claim>>,
    free: Vec<u32>,
    names: HashTable<u32>,
    volumes: HashTable<u32>,
    hasher: DefaultHashBuilder,
    texts: HashSet<Arc<str>>,
    label_sets: HashSet<Labels>,
}

/// What taking in a PVC changed.
#[derive(Debug)]
pub struct Change {
    /// Its position.
    pub slot: u32,
    /// What stood there before.
    pub before: Option<Claim>,
}

impl Claims {
    /// The PVC at a position.
    pub fn get(&self, slot: u32) -> Option<&Claim> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Positions ever used; bit sets over positions are this long.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// All PVCs with their positions.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Claim)> {
        (0..).zip(&self.slots).filter_map(|(slot, claim)| Some((slot, claim.as_ref()?)))
    }

    /// Number of PVCs.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position by namespace and name.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<u32> {
        let same =
            |slot: &u32| self.get(*slot).is_some_and(|c| &*c.namespace == namespace && &*c.name == name);
        self.names.find(self.hash((namespace, name)), same).copied()
    }

    /// Position of the bound PVC of a volume.
    pub fn by_volume(&self, volume: &str) -> Option<u32> {
        let same = |slot: &u32| self.get(*slot).is_some_and(|c| c.is_object() && &*c.volume == volume);
        self.volumes.find(self.hash(volume), same).copied()
    }

    /// One copy of a text that many PVCs share.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// One copy of a set of labels that many PVCs share.
    pub fn labels(&mut self, labels: BTreeMap<String, String>) -> Labels {
        if let Some(known) = self.label_sets.get(&labels) {
            return Arc::clone(known);
        }
        // Sets that nobody uses any more go when the number has doubled, so that churn costs no memory for ever.
        if self.label_sets.len() >= 1024 && self.label_sets.len() > 2 * self.len() {
            self.label_sets.retain(|set| Arc::strong_count(set) > 1);
        }
        let new = Arc::new(labels);
        self.label_sets.insert(Arc::clone(&new));
        new
    }

    /// Takes in a PVC; an older version than the known one changes nothing.
    pub fn put(&mut self, claim: Claim) -> Option<Change> {
        match self.by_name(&claim.namespace, &claim.name) {
            Some(slot) => {
                if self.get(slot).is_some_and(|known| known.version >= claim.version) {
                    return None;
                }
                let before = self.unindex_volume(slot);
                self.index_volume(slot, claim);
                Some(Change { slot, before })
            }
            None => {
                let slot = match self.free.pop() {
                    Some(slot) => slot,
                    None => {
                        self.slots.push(None);
                        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
                    }
                };
                let hash = self.hash((&*claim.namespace, &*claim.name));
                self.index_volume(slot, claim);
                let (slots, hasher) = (&self.slots, &self.hasher);
                self.names.insert_unique(hash, slot, |slot| {
                    slots[*slot as usize].as_ref().map_or(0, |c| hasher.hash_one((&*c.namespace, &*c.name)))
                });
                Some(Change { slot, before: None })
            }
        }
    }

    /// Removes a PVC, unless a newer one of that name is known.
    pub fn remove(&mut self, namespace: &str, name: &str, version: u64) -> Option<Change> {
        let slot = self.by_name(namespace, name)?;
        if self.get(slot).is_some_and(|known| known.version > version) {
            return None;
        }
        let hash = self.hash((namespace, name));
        if let Ok(entry) = self.names.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        let before = self.unindex_volume(slot);
        self.free.push(slot);
        Some(Change { slot, before })
    }

    fn hash<T: Hash>(&self, value: T) -> u64 {
        self.hasher.hash_one(value)
    }

    fn unindex_volume(&mut self, slot: u32) -> Option<Claim> {
        let before = self.slots[slot as usize].take();
        if let Some(claim) = &before {
            let hash = self.hash(&*claim.volume);
            if let Ok(entry) = self.volumes.find_entry(hash, |other| *other == slot) {
                entry.remove();
            }
        }
        before
    }

    fn index_volume(&mut self, slot: u32, claim: Claim) {
        let hash = self.hash(&*claim.volume);
        let indexed = !claim.volume.is_empty();
        self.slots[slot as usize] = Some(claim);
        if indexed {
            let (slots, hasher) = (&self.slots, &self.hasher);
            self.volumes.insert_unique(hash, slot, |slot| {
                slots[*slot as usize].as_ref().map_or(0, |c| hasher.hash_one(&*c.volume))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, volume: &str, version: u64) -> Claim {
        Claim {
            namespace: "ns".into(),
            name: name.into(),
            volume: volume.into(),
            uid: "u".into(),
            version,
            created: 0,
            request: Size::default(),
            request_text: None,
            capacity: Size::default(),
            class: None,
            labels: Labels::default(),
            size_in_git: None,
            ignore_size_in_git: false,
            bound: true,
            deleting: false,
            resize: None,
        }
    }

    #[test]
    fn a_claim_is_found_by_name_and_volume_until_it_goes() {
        let mut claims = Claims::default();
        for i in 0..1000 {
            assert!(claims.put(claim(&format!("c{i}"), &format!("v{i}"), 1)).is_some());
        }
        let slot = claims.by_name("ns", "c77").unwrap();
        assert_eq!(claims.by_volume("v77"), Some(slot));
        assert!(claims.put(claim("c77", "v77", 1)).is_none(), "the same version changes nothing");
        assert!(claims.put(claim("c77", "other", 2)).is_some());
        assert_eq!(claims.by_volume("v77"), None);
        assert_eq!(claims.by_volume("other"), Some(slot));
        assert!(claims.remove("ns", "c77", 1).is_none(), "an old deletion does not remove a newer claim");
        assert!(claims.remove("ns", "c77", 3).is_some());
        assert_eq!((claims.by_name("ns", "c77"), claims.by_volume("other"), claims.len()), (None, None, 999));
        let again = claims.put(claim("d", "v", 9)).unwrap();
        assert_eq!(again.slot, slot, "positions are used again");
    }
}
