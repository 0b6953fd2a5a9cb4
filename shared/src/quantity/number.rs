//! The number, its format and its canonical text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Nanos in one unit. Nothing finer exists: the API rounds finer numbers away from zero.
pub(super) const UNIT: i128 = 1_000_000_000;

/// The family of suffixes that a quantity is printed with. Kept from the text it was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Powers of 1024: `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySI,
    /// Powers of 1000: `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`.
    #[default]
    DecimalSI,
    /// Powers of 1000 as an exponent: `12e6`.
    DecimalExponent,
}

/// A number with at most nine decimals and the format it is printed in.
///
/// Two quantities are equal when their numbers are, whatever their format, as with the API's own comparison:
/// `1Gi` equals `1024Mi` and `1073741824`. [`fmt::Display`] gives the canonical text.
///
/// Differences from the API's type, each on the safe side: a text without a digit (`Gi`, `+`) is refused,
/// where the API reads zero; numbers beyond about 1.7e29 are refused, where the API keeps any; and from 1e21
/// on a number in [`Format::DecimalSI`] is printed with all its digits, where the API loses the suffix
/// (`1000E` comes back as `1`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    pub(super) nanos: i128,
    pub(super) format: Format,
}

/// The reason why a text is no quantity. The message quotes the text, shortened where it is long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The text is empty.
    #[error("a quantity is missing; write a number with a suffix, such as 10Gi")]
    Empty,
    /// No digit before the suffix.
    #[error("{0:?} has no number; write a number with a suffix, such as 10Gi")]
    NoNumber(String),
    /// The number is followed by something that is no suffix.
    #[error(
        "{text:?} ends in {suffix:?}, which is no suffix; use one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, \
         or an exponent such as e6"
    )]
    Suffix {
        /// The whole text.
        text: String,
        /// Text behind the number.
        suffix: String,
    },
    /// The number is beyond what can be held.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

impl Quantity {
    /// Makes a quantity of a whole number of bytes, or of whatever the unit is.
    pub const fn from_bytes(bytes: i64, format: Format) -> Self {
        Quantity { nanos: bytes as i128 * UNIT, format }
    }

    /// Returns the format that it is printed in.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Returns the number in whole units, a fraction rounded away from zero (as documented of Go's `Value()`).
    /// `None` if it does not fit.
    pub fn bytes(self) -> Option<i64> {
        i64::try_from(self.rounded()).ok()
    }

    /// Returns the same as [`Self::bytes`], but what does not fit becomes the largest (or smallest) `i64`.
    pub fn value(self) -> i64 {
        self.bytes().unwrap_or(if self.nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Returns the sum, in the format of the left side, or of the right side when the left one is zero (as the API
    /// adds). `None` if it cannot be held.
    pub fn checked_add(self, other: Quantity) -> Option<Quantity> {
        Some(Quantity {
            nanos: self.nanos.checked_add(other.nanos)?,
            format: if self.is_zero() { other.format } else { self.format },
        })
    }

    /// Returns whole units, rounded away from zero.
    fn rounded(self) -> i128 {
        let whole = self.nanos / UNIT;
        if self.nanos % UNIT == 0 { whole } else { whole + self.nanos.signum() }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Quantity {
    /// The canonical text: no fraction, the largest suffix that needs none. A number in [`Format::BinarySI`]
    /// that is no whole number, or is smaller than 1024, is printed as decimal (`CanonicalizeBytes` in
    /// `quantity.go`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

        if self.nanos == 0 {
            return f.pad("0");
        }
        let whole = self.nanos / UNIT;
        let is_whole = self.nanos % UNIT == 0;
        let text = match self.format {
            Format::BinarySI if is_whole && whole.abs() >= 1024 => {
                let (number, power) = without_factors(whole, 1024, BINARY.len() - 1);
                format!("{number}{}", BINARY[power])
            }
            Format::DecimalExponent => {
                let (number, power) = without_factors(self.nanos, 1000, usize::MAX);
                match power {
                    3 => number.to_string(),
                    _ => format!("{number}e{}", power as i64 * 3 - 9),
                }
            }
            Format::BinarySI | Format::DecimalSI => {
                let (number, power) = without_factors(self.nanos, 1000, DECIMAL.len() - 1);
                format!("{number}{}", DECIMAL[power])
            }
        };
        f.pad(&text)
    }
}

/// Returns `number` divided by `factor` as often as nothing is left over, at most `limit` times, and how often that
/// was.
fn without_factors(mut number: i128, factor: i128, limit: usize) -> (i128, usize) {
    let mut times = 0;
    while times < limit && number != 0 && number % factor == 0 {
        number /= factor;
        times += 1;
    }
    (number, times)
}
