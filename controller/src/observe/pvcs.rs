//! PVCs as slim records: about 200 bytes each instead of the 13 kB of the typed object.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use autopilot_shared::quantity::Size;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::decide::view::ResizeReport;

/// Labels, shared between objects that have the same.
pub type Labels = Arc<BTreeMap<String, String>>;

/// Name, volume and UID of a PVC, in one piece of memory. Most volumes are called `pvc-<UID>`: then the UID is kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvcNames {
    all: Box<str>,
    volume: u32,
    name: u16,
    volume_ends_in_uid: bool,
}

impl PvcNames {
    /// Of a PVC with this name (at most 253 bytes, as the API has it), `spec.volumeName` (empty before it is bound) and UID.
    pub fn new(name: &str, volume: &str, uid: &str) -> Self {
        let volume_ends_in_uid = volume.strip_suffix(uid) == Some("pvc-");
        let all = [name, volume, if volume_ends_in_uid { "" } else { uid }].concat().into();
        PvcNames {
            all,
            volume: u32::try_from(volume.len()).unwrap_or(0),
            name: u16::try_from(name.len()).unwrap_or(0),
            volume_ends_in_uid,
        }
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.all[..usize::from(self.name)]
    }

    /// The object id.
    pub fn volume(&self) -> &str {
        &self.all[usize::from(self.name)..][..self.volume as usize]
    }

    /// UID.
    pub fn uid(&self) -> &str {
        let before = if self.volume_ends_in_uid { "pvc-".len() } else { self.volume as usize };
        &self.all[usize::from(self.name) + before..]
    }
}

/// Properties that only few PVCs have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rare {
    /// The text of the request, where it is not the canonical one: the API keeps some texts as they were written.
    pub request_text: Option<Box<str>>,
    /// GitOps tool that owns the size, where nobody said that this does not matter.
    pub size_in_git: Option<Arc<str>>,
    /// The storage's report on a resize.
    pub resize: ResizeReport,
}

/// The properties of a PVC that decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Pvc {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name, volume, UID.
    pub names: PvcNames,
    /// resourceVersion as a number.
    pub version: u64,
    /// Seconds since the epoch.
    pub created: i64,
    /// Requested size.
    pub request: Size,
    /// Size that the storage reports.
    pub capacity: Size,
    /// StorageClass.
    pub class: Option<Arc<str>>,
    /// Labels.
    pub labels: Labels,
    /// Properties that most PVCs lack.
    pub rare: Option<Box<Rare>>,
    /// When the storage last reported another size, in seconds since the epoch; zero for the size it was made with.
    pub resized: u32,
    /// Phase is `Bound`.
    pub bound: bool,
    /// Has a deletion timestamp.
    pub deleting: bool,
}

impl Pvc {
    /// Name.
    pub fn name(&self) -> &str {
        self.names.name()
    }

    /// `spec.volumeName`: the object id. Empty before it is bound.
    pub fn volume(&self) -> &str {
        self.names.volume()
    }

    /// UID.
    pub fn uid(&self) -> &str {
        self.names.uid()
    }

    /// Whether it is an object that rules can act on.
    pub fn is_object(&self) -> bool {
        self.bound && !self.volume().is_empty()
    }
}

/// All PVCs, by position, by name and by volume.
#[derive(Debug, Default)]
pub struct Pvcs {
    slots: Vec<Option<Pvc>>,
    free: Vec<u32>,
    names: HashTable<u32>,
    volumes: HashTable<u32>,
    hasher: DefaultHashBuilder,
    texts: HashSet<Arc<str>>,
    label_sets: HashSet<Labels>,
}

/// A change of the records.
#[derive(Debug)]
pub struct Change {
    /// Its position.
    pub slot: u32,
    /// The record that was there before.
    pub before: Option<Pvc>,
}

impl Pvcs {
    /// The PVC at a position.
    pub fn get(&self, slot: u32) -> Option<&Pvc> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Positions ever used; bit sets over positions are this long.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// All PVCs with their positions.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Pvc)> {
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
            |slot: &u32| self.get(*slot).is_some_and(|c| &*c.namespace == namespace && c.name() == name);
        self.names.find(self.hash((namespace, name)), same).copied()
    }

    /// Position of the bound PVC of a volume.
    pub fn by_volume(&self, volume: &str) -> Option<u32> {
        let same = |slot: &u32| self.get(*slot).is_some_and(|c| c.is_object() && c.volume() == volume);
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
        // Sets that nobody uses any more go when the number has doubled, so that churn does not cost memory indefinitely.
        if self.label_sets.len() >= 1024 && self.label_sets.len() > 2 * self.len() {
            self.label_sets.retain(|set| Arc::strong_count(set) > 1);
        }
        let new = Arc::new(labels);
        self.label_sets.insert(Arc::clone(&new));
        new
    }

    /// Takes in a PVC; an older version than the known one changes nothing.
    pub fn put(&mut self, claim: Pvc) -> Option<Change> {
        match self.by_name(&claim.namespace, claim.name()) {
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
                        // In small steps: a vector that doubles is half empty.
                        if self.slots.len() == self.slots.capacity() {
                            self.slots.reserve_exact(self.slots.len() / 16 + 64);
                        }
                        self.slots.push(None);
                        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
                    }
                };
                let hash = self.hash((&*claim.namespace, claim.name()));
                self.index_volume(slot, claim);
                let (slots, hasher) = (&self.slots, &self.hasher);
                self.names.insert_unique(hash, slot, |slot| {
                    slots[*slot as usize].as_ref().map_or(0, |c| hasher.hash_one((&*c.namespace, c.name())))
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

    fn unindex_volume(&mut self, slot: u32) -> Option<Pvc> {
        let before = self.slots[slot as usize].take();
        if let Some(claim) = &before {
            let hash = self.hash(claim.volume());
            if let Ok(entry) = self.volumes.find_entry(hash, |other| *other == slot) {
                entry.remove();
            }
        }
        before
    }

    fn index_volume(&mut self, slot: u32, claim: Pvc) {
        let hash = self.hash(claim.volume());
        let indexed = !claim.volume().is_empty();
        self.slots[slot as usize] = Some(claim);
        if indexed {
            let (slots, hasher) = (&self.slots, &self.hasher);
            self.volumes.insert_unique(hash, slot, |slot| {
                slots[*slot as usize].as_ref().map_or(0, |c| hasher.hash_one(c.volume()))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, volume: &str, version: u64) -> Pvc {
        Pvc {
            namespace: "ns".into(),
            names: PvcNames::new(name, volume, "u"),
            version,
            created: 0,
            request: Size::default(),
            capacity: Size::default(),
            class: None,
            labels: Labels::default(),
            rare: None,
            resized: 0,
            bound: true,
            deleting: false,
        }
    }

    #[test]
    fn names_come_out_as_they_went_in() {
        for (volume, uid) in
            [("pvc-1234", "1234"), ("pvc-1234", "234"), ("other", "1"), ("", "1"), ("pvc-", "")]
        {
            let names = PvcNames::new("data", volume, uid);
            assert_eq!((names.name(), names.volume(), names.uid()), ("data", volume, uid));
        }
    }

    #[test]
    fn a_claim_is_found_by_name_and_volume_until_it_goes() {
        let mut claims = Pvcs::default();
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
