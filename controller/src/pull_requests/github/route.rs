//! Paths of requests. octocrab sends them as they are, so what comes from outside is encoded here.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path, or one value of a query: a `/` in it is encoded, too.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path of several segments, such as a file's or a branch's.
pub(crate) fn path(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A path with a query.
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut route = path.to_owned();
    for (i, (name, value)) in pairs.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(route, "{}{name}={}", if i == 0 { '?' } else { '&' }, segment(value));
    }
    route
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        for (text, encoded) in [
            ("aut-ns-a.b_c~1", "aut-ns-a.b_c~1"),
            ("feature/a#b", "feature/a%23b"),
            ("dir/a b.yaml", "dir/a%20b.yaml"),
            ("a?ref=x&y", "a%3Fref%3Dx%26y"),
            ("50%2e", "50%252e"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(path(text), encoded);
        }
        assert_eq!(segment("feature/a"), "feature%2Fa");
        assert_eq!(with_query("/p", &[("head", "o:a b"), ("state", "all")]), "/p?head=o%3Aa%20b&state=all");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_uri_whose_path_it_is(text in "\\PC{1,40}") {
            let uri: http::Uri = format!("http://localhost/{}", segment(&text)).parse().unwrap();
            let back = percent_encoding::percent_decode_str(&uri.path()[1..]).decode_utf8().unwrap();
            prop_assert_eq!(back, text);
            prop_assert_eq!(uri.query(), None);
        }
    }
}
