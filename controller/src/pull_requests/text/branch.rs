//! Names of branches.

use autopilot_shared::digest;

/// Longest name: the server keeps a file of that name, and one with `.lock` behind it.
const LONGEST: usize = 200;
/// Prefix of every branch of ours.
pub(crate) const PREFIX: &str = "aut-";

/// Returns the branch of an approval: `aut-<namespace>-<approval>` in lower case, as the original's. A name that git
/// would not take is made valid, with a hash so that two names stay two.
pub(crate) fn branch(namespace: &str, approval: &str) -> String {
    let plain = format!("{PREFIX}{namespace}-{approval}");
    let lower = plain.to_lowercase();
    if is_plain(&lower) && lower.len() <= LONGEST {
        return lower;
    }
    let kept: String = lower
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '-' })
        .take(LONGEST - 11)
        .collect();
    format!("{kept}-{}", digest::hex(plain.as_bytes(), 10))
}

/// Whether a text is a valid name of a branch without any change. Stricter than git.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_'))
        && !text.contains("..")
        && !text.ends_with('.')
        && !text.ends_with(".lock")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `git check-ref-format`, rule by rule, and what a file system takes.
    fn valid(name: &str) -> bool {
        let strange = |c: char| {
            c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '\u{7f}')
        };
        let parts = |p: &str| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock") && p.len() <= 250;
        name.split('/').all(parts)
            && !name.contains("..")
            && !name.contains(strange)
            && !name.ends_with('.')
            && !name.contains("@{")
            && !name.starts_with('-')
            && name != "@"
    }

    #[test]
    fn branches_are_what_the_original_names_them() {
        let approval = "volume-resize-pvc-0b6bd2f1-6b0c-4a0b-8d8e-6ab7e2d3a111";
        assert_eq!(branch("pg1", approval), format!("aut-pg1-{approval}"));
        assert_eq!(branch("ns", "a.b.c"), "aut-ns-a.b.c");
        assert!(branch("ns", "data.lock").starts_with("aut-ns-data-lock-"));
        assert_ne!(branch("ns", "data.lock"), branch("ns", "data-lock"));
        assert_ne!(branch("ns", &"a".repeat(253)), branch("ns", &format!("{}b", "a".repeat(252))));
        assert_eq!(branch("NS", "Upper"), "aut-ns-upper");
    }

    proptest! {
        #[test]
        fn every_name_of_an_object_gives_a_branch(
            namespace in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
            approval in "[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?(\\.(lock|[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?)){0,6}",
        ) {
            let name = branch(&namespace, &approval);
            prop_assert!(valid(&name), "{}", name);
            prop_assert!(name.starts_with(PREFIX));
            prop_assert_eq!(name.to_lowercase(), name);
        }

        #[test]
        fn so_does_any_text(namespace in "\\PC{0,80}", approval in "\\PC{0,300}") {
            prop_assert!(valid(&branch(&namespace, &approval)));
        }
    }
}
