//! The token: what it is, where it comes from, and how it is replaced while the controller runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use autopilot_shared::config::Secret;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;

use crate::prometheus::SecretFrom;

/// Secret that holds the token, in the controller's namespace.
pub(crate) const TOKEN_SECRET: &str = "aut-github";
/// Its key.
pub(crate) const TOKEN_KEY: &str = "GITHUB_TOKEN";

/// Prefixes of GitHub's tokens: classic, fine-grained, OAuth, of an App's user, of an installation, refresh.
const PREFIXES: [&str; 6] = ["ghp_", "github_pat_", "gho_", "ghu_", "ghs_", "ghr_"];

/// A token that can be sent. `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token(Secret);

/// Reason why there is no token. Repeats nothing of what was found in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// No Secret, or no such key in it.
    #[error(
        "there is no token: create Secret {TOKEN_SECRET} with key {TOKEN_KEY} in the controller's namespace"
    )]
    Missing,
    /// Nothing but white space.
    #[error("the token is empty: put one into Secret {TOKEN_SECRET}, key {TOKEN_KEY}")]
    Empty,
    /// Base64 of a token.
    #[error(
        "the token was encoded with base64 twice: give the token itself to `kubectl create secret` or to stringData; \
         only under data is it encoded, once"
    )]
    EncodedTwice,
    /// Not a token at all.
    #[error("the token contains white space, or characters that no token has")]
    Strange,
    /// The file cannot be read. Names it.
    #[error("the token cannot be read: {0}")]
    File(String),
}

impl Token {
    /// Reads the token in these bytes; white space around it is dropped.
    ///
    /// # Errors
    /// [`TokenError::Empty`], [`TokenError::EncodedTwice`], [`TokenError::Strange`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Token, TokenError> {
        // Something that is no text is no token either; an editor's byte order mark is neither.
        let text = std::str::from_utf8(bytes).map_err(|_| TokenError::Strange)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if is_encoded(text) {
            return Err(TokenError::EncodedTwice);
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError::Strange);
        }
        Ok(Token(Secret::new(text)))
    }

    /// Returns the value of the header `Authorization`, which is not logged either.
    pub(crate) fn header(&self) -> Result<HeaderValue, TokenError> {
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", self.0.expose())).map_err(|_| TokenError::Strange)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Returns a text without the token, should somebody have repeated it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(self.0.expose(), "***")
    }
}

/// Whether this is base64 of a token. `base64` breaks lines at 76 characters, so white space counts for nothing.
fn is_encoded(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    [&alphabet::STANDARD, &alphabet::URL_SAFE].into_iter().any(|letters| {
        let decoded = GeneralPurpose::new(letters, lenient).decode(&dense);
        let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.is_some_and(|inner| is_token(inner.trim()) || is_encoded_again(&inner, &dense))
    })
}

/// Whether the decoded text is encoded once more.
fn is_encoded_again(inner: &str, outer: &str) -> bool {
    inner.len() >= 20 && inner.len() < outer.len() && is_encoded(inner)
}

/// Whether this looks like one of GitHub's tokens, as far as that can be told: those of before 2021 are 40 hex digits.
fn is_token(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        || (text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A slot for the token in force. Clones share it: the watch on the Secret puts tokens in, and the client looks before
/// every request.
#[derive(Clone)]
pub struct TokenSlot(Arc<RwLock<Result<Token, TokenError>>>);

impl Default for TokenSlot {
    fn default() -> Self {
        TokenSlot(Arc::new(RwLock::new(Err(TokenError::Missing))))
    }
}

impl fmt::Debug for TokenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSlot").field(&self.get()).finish()
    }
}

impl TokenSlot {
    /// Makes an empty slot.
    pub fn new() -> Self {
        TokenSlot::default()
    }

    /// Puts in the value of [`TOKEN_KEY`]; `None` if there is no such Secret or key. Returns whether that changes
    /// anything: a request that was refused for the old token may be made again.
    pub fn put(&self, bytes: Option<&[u8]>) -> bool {
        let new = bytes.ok_or(TokenError::Missing).and_then(Token::parse);
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *place != new;
        *place = new;
        changed
    }

