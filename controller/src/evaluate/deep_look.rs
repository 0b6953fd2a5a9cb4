//! Deep looks: when a pass also asks which objects have data at all, a long answer that most passes do without.

use jiff::{SignedDuration, Timestamp};

/// A deep look at which objects have data, at least this often.
const DEEP: SignedDuration = SignedDuration::from_secs(600);
/// A deep look because the number of series changed, at most this often.
const DEEP_ON_CHANGE: SignedDuration = SignedDuration::from_secs(60);
/// Longest pause between deep looks for objects that stay unknown.
const LONGEST_SCAN_PAUSE: SignedDuration = SignedDuration::from_secs(300);
/// Deep looks with every pass before the pauses begin.
const EAGER_LOOKS: u32 = 6;

/// How urgent a deep look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LookDepth {
    /// No object waits for a deep look.
    Shallow,
    /// Only objects wait that had no data the last time: deep, but not with every pass.
    DeepInTime,
    /// A state depends on it: deep in this pass.
    DeepNow,
}

/// The deep looks at one rule so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// Series per expression at the last deep look.
    pub(crate) counts: Vec<Option<u64>>,
    /// The last deep look.
    pub(crate) last: Option<Timestamp>,
    /// Deep looks in a row that left objects unknown.
    pub(crate) fruitless: u32,
    /// No selected object had any data at the last deep look, nor has one had since.
    pub(crate) none_matched: bool,
}

impl Scan {
    /// Returns whether a deep look is due, given the series counted now.
    pub(crate) fn is_due(&self, counts: &[Option<u64>], depth: LookDepth, now: Timestamp) -> bool {
        let Some(last) = self.last else { return true };
        let since = now.duration_since(last);
        // Objects that stay unknown are looked for again and again, less and less often.
        let pause = i64::from(self.fruitless.saturating_sub(EAGER_LOOKS)) * 10;
        let pause = SignedDuration::from_secs(pause).min(LONGEST_SCAN_PAUSE);
        let changed = counts.iter().zip(&self.counts).any(|(now, then)| now.is_some() && now != then);
        depth == LookDepth::DeepNow
            || (depth == LookDepth::DeepInTime && since >= pause)
            || (changed && since >= DEEP_ON_CHANGE)
            || since >= DEEP
    }

    /// Records a deep look. `left`: it left objects or expressions without data.
    pub(crate) fn record(&mut self, counts: &[Option<u64>], none_matched: bool, left: bool, now: Timestamp) {
        self.none_matched = none_matched;
        self.fruitless = if left { self.fruitless.saturating_add(1) } else { 0 };
        self.last = Some(now);
        counts.clone_into(&mut self.counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_look_is_due_when_a_state_depends_on_it_when_series_change_or_in_time() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let scan = |fruitless| {
            let mut scan = Scan::default();
            scan.record(&[Some(3)], false, false, at(1000));
            scan.fruitless = fruitless;
            scan
        };
        let (same, more) = ([Some(3)], [Some(4)]);
        assert!(Scan::default().is_due(&same, LookDepth::Shallow, at(0)), "the first pass is deep");
        let table = [
            (0, &same, LookDepth::DeepNow, 0, true),
            (0, &same, LookDepth::DeepInTime, 0, true),
            (EAGER_LOOKS + 1, &same, LookDepth::DeepInTime, 9, false),
            (EAGER_LOOKS + 1, &same, LookDepth::DeepInTime, 10, true),
            (EAGER_LOOKS + 90, &same, LookDepth::DeepInTime, 299, false),
            (EAGER_LOOKS + 90, &same, LookDepth::DeepInTime, 300, true),
            (0, &same, LookDepth::Shallow, 599, false),
            (0, &same, LookDepth::Shallow, 600, true),
            (0, &more, LookDepth::Shallow, 59, false),
            (0, &more, LookDepth::Shallow, 60, true),
            // A count that is not known is no change.
            (0, &[None], LookDepth::Shallow, 60, false),
        ];
        for (fruitless, counts, depth, after, due) in table {
            let said = scan(fruitless).is_due(counts, depth, at(1000 + after));
            assert_eq!(said, due, "{fruitless} fruitless, {counts:?}, {depth:?}, after {after} s");
        }
    }
}
