//! The PromQL that is sent for an expression.
//!
//! Two queries belong to an expression. [`matching`] holds the comparison, so the answer grows with what matches and
//! not with the cluster. [`present`] has no comparison and says who has data at all: an object that is missing from
//! the first is below the threshold only if it is in the second.
//!
//! The server's filter is coarser than [`Test::holds`], which has the last word on every sample that arrives: in
//! PromQL `NaN != 1` and `+Inf > 50` are true, here a value that is not finite is no data.

use autopilot_shared::rule::{Expression, Test};

/// The labels by which a sample is recognized as a volume's, a claim's or a pool's. [`present`] keeps these only.
pub const IDENTITY: [&str; 6] =
    ["volumename", "namespace", "persistentvolumeclaim", "pv", "persistentvolume", "pool"];

/// Values of a list that are compared by the server, which needs the key once for each. Of a longer list it compares
/// the bounds, or nothing.
const LISTED: usize = 32;

/// The query whose samples pass the expression's test, all labels and values kept.
///
/// `Exists` and `DoesNotExist` compare nothing; theirs is [`present`], so that it is also the same text and asked once.
pub fn matching(expression: &Expression) -> String {
    let key = wrapped(&expression.key);
    match &expression.test {
        Test::Gt(v) => format!("{key} > {}", number(*v)),
        Test::GtEq(v) => format!("{key} >= {}", number(*v)),
        Test::Lt(v) => format!("{key} < {}", number(*v)),
        Test::LtEq(v) => format!("{key} <= {}", number(*v)),
        // A comparison with a number passes the sample's own value on, so a second one can follow.
        Test::InRange(low, high) => format!("({key} >= {}) <= {}", number(*low), number(*high)),
        // `or` drops a right-hand sample whose labels (the metric's name aside) are on the left too. Equal labels
        // mean the same object, which is met either way.
        Test::NotInRange(low, high) => {
            format!("({key} < {}) or ({key} > {})", number(*low), number(*high))
        }
        Test::In(list) if list.len() > LISTED => {
            let low = list.iter().copied().fold(f64::INFINITY, f64::min);
            let high = list.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("({key} >= {}) <= {}", number(low), number(high))
        }
        Test::NotIn(list) if list.len() > LISTED => key,
        Test::In(list) => {
            list.iter().map(|v| format!("({key} == {})", number(*v))).collect::<Vec<_>>().join(" or ")
        }
        Test::NotIn(list) => list.iter().fold(key, |query, v| format!("({query} != {})", number(*v))),
        Test::Exists | Test::DoesNotExist => present(expression),
    }
}

/// The query that says which objects have data, whatever the value, in as few bytes as possible.
///
/// `max` is NaN only when every sample of the group is: an object whose exporter answers NaN stays visible as one
/// without data, where a filter would have dropped it. One sample a group, so duplicates (two nodes report one
/// volume) cost nothing.
pub fn present(expression: &Expression) -> String {
    format!("max by ({}) {}", IDENTITY.join(", "), wrapped(&expression.key))
}

/// Parentheses, for a key may be `a or b`; the newline, for it may end in a comment that would swallow the rest.
fn wrapped(key: &str) -> String {
    format!("({key}\n)")
}

/// The number as PromQL reads it back exactly.
///
/// Rust prints the shortest text that reads back as the same number, as does the Go that reads it. Very large and very
/// small ones get an exponent instead of 300 digits. None starts with a zero followed by a digit, which PromQL takes
/// for octal.
fn number(value: f64) -> String {
    // Minus zero too: it equals zero, and the text is what makes two queries identical.
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-5..1e16).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(key: &str, test: Test) -> Expression {
        Expression { key: key.to_owned(), test, operator: String::new(), values: Vec::new() }
    }

    #[test]
    fn each_test_has_its_comparison() {
        let all = "max by (volumename, namespace, persistentvolumeclaim, pv, persistentvolume, pool) (k\n)";
        for (test, query) in [
            (Test::Gt(50.0), "(k\n) > 50"),
            (Test::GtEq(50.5), "(k\n) >= 50.5"),
            (Test::Lt(-1.0), "(k\n) < -1"),
            (Test::LtEq(0.0), "(k\n) <= 0"),
            (Test::InRange(1.0, 2.0), "((k\n) >= 1) <= 2"),
            (Test::NotInRange(1.0, 2.0), "((k\n) < 1) or ((k\n) > 2)"),
            (Test::In(vec![1.0]), "((k\n) == 1)"),
            (Test::In(vec![1.0, 2.0, 3.0]), "((k\n) == 1) or ((k\n) == 2) or ((k\n) == 3)"),
            (Test::NotIn(vec![1.0]), "((k\n) != 1)"),
            (Test::NotIn(vec![1.0, 2.0]), "(((k\n) != 1) != 2)"),
            (Test::Exists, all),
            (Test::DoesNotExist, all),
        ] {
            assert_eq!(matching(&expression("k", test.clone())), query, "{test:?}");
        }
    }

    #[test]
    fn the_query_does_not_grow_with_a_long_list() {
        let many: Vec<f64> = (0..10_000).map(f64::from).collect();
        assert_eq!(matching(&expression("k", Test::In(many.clone()))), "((k\n) >= 0) <= 9999");
        assert_eq!(matching(&expression("k", Test::NotIn(many))), "(k\n)");
    }

    #[test]
    fn presence_has_no_comparison_and_the_identity_labels_only() {
        for test in [Test::Gt(50.0), Test::Exists, Test::In(vec![1.0])] {
            assert_eq!(
                present(&expression("100 * (a / b) # per cent", test)),
                "max by (volumename, namespace, persistentvolumeclaim, pv, persistentvolume, pool) \
                 (100 * (a / b) # per cent\n)"
            );
        }
    }

    #[test]
    fn a_comment_or_an_or_in_the_key_does_not_swallow_the_comparison() {
        assert_eq!(matching(&expression("a or b # used", Test::Gt(1.0))), "(a or b # used\n) > 1");
    }

    #[test]
    fn numbers_read_back_exactly() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (50.0, "50"),
            (-50.0, "-50"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-5, "0.00001"),
            (1e-7, "1e-7"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e16, "1e16"),
            (-1e16, "-1e16"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN, "-1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::EPSILON, "2.220446049250313e-16"),
        ] {
            assert_eq!(number(value), text);
            assert_eq!(text.parse::<f64>().unwrap(), value, "{text}");
        }
    }
}
