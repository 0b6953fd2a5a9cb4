//! The bounds of what pull requests cost.

use crate::budget::{Counts, all_at_once, an_hour_at_rest, restart};

#[test]
fn five_hundred_at_rest_cost_one_conditional_request_per_poll() {
    let rest = an_hour_at_rest(500);
    assert_eq!(rest.forge, Counts { conditional: 120, ..Counts::default() });
    assert_eq!(rest.cluster, 0);
}

#[test]
fn a_restart_with_a_thousand_open_duplicates_nothing() {
    let again = restart(1_000);
    let counts = &again.forge;
    assert!(counts.lists <= 12, "{counts:?}");
    assert_eq!((counts.writes, counts.limited), (0, 0), "{counts:?}");
    assert!(counts.reads <= 5, "{counts:?}");
    assert_eq!((again.cluster, again.pulls), (0, 1_000));
}

#[test]
fn a_thousand_at_once_hit_no_limit_and_come_in_order() {
    let storm = all_at_once(1_000);
    assert_eq!((storm.opened, storm.limited, storm.in_order), (1_000, 0, true), "{storm:?}");
    assert!(storm.most <= 50 && storm.hours < 60, "{storm:?}");
}
