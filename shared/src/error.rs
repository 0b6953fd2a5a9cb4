//! Errors with their causes, as one text.

use std::error::Error;

/// Returns the error and all its causes in one line, joined by `: `; a cause that the text has already is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

/// Returns the text of the innermost cause, or of the error itself if it has none. Clients wrap what happened several
/// times: `Connection refused (os error 111)` says more than `client error (Connect)`.
pub fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Wrapped {
        text: &'static str,
        source: Option<Box<Wrapped>>,
    }

    fn wrapped(texts: &[&'static str]) -> Wrapped {
        let (text, rest) = texts.split_first().unwrap();
        Wrapped { text, source: (!rest.is_empty()).then(|| Box::new(wrapped(rest))) }
    }

    #[test]
    fn causes_follow_the_error_and_none_is_said_twice() {
        for (texts, chained, inner) in [
            (&["alone"][..], "alone", "alone"),
            (&["read", "connect", "refused"], "read: connect: refused", "refused"),
            (&["read: refused", "refused", "port 1"], "read: refused: port 1", "port 1"),
        ] {
            let error = wrapped(texts);
            assert_eq!((chain(&error).as_str(), innermost(&error).as_str()), (chained, inner));
        }
    }
}
