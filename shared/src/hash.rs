//! SHA-256 as hex digits: what digests of proposals and hashes in names are made of.

use sha2::{Digest as _, Sha256};

/// Returns the first `digits` hex digits (at most 64, lower case) of SHA-256 over the pieces, one behind the other.
pub fn sha256_hex<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, digits: usize) -> String {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    // Further digits than there are make the formatting panic.
    let digits = digits.min(64);
    format!("{:.digits$x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for digits in 0..=64 {
            assert_eq!(sha256_hex([b"abc".as_slice()], digits), abc[..digits]);
        }
        assert_eq!(sha256_hex([b"a".as_slice(), b"", b"bc"], 70), abc);
        assert_eq!(sha256_hex([], 12), "e3b0c44298fc");
    }
}
