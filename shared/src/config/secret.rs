//! Passwords and tokens.

use std::fmt;

/// A password or a token. [`fmt::Debug`] prints `***`; there is no `Display`. Two can be compared, which the types of
/// crate secrecy cannot: a provider whose settings stay the same keeps its client.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// Returns the text, to be sent and never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
