//! Which object a sample belongs to.

use fixedbitset::FixedBitSet;

use crate::observe::World;
use crate::prometheus::{Answer, Sample};

/// Returns the selected objects that samples with a real value belong to. A sample that is recognized by the name of its
/// PVC counts only for a PVC that was created at `oldest` (in Unix seconds) or before.
pub(crate) fn with_values<'a>(
    world: &World,
    selected: &FixedBitSet,
    answer: &'a Answer,
    oldest: i64,
) -> Vec<(u32, &'a Sample)> {
    answer
        .samples
        .iter()
        .filter(|sample| sample.value.is_finite())
        .filter_map(|sample| Some((owner(world, sample, oldest)?, sample)))
        .filter(|(slot, _)| selected.contains(*slot as usize))
        .collect()
}

/// Returns the selected objects that samples name, whatever their value and age: for these a series exists.
pub(crate) fn named<'a>(
    world: &'a World,
    selected: &'a FixedBitSet,
    answer: &'a Answer,
) -> impl Iterator<Item = u32> + use<'a> {
    let slots = answer.samples.iter().filter_map(|sample| owner(world, sample, i64::MAX));
    slots.filter(|slot| selected.contains(*slot as usize))
}

/// Returns the object that a sample belongs to. A name may have been used before, and samples of the old volume may still
/// be answered: a sample that is recognized by the name of its PVC counts only for a PVC that was created at `oldest` or
/// before.
fn owner(world: &World, sample: &Sample, oldest: i64) -> Option<u32> {
    if let Some(volume) = &sample.volume
        && let Some(slot) = world.claims.by_volume(volume)
    {
        return Some(slot);
    }
    if let (Some(namespace), Some(claim)) = (&sample.namespace, &sample.claim)
        && let Some(slot) = world.claims.by_name(namespace, claim)
    {
        return world.claims.get(slot).is_some_and(|c| c.created <= oldest).then_some(slot);
    }
    world.claims.by_volume(sample.pv.as_deref()?)
}

/// Returns the set of these slots, with room for `len`.
pub(crate) fn slot_set(len: usize, slots: impl Iterator<Item = u32>) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(len);
    for slot in slots {
        set.insert(slot as usize);
    }
    set
}
