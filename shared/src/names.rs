//! Names of what the controller creates: readable, within the API's limits, the same for the same input.
//!
//! A name that is too long, or would not be valid, is cut (and made valid) and gets the suffix `-` and ten
//! hex digits of a SHA-256 over what it was made from, so that two long names stay two.

use std::borrow::Cow;

use crate::hash::sha256_hex;

/// Longest name of an object: a DNS-1123 subdomain.
const MAX_NAME: usize = 253;
/// Longest value of a label.
const MAX_LABEL: usize = 63;
/// Hex digits of a hash suffix.
const SUFFIX: usize = 10;
/// `.`, 8 digits of seconds, 2 of the step, 12 of the hash.
const EVENT_SUFFIX: usize = 23;

/// Returns the name of the approval of an object under a rule: `<rule>-<object id>`.
pub fn approval_name(rule: &str, object_id: &str) -> String {
    joined(rule, object_id)
}

/// Returns the approval's name when [`approval_name`] is taken by an object that is not ours: always with the hash.
pub fn hashed_approval_name(rule: &str, object_id: &str) -> String {
    hashed(rule, object_id)
}

/// Returns the name of the AutopilotRuleObject of an object under a rule: `<object id>-<rule>`.
pub fn rule_object_name(object_id: &str, rule: &str) -> String {
    joined(object_id, rule)
}

/// Returns the rule object's name when [`rule_object_name`] is taken by an object of another pair: always with the
/// hash.
pub fn hashed_rule_object_name(object_id: &str, rule: &str) -> String {
    hashed(object_id, rule)
}

/// Returns a value for a label: the text itself where it is a valid one (the empty one is), else cut, made valid and
/// hashed.
pub fn label_value(text: &str) -> String {
    let valid = text.len() <= MAX_LABEL
        && text.bytes().all(in_label)
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.']);
    if valid {
        return text.to_owned();
    }
    let kept: String =
        text.chars().map(|c| if c.is_ascii() && in_label(c as u8) { c } else { '-' }).collect();
    let hash = hex(&[text], SUFFIX);
    match cut(&kept, MAX_LABEL - SUFFIX - 1) {
        "" => hash,
        kept => format!("{kept}-{hash}"),
    }
}

/// Returns whether [`label_value`] may have made this of another text: it ends in what its hash looks like.
pub fn may_be_hashed(label: &str) -> bool {
    let hash = label.rsplit('-').next().unwrap_or_default();
    hash.len() == SUFFIX && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the name of an event: `<rule>.<seconds><step><hash>`, all but the rule in hex. Names of one rule sort by time,
/// and within a second by `step` (which wraps after 256). The hash is over `seed`: whoever emits the same
/// event again gets the same name, and the API server refuses it.
///
/// `when` counts seconds since 1970; what does not fit into 32 bits is clamped. The rule is cut as far as it
/// must be.
pub fn event_name(rule: &str, when: i64, step: u64, seed: &[&str]) -> String {
    let rule = valid_characters(rule);
    let rule = match cut(&rule, MAX_NAME - EVENT_SUFFIX) {
        "" => "rule",
        rule => rule,
    };
    let seconds = u32::try_from(when.max(0)).unwrap_or(u32::MAX);
    format!("{rule}.{seconds:08x}{:02x}{}", step % 256, hex(seed, 12))
}

fn joined(first: &str, second: &str) -> String {
    let name = format!("{first}-{second}");
    if is_name(&name) {
        return name;
    }
    hashed(first, second)
}

fn hashed(first: &str, second: &str) -> String {
    let name = format!("{first}-{second}");
    // Over the parts, not the whole: (a-b, c) and (a, b-c) have the same plain name.
    let hash = hex(&[first, second], SUFFIX);
    match cut(&valid_characters(&name), MAX_NAME - SUFFIX - 1) {
        "" => hash,
        name => format!("{name}-{hash}"),
    }
}

/// Returns whether a text is a DNS-1123 subdomain.
fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn in_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Returns the text with only what a subdomain may hold. A text that is one already stays as it is.
fn valid_characters(text: &str) -> Cow<'_, str> {
    if is_name(text) {
        return Cow::Borrowed(text);
    }
    let lower = text.to_ascii_lowercase();
    let labels: Vec<String> = lower
        .split('.')
        .map(|label| {
            let label: String = label
                .chars()
                .map(|c| match c {
                    'a'..='z' | '0'..='9' => c,
                    _ => '-',
                })
                .collect();
            label.trim_matches('-').to_owned()
        })
        .filter(|label| !label.is_empty())
        .collect();
    Cow::Owned(labels.join("."))
}

/// Returns at most `length` characters of an ASCII text, without marks at either end.
fn cut(text: &str, length: usize) -> &str {
    let end = text.len().min(length);
    text.get(..end).unwrap_or(text).trim_matches(['-', '_', '.'])
}

