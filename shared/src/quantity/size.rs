//! Sizes of volumes, and how they grow.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::{Format, Quantity, QuantityError};

/// Size of a volume: whole bytes and the format they are printed in. Sixteen bytes, because there is one for
/// every volume of the cluster. Compared by bytes only, as a [`Quantity`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Bytes.
    pub bytes: i64,
    /// Format that it is printed in.
    pub format: Format,
}

impl Size {
    /// Makes a size.
    pub const fn new(bytes: i64, format: Format) -> Self {
        Size { bytes, format }
    }
}

impl From<Quantity> for Size {
    /// Rounds away from zero; what does not fit becomes the largest (or smallest) size.
    fn from(quantity: Quantity) -> Self {
        Size::new(quantity.value(), quantity.format())
    }
}

impl From<Size> for Quantity {
    fn from(size: Size) -> Self {
        Quantity::from_bytes(size.bytes, size.format)
    }
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Quantity>().map(Size::from)
    }
}

impl fmt::Display for Size {
    /// The canonical text of the quantity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quantity::from(*self).fmt(f)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Quantity::deserialize(deserializer).map(Size::from)
    }
}

impl PartialEq for Size {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Size {}

impl Hash for Size {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl Ord for Size {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The result of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    /// The new size. Equal to the current one only when the percentage of it is less than a byte.
    To(Size),
    /// The size is at its maximum, or above it: nothing is done.
    AtMaximum,
}

/// Returns the size after a resize by `percent` of the current size, whole bytes, a fraction dropped; never above
/// `max`, and never above `i64::MAX`. Arithmetic of the original, as its vendor's tests check it.
///
/// The result keeps the format of `current`. A result that was cut to `max` is written in the format of
/// `current` or of `max`, whichever text is shorter (`12G` rather than `11718750Ki`, and `400Gi` rather than
/// `429496729600`).
pub fn grow(current: Size, percent: u32, max: Option<Size>) -> Grown {
    if max.is_some_and(|max| current >= max) {
        return Grown::AtMaximum;
    }
    let bytes = i128::from(current.bytes);
    let grown = bytes + bytes * i128::from(percent) / 100;
    let grown = Size::new(i64::try_from(grown).unwrap_or(i64::MAX), current.format);
    Grown::To(match max {
        Some(max) if grown >= max => {
            let ours = Size::new(max.bytes, current.format);
            if max.to_string().len() < ours.to_string().len() { max } else { ours }
        }
        _ => grown,
    })
}

/// The reason why a text is no maximum size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaxSizeError {
    /// Neither a number of bytes nor a quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// Zero, or less.
    #[error("{0:?} is not above zero; give a size such as 400Gi, or leave it out for no limit")]
    NotPositive(String),
}

/// Reads `maxsize`: a plain whole number is bytes, anything else a quantity. White space around it is
/// dropped.
///
/// # Errors
/// When it is neither, and when it is zero or negative.
pub fn parse_maxsize(text: &str) -> Result<Size, MaxSizeError> {
    let text = text.trim();
    let size = match text.parse::<i64>() {
        Ok(bytes) => Size::new(bytes, Format::DecimalSI),
        Err(_) => text.parse::<Size>()?,
    };
    if size.bytes <= 0 {
        return Err(MaxSizeError::NotPositive(text.to_owned()));
    }
    Ok(size)
}