    /// Returns the token in force.
    ///
    /// # Errors
    /// The reason why there is none.
    pub(crate) fn get(&self) -> Result<Token, TokenError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Source of the token. It is looked up before every request, so that a new token needs no restart.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A slot that somebody fills.
    Slot(TokenSlot),
    /// A mounted file.
    File(PathBuf),
}

impl TokenSource {
    /// Returns the token in force; a file is read where blocking is allowed.
    pub(crate) async fn token(&self) -> Result<Token, TokenError> {
        match self {
            TokenSource::Slot(slot) => slot.get(),
            TokenSource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || from_file(&path)).await;
                read.unwrap_or_else(|_| Err(TokenError::File("reading it was cut short".to_owned())))
            }
        }
    }
}

fn from_file(path: &Path) -> Result<Token, TokenError> {
    let text = SecretFrom::File(path.to_owned()).read().map_err(TokenError::File)?;
    Token::parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

    use super::*;

    const CLASSIC: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    const FINE: &str =
        "github_pat_11AAAAAAA0abcdefghijkl_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU";
    const OLD: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn white_space_around_a_token_is_dropped() {
        for text in [CLASSIC, FINE, OLD, "of-some-other-server"] {
            let token = Token::parse(format!("\u{feff} \n{text}\r\n").as_bytes()).unwrap();
            assert_eq!(token.header().unwrap(), format!("Bearer {text}").as_str());
            assert!(token.header().unwrap().is_sensitive());
        }
    }

    #[test]
    fn a_token_that_was_encoded_twice_is_told_as_such() {
        for text in [CLASSIC, FINE, OLD] {
            let lined = STANDARD.encode(format!("{text}\n"));
            let lined = lined.as_bytes().chunks(76).map(|c| String::from_utf8_lossy(c).into_owned());
            for encoded in [
                STANDARD.encode(text),
                STANDARD.encode(format!("{text}\n")),
                STANDARD_NO_PAD.encode(text),
                URL_SAFE.encode(text),
                STANDARD.encode(STANDARD.encode(text)),
                lined.collect::<Vec<_>>().join("\n"),
            ] {
                assert_eq!(Token::parse(encoded.as_bytes()), Err(TokenError::EncodedTwice), "{encoded}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_repeating_it() {
        for (bytes, problem) in [
            (&b""[..], TokenError::Empty),
            (b" \r\n\t", TokenError::Empty),
            (b"hush hush", TokenError::Strange),
            (b"hush\nhush", TokenError::Strange),
            (b"hush\x00", TokenError::Strange),
            (b"hush\xff", TokenError::Strange),
            ("hüsh".as_bytes(), TokenError::Strange),
        ] {
            let error = Token::parse(bytes).unwrap_err();
            assert_eq!(error, problem);
            assert!(!format!("{error} {error:?}").contains("hush"));
        }
    }

    #[test]
    fn nothing_shows_the_token() {
        let slot = TokenSlot::new();
        assert!(slot.put(Some(CLASSIC.as_bytes())));
        let shown = format!("{:?} {slot:?} {:?}", slot.get(), TokenSource::Slot(slot.clone()));
        assert!(shown.contains("***") && !shown.contains("16C7"), "{shown}");
        let token = slot.get().unwrap();
        assert_eq!(token.scrub(&format!("bad token {CLASSIC}!")), "bad token ***!");
    }

    #[test]
    fn a_slot_tells_what_changes() {
        let slot = TokenSlot::new();
        assert_eq!(slot.get(), Err(TokenError::Missing));
        assert!(!slot.put(None), "there was none before");
        assert!(slot.put(Some(CLASSIC.as_bytes())));
        assert!(!slot.put(Some(format!("{CLASSIC}\n").as_bytes())), "the same token");
        assert!(slot.put(Some(OLD.as_bytes())));
        assert!(slot.put(Some(b"")));
        assert_eq!(slot.get(), Err(TokenError::Empty));
        assert!(slot.put(None));
    }
}
