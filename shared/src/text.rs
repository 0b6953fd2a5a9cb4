//! Text from outside: which of its characters a reader does not see, and how it is made to fit.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Characters that take no place, turn the text around them or show as a blank, in ascending order: all that Unicode
/// calls default ignorable, all format characters that have no glyph, and the few besides that are drawn as nothing.
/// Spaces are not among them, nor marks that need the letter before them.
const INVISIBLE: [RangeInclusive<char>; 24] = [
    '\u{ad}'..='\u{ad}',       // soft hyphen
    '\u{34f}'..='\u{34f}',     // combining grapheme joiner
    '\u{61c}'..='\u{61c}',     // Arabic letter mark
    '\u{115f}'..='\u{1160}',   // Hangul fillers
    '\u{17b4}'..='\u{17b5}',   // Khmer inherent vowels
    '\u{180b}'..='\u{180f}',   // Mongolian variation selectors and vowel separator
    '\u{200b}'..='\u{200f}',   // zero-width space and joiners, directional marks
    '\u{2028}'..='\u{202e}',   // line and paragraph separators, embeddings and overrides
    '\u{2060}'..='\u{206f}',   // word joiner, invisible operators, isolates, deprecated controls
    '\u{2800}'..='\u{2800}',   // Braille pattern without a dot
    '\u{3164}'..='\u{3164}',   // Hangul filler
    '\u{fe00}'..='\u{fe0f}',   // variation selectors
    '\u{feff}'..='\u{feff}',   // byte order mark
    '\u{ffa0}'..='\u{ffa0}',   // halfwidth Hangul filler
    '\u{fff0}'..='\u{fff8}',   // reserved, to be ignored
    '\u{fff9}'..='\u{fffb}',   // interlinear annotation
    '\u{fffc}'..='\u{fffc}',   // object replacement character
    '\u{13430}'..='\u{13440}', // joiners and mirroring of hieroglyphs
    '\u{13441}'..='\u{13442}', // blanks among hieroglyphs
    '\u{16fe4}'..='\u{16fe4}', // Khitan filler
    '\u{1bca0}'..='\u{1bca3}', // shorthand format controls
    '\u{1d159}'..='\u{1d159}', // musical null notehead
    '\u{1d173}'..='\u{1d17a}', // musical format controls
    '\u{e0000}'..='\u{e0fff}', // tags, variation selectors supplement, reserved
];

/// Returns whether a reader would not see the character, or whether it changes how the text around it is read: control
/// characters and the invisible ones. Whoever shows text from outside to somebody who decides must not let it through.
pub fn is_hidden(c: char) -> bool {
    if c < '\u{ad}' {
        return c.is_control();
    }
    let after = INVISIBLE.partition_point(|range| *range.start() <= c);
    after > 0 && c <= *INVISIBLE[after - 1].end()
}

/// Returns the beginning of a text, at most so many characters.
pub fn truncate(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// Returns the beginning of a text, at most so many bytes, ending between two characters.
pub fn truncate_bytes(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Returns the text if it has at most so many characters, otherwise its beginning with `…` for the last of them.
pub fn ellipsize(text: &str, characters: usize) -> Cow<'_, str> {
    if truncate(text, characters).len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", truncate(text, characters.saturating_sub(1))))
}

/// Returns the beginning of a text, at most so many characters, with a space for each control character: one line, for
/// a condition or a journal.
pub fn one_line(text: &str, characters: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(characters).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    /// Every character with a property, by its name in regular expressions.
    fn unicode(property: &str) -> impl Iterator<Item = char> {
        let class = match regex_syntax::parse(property).unwrap().into_kind() {
            HirKind::Class(Class::Unicode(class)) => class,
            other => panic!("{property} is no class of characters: {other:?}"),
        };
        class.ranges().to_vec().into_iter().flat_map(|range| range.start()..=range.end())
    }

    #[test]
    fn the_table_is_in_ascending_order_without_overlaps() {
        assert!(INVISIBLE.iter().all(|range| range.start() <= range.end()));
        assert!(INVISIBLE.windows(2).all(|two| two[0].end() < two[1].start()));
    }

    #[test]
    fn all_that_unicode_calls_a_control_ignorable_or_a_format_without_a_glyph_is_hidden() {
        let mut seen = 0;
        // The characters of `Prepended_Concatenation_Mark` are formats and drawn: signs for numbers, years and verses.
        for property in [
            r"\p{Cc}",
            r"[\p{Zl}\p{Zp}]",
            r"\p{Default_Ignorable_Code_Point}",
            r"\p{Bidi_Control}",
            r"\p{Variation_Selector}",
            r"[\p{Cf}--\p{Prepended_Concatenation_Mark}]",
        ] {
            for c in unicode(property) {
                assert!(is_hidden(c), "{property}: U+{:04X}", u32::from(c));
                seen += 1;
            }
        }
        assert!(seen > 4_000, "{seen}");
    }

    #[test]
    fn letters_digits_marks_signs_and_spaces_are_shown() {
        for property in [r"\p{L}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{M}", r"\p{Zs}"] {
            let hidden: String = unicode(property).filter(|c| is_hidden(*c)).collect();
            let known = match property {
                r"\p{L}" => "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{13441}\u{13442}",
                r"\p{S}" => "\u{2800}\u{fffc}\u{1d159}",
                r"\p{M}" => continue,
                _ => "",
            };
            assert_eq!(hidden, known, "{property}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(["", "ä", "äö", "äöü", "äöü"], [0, 1, 2, 3, 4].map(|n| truncate("äöü", n)));
        assert_eq!(["", "", "ä", "ä", "äö"], [0, 1, 2, 3, 4].map(|n| truncate_bytes("äöü", n)));
        assert_eq!(["…", "…", "ä…", "äöü", "äöü"], [0, 1, 2, 3, 4].map(|n| ellipsize("äöü", n)));
        assert_eq!(one_line("a\nb\u{9b}c\td", 6), "a b c ");
    }

    proptest! {
        /// The program's texts are cut as they were before there were these functions.
        #[test]
        fn cutting_gives_what_it_gave(text in "\\PC{0,12}|[a\u{e9}\u{1f600}\\x00-\\x1f\u{9b}]{0,12}", length in 0..14_usize) {
            prop_assert_eq!(truncate(&text, length), text.chars().take(length).collect::<String>());
            let cut = truncate_bytes(&text, length);
            prop_assert!(text.starts_with(cut) && cut.len() <= length && length < cut.len() + 4 || cut == text);
            let ellipsized = if text.chars().count() <= length {
                text.clone()
            } else {
                text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
            };
            prop_assert_eq!(ellipsize(&text, length), ellipsized);
        }
    }
}
