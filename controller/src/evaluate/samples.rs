//! Which object a sample belongs to.

use crate::observe::{SlotSet, World};
use crate::prometheus::{Answer, Sample};

/// Returns the selected objects that samples with a real value belong to. A sample that is recognized by the name of its
/// PVC counts only for a PVC that was created at `oldest` (in Unix seconds) or before.
pub(crate) fn with_values<'a>(
    world: &World,
    selected: &SlotSet,
    answer: &'a Answer,
    oldest: i64,
) -> Vec<(u32, &'a Sample)> {
    answer
        .samples
        .iter()
        .filter(|sample| sample.value.is_finite())
        .filter_map(|sample| Some((owner(world, sample, oldest)?, sample)))
        .filter(|(slot, _)| selected.contains(*slot))
        .collect()
}

/// Returns the selected objects that samples name, whatever their value and age: for these a series exists.
pub(crate) fn named<'a>(
    world: &'a World,
    selected: &'a SlotSet,
    answer: &'a Answer,
) -> impl Iterator<Item = u32> + use<'a> {
    let slots = answer.samples.iter().filter_map(|sample| owner(world, sample, i64::MAX));
    slots.filter(|slot| selected.contains(*slot))
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
