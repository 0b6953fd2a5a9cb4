//! Rows 8, 9 and 10: what pull requests cost, in virtual time, against a forge in memory that enforces the limits that
//! GitHub documents. It is the one of the controller's own tests.

use anyhow::Result;

use crate::budget::{self, Counts};
use crate::table::Row;

const NOTE: &str = "virtual time, against a forge in memory that enforces GitHub's documented limits \
                    (controller/tests/forge).";

/// Measures row 8.
pub(crate) fn at_rest() -> Result<Vec<Row>> {
    let rest = budget::an_hour_at_rest(500);
    let Counts { lists, conditional, reads, writes, .. } = rest.forge;
    let requests = lists + conditional + reads + writes;
    let written = writes as usize + rest.cluster;
    Ok(vec![Row {
        number: 8,
        what: "requests per hour, 500 open pull requests, nothing happening".to_owned(),
        figure: format!("{requests}, {conditional} conditional; {written} writes"),
        target: "<= 120, all conditional; 0 writes".to_owned(),
        met: requests <= 120 && requests == conditional && written == 0,
        note: NOTE.to_owned(),
    }])
}

/// Measures row 9.
pub(crate) fn storm() -> Result<Vec<Row>> {
    let storm = budget::all_at_once(1_000);
    let order = if storm.in_order { "by urgency" } else { "NOT by urgency" };
    Ok(vec![Row {
        number: 9,
        what: "1,000 objects fire at once, maxOpen 50: limits hit; order".to_owned(),
        figure: format!("{}; {order} ({} h)", storm.limited, storm.hours),
        target: "0; by urgency".to_owned(),
        met: storm.limited == 0 && storm.in_order && storm.opened == 1_000,
        note: NOTE.to_owned(),
    }])
}

/// Measures row 10.
pub(crate) fn restart() -> Result<Vec<Row>> {
    let again = budget::restart(1_000);
    let duplicates = again.pulls - 1_000;
    Ok(vec![Row {
        number: 10,
        what: "restart with 1,000 pending: duplicates; list pages".to_owned(),
        figure: format!("{duplicates}; {}", again.forge.lists),
        target: "0; <= 12".to_owned(),
        met: duplicates == 0 && again.forge.lists <= 12 && again.forge.writes == 0,
        note: NOTE.to_owned(),
    }])
}
