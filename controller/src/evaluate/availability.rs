//! Whether there is data for a rule, and what people are told if there is none.

use super::facts::SampleFacts;

/// Whether the metrics of a rule can be judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Availability {
    /// Not asked yet, or nothing to ask for.
    #[default]
    Unknown,
    /// There is data; with a remark for people.
    Available(String),
    /// There is none: a word for machines and a sentence for people.
    Missing(&'static str, String),
}

/// Returns whether there is data for a rule that selects `selected` objects, of which `without` could not be judged at the
/// last deep look. `none_matched`: no series belonged to any of them.
pub(crate) fn of_objects(
    facts: &SampleFacts,
    selected: usize,
    without: usize,
    none_matched: bool,
) -> Availability {
    let empty = facts.counts.iter().position(|count| *count == Some(0));
    let warnings = facts.warnings.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
    if let Some(i) = empty {
        return Availability::Missing(
            "NoSeries",
            format!("expressions[{i}]: the query answers no series; is its metric scraped? {warnings}")
                .trim_end()
                .to_owned(),
        );
    }
    if selected > 0 && without >= selected {
        let message = if none_matched {
            format!(
                "no series belongs to any of the {selected} selected objects: a series needs a finite value and \
                 label volumename, or namespace and persistentvolumeclaim, or pv"
            )
        } else {
            format!(
                "none of the {selected} selected objects can be judged: for each, an expression has no series"
            )
        };
        return Availability::Missing("NoMatchingSeries", message);
    }
    if without > 0 {
        let remark = format!(
            "{without} of {selected} objects cannot be judged: an expression has no data for them {warnings}"
        );
        return Availability::Available(remark.trim_end().to_owned());
    }
    Availability::Available(warnings)
}

/// Returns whether there is data for a rule on pools, of which so many were named.
pub(crate) fn of_pools(named: usize) -> Availability {
    if named == 0 {
        Availability::Missing(
            "NoMatchingSeries",
            "no series carries a label pool and a finite value".to_owned(),
        )
    } else {
        Availability::Available(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_data_unless_a_query_or_every_object_has_no_series() {
        let facts = |counts: &[Option<u64>], warnings: &[&str]| SampleFacts {
            hits: Vec::new(),
            present: Vec::new(),
            counts: counts.to_vec(),
            warnings: warnings.iter().map(|w| (*w).to_owned()).collect(),
        };
        let said = |facts: &SampleFacts, selected, without, none_matched| match of_objects(
            facts,
            selected,
            without,
            none_matched,
        ) {
            Availability::Unknown => ("Unknown", String::new()),
            Availability::Available(remark) => ("Available", remark),
            Availability::Missing(reason, message) => (reason, message),
        };
        let counted = facts(&[Some(2), None], &[]);
        assert_eq!(said(&counted, 3, 0, false), ("Available", String::new()));
        assert_eq!(said(&facts(&[None], &["a", "b"]), 3, 0, false), ("Available", "a; b".to_owned()));
        let (word, remark) = said(&counted, 3, 1, false);
        assert!(word == "Available" && remark.starts_with("1 of 3 objects cannot be judged"), "{remark}");
        assert!(!remark.ends_with(' '), "{remark:?}");
        let (word, message) = said(&counted, 3, 3, true);
        assert!(word == "NoMatchingSeries" && message.starts_with("no series belongs"), "{message}");
        let (word, message) = said(&counted, 3, 3, false);
        assert!(word == "NoMatchingSeries" && message.starts_with("none of the 3"), "{message}");
        let (word, message) = said(&facts(&[Some(2), Some(0)], &[]), 3, 0, false);
        assert!(word == "NoSeries" && message.starts_with("expressions[1]: "), "{message}");
        // Without objects there is nobody to be without data.
        assert_eq!(said(&counted, 0, 0, true), ("Available", String::new()));
    }
}
