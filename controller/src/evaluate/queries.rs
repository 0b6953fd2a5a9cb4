//! Which queries a rule needs, and when.

use autopilot_shared::rule::{Action, Expression, Rule, Test};
use jiff::Timestamp;

use crate::prometheus::pushdown;

/// The part of a query in a rule's evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    /// How many scrape targets are down.
    Down,
    /// Which objects pass the test of this expression.
    Matching(usize),
    /// How many series this expression has.
    Count(usize),
    /// Which objects this expression has data for.
    Present(usize),
}

/// How many scrape targets are down, in one sample; no sample if all are up. Asked where the configuration says that
/// nothing may happen while one is down.
pub(crate) const DOWN: &str = "count(up == 0)";

/// Returns the queries that begin each pass of a rule. The tests of presence need one query only.
pub(crate) fn first_queries(rule: &Rule) -> Vec<(Part, String)> {
    let mut all = Vec::new();
    for (i, expression) in rule.expressions.iter().enumerate() {
        all.push((Part::Matching(i), pushdown::matching(expression)));
        if !tests_presence(&expression.test) {
            all.push((Part::Count(i), count_query(expression)));
        }
    }
    all
}

/// Returns the queries of a deep look, which tell objects without data from objects whose conditions do not hold.
pub(crate) fn deep_queries(rule: &Rule) -> Vec<(Part, String)> {
    let expressions = rule.expressions.iter().enumerate().filter(|(_, e)| !tests_presence(&e.test));
    expressions.map(|(i, e)| (Part::Present(i), pushdown::present(e))).collect()
}

/// Returns whether a rule that selects so many objects has anything to query.
pub(crate) fn has_queries(rule: &Rule, selected: usize) -> bool {
    selected > 0 || matches!(rule.action, Action::Pool { .. })
}

/// Returns the time of a rule's next pass. Passes of the same interval fall together, so that their queries do. `poll` and
/// `floor` are in seconds.
pub(crate) fn next_poll(now: Timestamp, poll: u64, floor: u64) -> Timestamp {
    let interval = i64::try_from(poll.max(floor).max(1)).unwrap_or(i64::MAX);
    let slot = now.as_second().div_euclid(interval).saturating_add(1);
    Timestamp::from_second(slot.saturating_mul(interval)).unwrap_or(Timestamp::MAX)
}

/// Returns the query for the number of series of a key, in one sample.
fn count_query(expression: &Expression) -> String {
    format!("count(({}\n))", expression.key)
}

fn tests_presence(test: &Test) -> bool {
    matches!(test, Test::Exists | Test::DoesNotExist)
}
