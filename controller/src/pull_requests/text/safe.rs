//! Text from outside inside markdown and commit messages.

use autopilot_shared::text::is_hidden;

/// Longest text of one field.
const FIELD: usize = 1_500;

/// Returns a text as inline code: shown letter by letter, whatever it holds. Mentions, links, markup and comments
/// mean nothing inside, and the fence is longer than any run of backticks in it.
pub(crate) fn code(text: &str) -> String {
    let mut clean: String = text.chars().map(visible).take(FIELD + 1).collect();
    if clean.chars().count() > FIELD {
        clean = clean.chars().take(FIELD).chain("…".chars()).collect();
    }
    let clean = clean.trim();
    if clean.is_empty() {
        return "(empty)".to_owned();
    }
    let mut longest = 0;
    let mut run = 0;
    for c in clean.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    // A fence must not touch a backtick; one space on each side is dropped when it is shown.
    let pad = if clean.starts_with('`') || clean.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{clean}{pad}{fence}")
}

/// Returns a name for a title or a commit message: letters, digits, `.`, `-` and `_`. Names of objects have no others.
pub(crate) fn slug(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

/// Returns a space for a character that takes no place, turns the line around or ends it.
fn visible(c: char) -> char {
    if is_hidden(c) { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the code span that begins a text according to CommonMark: its content, and the text behind it.
    fn span(text: &str) -> Option<(&str, &str)> {
        let fence = text.len() - text.trim_start_matches('`').len();
        let mut at = fence;
        if fence == 0 {
            return None;
        }
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.find('`')?;
            let length = text[start..].len() - text[start..].trim_start_matches('`').len();
            if length == fence {
                return Some((&text[fence..start], &text[start + length..]));
            }
            at = start + length;
        }
    }

    #[test]
    fn names_are_shown_as_they_are() {
        assert_eq!(code("volume-resize"), "`volume-resize`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(" \n"), "(empty)");
        assert_eq!(code("a\u{202e}b\nc"), "`a b c`");
        assert_eq!(slug("a\nCo-authored-by: x <y>"), "a-Co-authored-by--x--y-");
    }

    #[test]
    fn no_character_that_the_console_hides_stands_in_a_pull_request() {
        for c in ('\0'..=char::MAX).filter(|c| is_hidden(*c)) {
            assert_eq!(code(&format!("a{c}b")), "`a b`", "U+{:04X}", u32::from(c));
        }
        // A sentence in tags and one in variation selectors.
        assert_eq!(code("a\u{e0041}b\u{e0150}c\u{3164}d\u{2800}e\u{fe0f}"), "`a b c d e`");
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_code_span(text in "[`@#<>!\\-\\[\\]()a \\n\\\\|]{0,60}|\\PC{0,80}") {
            let shown = code(&text);
            prop_assert!(!shown.contains('\n'));
            if shown != "(empty)" {
                let (inside, behind) = span(&shown).unwrap();
                prop_assert!(!inside.is_empty());
                prop_assert_eq!(behind, "");
            }
            prop_assert!(code(&text.repeat(100)).chars().count() < 2 * FIELD + 4_000);
        }
    }
}