/// Returns the first `digits` hex digits of SHA-256 over the texts, each behind its length (64 bits, big-endian).
fn hex(texts: &[&str], digits: usize) -> String {
    let lengths: Vec<[u8; 8]> = texts.iter().map(|text| (text.len() as u64).to_be_bytes()).collect();
    let pieces = lengths.iter().zip(texts).flat_map(|(length, text)| [length.as_slice(), text.as_bytes()]);
    sha256_hex(pieces, digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PVC: &str = "pvc-ec475444-e2d6-4533-863b-03263da7b04c";

    #[test]
    fn short_names_are_what_the_guide_shows() {
        assert_eq!(approval_name("volume-resize", PVC), format!("volume-resize-{PVC}"));
        assert_eq!(rule_object_name(PVC, "volume-resize"), format!("{PVC}-volume-resize"));
        assert_eq!(label_value("volume-resize"), "volume-resize");
        assert_eq!(label_value(""), "");
    }

    /// Objects with these names are in clusters; they must be found again.
    #[test]
    fn hashes_in_names_are_the_ones_that_lie_in_clusters() {
        assert_eq!(hashed_approval_name("volume-resize", PVC), format!("volume-resize-{PVC}-ff10986ef1"));
        assert_eq!(label_value("a/b c"), "a-b-c-eb51ae0911");
        assert_eq!(event_name("r", 0, 0, &["seed", "1"]), "r.00000000002eb504f050ce");
    }

    #[test]
    fn a_name_of_exactly_the_limit_stays_and_one_more_is_hashed() {
        let rule = "r".repeat(MAX_NAME - PVC.len() - 1);
        assert_eq!(approval_name(&rule, PVC), format!("{rule}-{PVC}"));
        let longer = format!("{rule}r");
        let name = approval_name(&longer, PVC);
        assert!(name.len() <= MAX_NAME && name.starts_with("rrrr"), "{name}");
        assert_eq!(label_value(&"a".repeat(63)).len(), 63);
        assert_eq!(label_value(&"a".repeat(64)).len(), 63);
    }

    #[test]
    fn pairs_with_the_same_plain_name_differ_once_hashed() {
        assert_eq!(approval_name("a-b", "c"), approval_name("a", "b-c"));
        assert_ne!(hashed_approval_name("a-b", "c"), hashed_approval_name("a", "b-c"));
        assert_ne!(hashed_rule_object_name("a-b", "c"), hashed_rule_object_name("a", "b-c"));
    }

    #[test]
    fn what_cannot_be_a_name_becomes_one() {
        for (rule, object) in [("Rule", "POOL/1"), ("", ""), ("-", "."), ("ä", "ß"), ("a..b", "c")] {
            let name = approval_name(rule, object);
            assert!(is_name(&name), "{rule:?} {object:?} gave {name:?}");
        }
        assert_ne!(approval_name("r", "A"), approval_name("r", "a"));
    }

    #[test]
    fn an_event_name_is_rule_time_step_and_hash() {
        let name = event_name("volume-resize", 0x6543_2100, 258, &["a", "b"]);
        let (rule, rest) = name.split_once('.').unwrap();
        assert_eq!(rule, "volume-resize");
        assert_eq!(&rest[..10], "6543210002");
        assert_eq!(rest.len(), 22);
        assert_ne!(event_name("r", 0, 0, &["ab", "c"]), event_name("r", 0, 0, &["a", "bc"]));
    }

    fn subdomain() -> impl Strategy<Value = String> {
        "[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?){0,7}"
            .prop_filter("a name", |name| is_name(name))
    }

    proptest! {
        #[test]
        fn names_are_valid_and_stable(rule in subdomain(), object in subdomain()) {
            for name in [
                approval_name(&rule, &object),
                hashed_approval_name(&rule, &object),
                rule_object_name(&object, &rule),
                hashed_rule_object_name(&object, &rule),
                event_name(&rule, 1_700_000_000, 3, &[&object]),
            ] {
                prop_assert!(is_name(&name), "{}", name);
            }
            let plain = format!("{rule}-{object}");
            if plain.len() <= MAX_NAME {
                prop_assert_eq!(approval_name(&rule, &object), plain);
            }
            prop_assert_eq!(approval_name(&rule, &object), approval_name(&rule, &object));
        }

        #[test]
        fn long_names_that_differ_at_the_end_stay_apart(
            rule in "[a-z]{250}", a in "[a-z]{9}", b in "[a-z]{9}",
        ) {
            prop_assume!(a != b);
            prop_assert_ne!(approval_name(&rule, &a), approval_name(&rule, &b));
            prop_assert_ne!(label_value(&format!("{rule}{a}")), label_value(&format!("{rule}{b}")));
        }

        #[test]
        fn any_text_gives_valid_names_and_labels(a in "\\PC{0,300}", b in "\\PC{0,300}") {
            prop_assert!(is_name(&approval_name(&a, &b)));
            prop_assert!(is_name(&event_name(&a, 1, 1, &[&b])));
            let label = label_value(&a);
            prop_assert!(label.len() <= MAX_LABEL);
            prop_assert!(label.bytes().all(in_label));
            for end in [label.bytes().next(), label.bytes().last()].into_iter().flatten() {
                prop_assert!(end.is_ascii_alphanumeric());
            }
            prop_assert!(label == a || may_be_hashed(&label));
            prop_assert_eq!(label_value(&label), label);
        }

        #[test]
        fn events_sort_by_time_and_step(
            rule in subdomain(), from in 0..4_000_000_000_i64, gap in 1..200_000_000_i64, step in 0..255_u64,
        ) {
            let first = event_name(&rule, from, 255, &["x"]);
            prop_assert!(first < event_name(&rule, from + gap, 0, &["y"]));
            prop_assert!(event_name(&rule, from, step, &["x"]) < event_name(&rule, from, step + 1, &["y"]));
        }
    }
}
