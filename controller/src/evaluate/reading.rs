//! The latest that is known of one (rule, object) pair, and whether it is newer than a change of the object's size.

use jiff::Timestamp;

use super::verdict::Verdict;

/// A value, and the text in which Prometheus sent it.
pub type Value = (f64, Box<str>);

/// The values of an object at the time when its size changed: data that still looks like this may be older than the
/// change.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// When the new size was complete.
    pub at: Timestamp,
    /// The values at that time, in the order of the rule's expressions.
    pub values: Vec<Option<f64>>,
    /// Old size divided by new size.
    pub ratio: f64,
}

/// The latest data of one pair.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Reading {
    /// The verdict of the last pass.
    pub verdict: Verdict,
    /// The time that the queries of that pass carried.
    pub at: Option<Timestamp>,
    /// The values that passed, in the order of the rule's expressions.
    pub values: Vec<Option<Value>>,
    /// Since when the verdict has been `NotMet`, if it is.
    pub cleared_since: Option<Timestamp>,
    /// The last pass whose verdict was `NotMet`: data that has moved since a change of size.
    pub last_not_met: Option<Timestamp>,
    /// The last change of size that this process saw.
    pub baseline: Option<Baseline>,
}

impl Reading {
    /// Returns the values as numbers.
    pub fn numbers(&self) -> Vec<Option<f64>> {
        self.values.iter().map(|v| v.as_ref().map(|(n, _)| *n)).collect()
    }

    /// Returns whether the data has moved since a change of size. Conditions that did not hold in between show that it has,
    /// whatever it looks like now.
    pub fn newer_than(&self, baseline: &Baseline) -> bool {
        moved(baseline, &self.numbers()) || self.last_not_met.is_some_and(|at| at > baseline.at)
    }

    /// Returns what remains of it after the conditions were edited: a change of size that the data did not show yet.
    pub fn under_other_conditions(&self) -> Reading {
        let open = self.baseline.as_ref().filter(|baseline| !self.newer_than(baseline));
        let baseline = open.map(|baseline| Baseline { values: Vec::new(), ..baseline.clone() });
        Reading { baseline, ..Reading::default() }
    }

    /// Applies the verdict of a pass.
    pub fn take(&mut self, verdict: Verdict, at: Timestamp, values: Vec<Option<Value>>) {
        self.cleared_since = match verdict {
            // A time in the future is from before the clock was set back.
            Verdict::NotMet => self.cleared_since.filter(|since| *since <= at).or(Some(at)),
            // No data neither holds nor clears.
            Verdict::NoData => self.cleared_since,
            Verdict::Met => None,
        };
        if verdict == Verdict::NotMet {
            self.last_not_met = Some(at);
        }
        self.verdict = verdict;
        self.at = Some(at);
        self.values = values;
    }
}

/// Returns whether values are newer than a change of size. A resize moves a value that has to do with the size by a known
/// share; half of it is asked for, since a drift of stale data must not pass for new data.
pub fn moved(baseline: &Baseline, now: &[Option<f64>]) -> bool {
    let share = 0.5 * (1.0 - baseline.ratio).clamp(0.0, 1.0);
    baseline.values.iter().zip(now).any(|pair| match pair {
        (Some(then), Some(now)) => now != then && (now - then).abs() >= share * then.abs(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_size_outlives_an_edit_of_the_rule_until_the_data_shows_it() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let value = |value: f64| vec![Some((value, value.to_string().into()))];
        let mut reading = Reading::default();
        reading.take(Verdict::Met, at(10), value(60.0));
        reading.baseline = Some(Baseline { at: at(15), values: reading.numbers(), ratio: 0.5 });
        // Old data: the change is remembered, what was measured for other conditions is not.
        reading.take(Verdict::Met, at(20), value(60.5));
        let kept = reading.under_other_conditions().baseline.unwrap();
        assert_eq!((kept.at, kept.values), (at(15), Vec::new()));
        // New data, or conditions that did not hold in between: nothing is left to wait for.
        let mut moved = reading.clone();
        moved.take(Verdict::Met, at(30), value(30.0));
        assert_eq!(moved.under_other_conditions(), Reading::default());
        reading.take(Verdict::NotMet, at(30), Vec::new());
        reading.take(Verdict::Met, at(40), value(60.0));
        assert_eq!(reading.under_other_conditions(), Reading::default());
    }
}
